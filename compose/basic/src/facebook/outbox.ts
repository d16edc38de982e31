/**
 * Messages on their way to Facebook. A message is committed as pending before anything is sent, and marked as attempted before the call:
 * after a crash the ones never attempted are sent, and the ones whose outcome nobody knows fail rather than reach the customer twice.
 * While the database is away, the message waits where it is.
 */
import { randomUUID } from "node:crypto";
import type { Database } from "../database/connect.ts";
import { describeError, isDataFault } from "../database/errors.ts";
import { messageColumns } from "../database/rows.ts";
import type { Vault } from "../database/vault.ts";
import { createVault } from "../database/vault.ts";
import type { Events } from "../live/events.ts";
import type { GraphClient } from "./graph.ts";
import { sleep } from "./pause.ts";
import { createRecorder } from "./recorder.ts";
import type { Claimed } from "./sender.ts";
import { createSender } from "./sender.ts";

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

const DATABASE_RETRY_MS = 500;
const SWEEP_MS = 15_000;

/** Repeating it with the same claim finds the same message: the answer to the first may have been lost. */
const claim = {
  name: "claim_pending",
  text: `update message m set attempted_at = now(), claim = $2
    from conversation c join channel ch on ch.id = c.channel_id
    where m.id = $1 and m.delivery_state = 'pending' and (m.attempted_at is null or m.claim = $2) and c.id = m.conversation_id
    returning ${messageColumns}, coalesce(m.queued_at, m.sent_at) as queued_at, m.tag, ch.connected, ch.token, c.source_conversation_id as recipient`,
};
const pending = {
  name: "pending",
  text: `select m.id, m.conversation_id as "conversationId", m.attempted_at is not null as attempted
    from message m where m.delivery_state = 'pending' order by m.seq`,
};
export function createOutbox({ database, events, vault = createVault(null), graph, onSettled, log }: Dependencies): Outbox {
  const stop = new AbortController();
  const abandon = new AbortController();
  const running = new Map<string, Promise<void>>();
  const submitted = new Set<string>();
  let sweeps: NodeJS.Timeout | undefined;
  const attempt = createSender({ database, events, vault, graph, stop: stop.signal, abandon: abandon.signal, log });
  const record = createRecorder({
    database,
    events,
    onSettled,
    patiently: (what, work) => patiently(what, abandon.signal, work),
    log,
  });

  async function send(id: string): Promise<void> {
    if (stop.signal.aborted) return;
    const mine = randomUUID();
    const message = await patiently(`message ${id} waits for the database`, stop.signal, async () => {
      const [row] = await database.query<Claimed>(claim, [id, mine]);
      return row ?? null;
    });
    if (message) await record(message.id, await attempt(message));
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
        enqueue(id, conversationId, () => (attempted ? record(id, inDoubt) : send(id)));
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
