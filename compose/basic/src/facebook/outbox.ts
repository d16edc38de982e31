/**
 * Messages on their way to Facebook. A message is committed as pending before anything is sent, and marked as attempted before the call:
 * after a crash the ones never attempted are sent, and the ones whose outcome nobody knows fail rather than reach the customer twice.
 */
import type { MessageRow } from "../database/rows.ts";
import { messageColumns } from "../database/rows.ts";
import type { Database } from "../database/connect.ts";
import { describeError } from "../database/errors.ts";
import type { Events } from "../live/events.ts";
import { storable, storableKey } from "../text.ts";
import type { GraphClient } from "./graph.ts";
import { GraphFailure } from "./graph.ts";

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
  /** Sends, or fails, what was left over, in the background. */
  resume(pending: PendingMessage[]): void;
  /** Waits for calls in flight, at most `graceMs`, then gives them up (they fail with an unknown outcome). */
  close(graceMs: number): Promise<void>;
}

interface Dependencies {
  database: Database;
  events: Events;
  /** null: no app is configured, so nothing can be sent. */
  graph: GraphClient | null;
  log: (line: string) => void;
}

/** As in Airy Core: a message that waited this long is not sent any more. */
const TOO_OLD_MS = 5 * 60_000;
const RECORD_RETRY_MS = 500;

const claim = {
  name: "claim_pending",
  text: `update message m set attempted_at = now()
    from conversation c join channel ch on ch.id = c.channel_id
    where m.id = $1 and m.delivery_state = 'pending' and m.attempted_at is null and c.id = m.conversation_id
    returning ${messageColumns}, ch.connected, ch.token, c.source_conversation_id as recipient`,
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

type Claimed = MessageRow & { connected: boolean; token: string | null; recipient: string };
type Outcome = { mid: string } | { error: string; raw: string | null };

export function createOutbox({ database, events, graph, log }: Dependencies): Outbox {
  const stop = new AbortController();
  const abandon = new AbortController();
  const running = new Map<string, Promise<void>>();

  async function send(id: string): Promise<void> {
    if (stop.signal.aborted) return;
    const [message] = await database.query<Claimed>(claim, [id]);
    if (message) await record(id, await attempt(message));
  }

  async function attempt(message: Claimed): Promise<Outcome> {
    if (graph === null) return { error: "No Facebook app is configured", raw: null };
    if (!message.connected || message.token === null) return { error: "The channel is not connected", raw: null };
    if (Date.now() - message.sent_at.getTime() > TOO_OLD_MS) return { error: "The message waited too long and was not sent", raw: null };
    try {
      return { mid: await graph.send(message.token, message.recipient, message.content, abandon.signal) };
    } catch (error) {
      if (!(error instanceof GraphFailure)) throw error;
      const text = error.kind === "unknown" ? `${error.message}; whether the message was delivered is not known` : error.message;
      return { error: text, raw: error.raw };
    }
  }

  /** What Facebook did is kept even when Postgres is away for a while; a process that ends meanwhile leaves it to `resume`. */
  async function record(id: string, outcome: Outcome): Promise<void> {
    for (;;) {
      try {
        const row = "mid" in outcome ? await recordSent(id, outcome.mid) : await recordFailed(id, outcome.error, outcome.raw);
        if (row) tell(row);
        return;
      } catch (error) {
        log(`outcome of message ${id} not recorded yet: ${describeError(error)}`);
        if (abandon.signal.aborted) return;
        await new Promise((resolve) => setTimeout(resolve, RECORD_RETRY_MS));
      }
    }
  }

  async function recordSent(id: string, mid: string): Promise<MessageRow | undefined> {
    const key = storableKey(mid);
    return database.transaction(async (client) => {
      // Meta's echo of this message may have been stored before we learnt that the message is ours.
      await client.query(
        "delete from message e using message m where m.id = $1 and e.channel_id = m.channel_id and e.source_message_id = $2 and e.id <> m.id",
        [id, key],
      );
      const metadata = JSON.stringify({ source: { id: key, delivery_state: "delivered" } });
      const { rows } = await client.query<MessageRow>({ ...finish, values: [id, "delivered", key, metadata] });
      return rows[0];
    });
  }

  async function recordFailed(id: string, error: string, raw: string | null): Promise<MessageRow | undefined> {
    const source = { delivery_state: "failed", ...(raw === null ? {} : { error: storable(raw) }) };
    const metadata = JSON.stringify({ error: storable(error), source });
    const rows = await database.query<MessageRow>(finish, [id, "failed", null, metadata]);
    return rows[0];
  }

  function tell(row: MessageRow): void {
    events.messageCreated(row);
    events.messageMetadata(row);
  }

  function enqueue(id: string, conversationId: string, work: () => Promise<void>): void {
    const before = running.get(conversationId) ?? Promise.resolve();
    const mine = before
      .then(work)
      .catch((error: unknown) => log(`message ${id} stays pending: ${describeError(error)}`))
      .finally(() => {
        if (running.get(conversationId) === mine) running.delete(conversationId);
      });
    running.set(conversationId, mine);
  }

  return {
    submit: ({ id, conversationId }) => enqueue(id, conversationId, () => send(id)),
    leftOver: () => database.query<PendingMessage>(pending, []),
    resume(messages) {
      const inDoubt = { error: "The platform stopped while sending; whether the message was delivered is not known", raw: null };
      for (const { id, conversationId, attempted } of messages) {
        enqueue(id, conversationId, () => (attempted ? record(id, inDoubt) : send(id)));
      }
    },
    async close(graceMs) {
      stop.abort();
      const late = setTimeout(() => abandon.abort(), graceMs);
      await Promise.all(running.values());
      clearTimeout(late);
    },
  };
}
