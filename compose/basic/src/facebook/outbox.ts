/**
 * Messages on their way to Facebook. A message is committed as pending before anything is sent, and marked as attempted before the call:
 * after a crash the ones never attempted are sent, and the ones whose outcome nobody knows fail rather than reach the customer twice.
 * While the database is away, the message waits where it is.
 */
import { randomUUID } from "node:crypto";
import type { ChannelRow, MessageRow } from "../database/rows.ts";
import { channelColumns, messageColumns } from "../database/rows.ts";
import type { Database } from "../database/connect.ts";
import { describeError, isDataFault } from "../database/errors.ts";
import type { Vault } from "../database/vault.ts";
import { createVault } from "../database/vault.ts";
import type { Events } from "../live/events.ts";
import { storable, storableKey } from "../text.ts";
import type { GraphClient } from "./graph.ts";
import { GraphFailure } from "./graph.ts";
import { explain } from "./send-errors.ts";

interface PendingMessage {
  id: string;
  conversationId: string;
  /** A call to Facebook was begun. */
  attempted: boolean;
}

export interface Outbox {
  /** Sends a pending message in the background; messages of one conversation go one after the other. */
  submit(message: { id: string; conversationId: string }): void;
  /** What was pending when the last process ended; ask before new messages can be submitted. */
  leftOver(): Promise<PendingMessage[]>;
  /** Sends, or fails, what was left over, in the background; from then on looks now and then for messages that nobody submitted. */
  resume(pending: PendingMessage[]): void;
  /** Waits for calls in flight, at most `graceMs`, then gives them up (they fail with an unknown outcome). */
  close(graceMs: number): Promise<void>;
}

interface Dependencies {
  database: Database;
  events: Events;
  /** How tokens are stored; left out: as they are. */
  vault?: Vault;
  /** null: no app is configured, so nothing can be sent. */
  graph: GraphClient | null;
  /** The outcome of a message of this channel is recorded: echoes that waited for it can be judged. */
  onSettled?: (channelId: string) => Promise<void>;
  log: (line: string) => void;
}

/** As in Airy Core: a message that waited this long is not sent any more. */
const TOO_OLD_MS = 5 * 60_000;
const DATABASE_RETRY_MS = 500;
/** What may succeed later is repeated after these pauses; a page's limits are counted by the minute. */
const SEND_RETRY_MS = [500, 2_000, 8_000, 30_000];
const SWEEP_MS = 15_000;

/** Repeating it with the same claim finds the same message: the answer to the first may have been lost. */
const claim = {
  name: "claim_pending",
  text: `update message m set attempted_at = now(), claim = $2
    from conversation c join channel ch on ch.id = c.channel_id
    where m.id = $1 and m.delivery_state = 'pending' and (m.attempted_at is null or m.claim = $2) and c.id = m.conversation_id
    returning ${messageColumns}, coalesce(m.queued_at, m.sent_at) as queued_at, ch.connected, ch.token, c.source_conversation_id as recipient`,
};
const pending = {
  name: "pending",
  text: `select m.id, m.conversation_id as "conversationId", m.attempted_at is not null as attempted
    from message m where m.delivery_state = 'pending' order by m.seq`,
};
const finish = {
  name: "finish_message",
  text: `update message m set delivery_state = $2, source_message_id = $3, metadata = m.metadata || $4::jsonb
    from channel ch where m.id = $1 and m.delivery_state = 'pending' and ch.id = m.channel_id returning ${messageColumns}`,
};
const setBroken = {
  name: "set_broken",
  text: `update channel set broken = $2 where id = $1 and connected and broken is distinct from $2 returning ${channelColumns}`,
};

type Claimed = MessageRow & { queued_at: Date; connected: boolean; token: string | null; recipient: string };
type Outcome = { mid: string } | { error: string; raw: string | null };

export function createOutbox({ database, events, vault = createVault(null), graph, onSettled, log }: Dependencies): Outbox {
  const stop = new AbortController();
  const abandon = new AbortController();
  const running = new Map<string, Promise<void>>();
  const submitted = new Set<string>();
  let sweeps: NodeJS.Timeout | undefined;

  async function send(id: string): Promise<void> {
    if (stop.signal.aborted) return;
    const mine = randomUUID();
    const message = await patiently(`message ${id} waits for the database`, stop.signal, async () => {
      const [row] = await database.query<Claimed>(claim, [id, mine]);
      return row ?? null;
    });
    if (message) await record(message, await attempt(message));
  }

  async function attempt(message: Claimed): Promise<Outcome> {
    if (graph === null) return { error: "No Facebook app is configured", raw: null };
    if (!message.connected || message.token === null) return { error: "The channel is not connected", raw: null };
    const token = vault.open(message.token);
    if (token === null) {
      await markBroken(message.channel_id, "The stored token cannot be read with this workspace's key: connect the channel again");
      return { error: "The channel's token cannot be read: connect the channel again", raw: null };
    }
    for (let again = 0; ; again += 1) {
      if (Date.now() - message.queued_at.getTime() > TOO_OLD_MS)
        return { error: "The message waited too long and was not sent", raw: null };
      try {
        const mid = await graph.send(token, message.recipient, message.content, abandon.signal);
        await markBroken(message.channel_id, null);
        return { mid };
      } catch (error) {
        const pause = SEND_RETRY_MS[again];
        const repeat = error instanceof GraphFailure && error.transient && pause !== undefined && !stop.signal.aborted;
        if (!repeat) return failure(message, error);
        log(`message ${message.id} is sent again in ${pause / 1000} s: ${error.message}`);
        await sleep(pause, stop.signal);
      }
    }
  }

  async function failure(message: Claimed, error: unknown): Promise<Outcome> {
    if (!(error instanceof GraphFailure)) {
      log(`message ${message.id} could not be sent: ${describeError(error)}`);
      return { error: "The message could not be sent: an error inside the platform, see its log", raw: null };
    }
    if (error.deadToken)
      await markBroken(message.channel_id, `Facebook does not accept the token any more (${error.message}): connect again`);
    return { error: explain(error), raw: error.raw };
  }

  /** Told once; its failure is no reason to lose an outcome. */
  async function markBroken(channelId: string, reason: string | null): Promise<void> {
    try {
      const [row] = await database.query<ChannelRow>(setBroken, [channelId, reason === null ? null : storable(reason)]);
      if (!row) return;
      log(reason === null ? `channel ${channelId} works again` : `channel ${channelId} is broken: ${reason}`);
      events.channelUpdated(row);
      events.channelMetadata(row);
    } catch (error) {
      log(`state of channel ${channelId} not recorded: ${describeError(error)}`);
    }
  }

  /** What Facebook did is kept even when Postgres is away for a while; a process that ends meanwhile leaves it to `resume`. */
  async function record(message: { id: string; channel_id?: string }, outcome: Outcome): Promise<void> {
    const row = await patiently(`outcome of message ${message.id} not recorded yet`, abandon.signal, () =>
      "mid" in outcome ? recordSent(message.id, outcome.mid) : recordFailed(message.id, outcome.error, outcome.raw),
    );
    if (!row) return;
    events.messageCreated(row);
    events.messageMetadata(row);
    await onSettled?.(row.channel_id).catch((error: unknown) => log(`waiting echoes were not looked at: ${describeError(error)}`));
  }

  async function recordSent(id: string, mid: string): Promise<MessageRow | undefined> {
    const key = storableKey(mid);
    return database.transaction(async (client) => {
      // An echo that came in before it was known that echoes wait.
      await client.query(
        "delete from message e using message m where m.id = $1 and e.channel_id = m.channel_id and e.source_message_id = $2 and e.id <> m.id",
        [id, key],
      );
      const metadata = JSON.stringify({ source: { id: key, delivery_state: "delivered" } });
      const { rows } = await client.query<MessageRow>({ ...finish, values: [id, "delivered", key, metadata] });
      if (!rows[0]) return undefined;
      // A reaction may have been faster than Facebook's answer.
      await client.query("select apply_changes(array[$1::uuid], array[$2])", [rows[0].channel_id, key]);
      const { rows: final } = await client.query<MessageRow>(
        `select ${messageColumns} from message m join channel ch on ch.id = m.channel_id where m.id = $1`,
        [id],
      );
      return final[0];
    });
  }

  async function recordFailed(id: string, error: string, raw: string | null): Promise<MessageRow | undefined> {
    const source = { delivery_state: "failed", ...(raw === null ? {} : { error: storable(raw) }) };
    const metadata = JSON.stringify({ error: storable(error), source });
    const rows = await database.query<MessageRow>(finish, [id, "failed", null, metadata]);
    return rows[0];
  }

  /** Until it succeeds; undefined when the signal comes first, or the database says that it never will. */
  async function patiently<T>(what: string, until: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    let said = false;
    while (true) {
      try {
        return await work();
      } catch (error) {
        if (!said) log(`${what}: ${describeError(error)}`);
        said = true;
        if (until.aborted || isDataFault(error)) return undefined;
        await sleep(DATABASE_RETRY_MS, until);
      }
    }
  }

  function enqueue(id: string, conversationId: string, work: () => Promise<void>): void {
    if (submitted.has(id)) return;
    submitted.add(id);
    const before = running.get(conversationId) ?? Promise.resolve();
    const mine = before
      .then(work)
      .catch((error: unknown) => log(`message ${id} stays pending: ${describeError(error)}`))
      .finally(() => {
        submitted.delete(id);
        if (running.get(conversationId) === mine) running.delete(conversationId);
      });
    running.set(conversationId, mine);
  }

  /** A caller whose insert was committed but not answered never submits; nor does who takes early messages into a conversation. */
  async function sweep(): Promise<void> {
    const rows = await database.query<PendingMessage>(pending, []);
    for (const { id, conversationId, attempted } of rows) {
      if (!attempted && !submitted.has(id)) enqueue(id, conversationId, () => send(id));
    }
  }

  return {
    submit: ({ id, conversationId }) => enqueue(id, conversationId, () => send(id)),
    leftOver: () => database.query<PendingMessage>(pending, []),
    resume(messages) {
      const inDoubt = { error: "The platform stopped while sending; whether the message was delivered is not known", raw: null };
      for (const { id, conversationId, attempted } of messages) {
        enqueue(id, conversationId, () => (attempted ? record({ id }, inDoubt) : send(id)));
      }
      // The database may be away; the next sweep comes.
      sweeps = setInterval(() => void sweep().catch(() => {}), SWEEP_MS);
    },
    async close(graceMs) {
      stop.abort();
      clearInterval(sweeps);
      const late = setTimeout(() => abandon.abort(), graceMs);
      await Promise.all(running.values());
      clearTimeout(late);
    },
  };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
