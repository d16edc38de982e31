/**
 * Messages to conversations that are not known yet: a client may answer faster than the customer's first message is stored. They become
 * messages of the conversation when it begins (SQL `store_items`), and fail after half a minute without one.
 */
import { randomUUID } from "node:crypto";
import type { Database } from "../database/connect.ts";
import { describeError } from "../database/errors.ts";
import type { MessageRow } from "../database/rows.ts";
import type { Events } from "../live/events.ts";

export interface EarlyMessages {
  keep(conversationId: string, content: string, at: Date): Promise<MessageRow>;
  close(): void;
}

/** As in Airy Core. */
const WAIT_MS = 30_000;
const LOOK_EVERY_MS = 2_000;
/** The conversation may begin between the look and the insert. */
const insert = {
  name: "insert_early",
  text: "insert into early_message (id, conversation_id, content, sent_at) values ($1, $2, $3::json, $4)",
};
const expire = {
  name: "expire_early",
  text: `update early_message set failed = true where not failed and sent_at < now() - $1 * interval '1 millisecond'
    returning id, conversation_id, content, sent_at`,
};
const forget = { name: "forget_early", text: "delete from early_message where failed and sent_at < now() - interval '7 days'" };
/** Those that missed the beginning of their conversation by a moment. */
const late = {
  name: "late_early",
  text: `with taken as (
      delete from early_message e using conversation c where c.id = e.conversation_id and not e.failed returning e.*, c.channel_id
    ) insert into message (id, conversation_id, channel_id, sent_at, queued_at, from_contact, sender_id, delivery_state, content)
    select id, conversation_id, channel_id, sent_at, sent_at, false, 'airy-core-anonymous', 'pending', content from taken returning id`,
};

interface EarlyRow {
  id: string;
  conversation_id: string;
  content: unknown;
  sent_at: Date;
}

export function createEarlyMessages(database: Database, events: Events, log: (line: string) => void): EarlyMessages {
  async function look(): Promise<void> {
    // The outbox finds what became pending by itself.
    await database.query(late, []);
    for (const row of await database.query<EarlyRow>(expire, [WAIT_MS])) {
      const metadata = { error: "The customer has not written: Facebook lets nobody begin a conversation" };
      const failed: MessageRow = { ...earlyRow(row), delivery_state: "failed", metadata };
      events.messageCreated(failed);
      events.messageMetadata(failed);
      log(`message ${row.id} failed: no customer wrote in its conversation ${row.conversation_id} within ${WAIT_MS / 1000} s`);
    }
    await database.query(forget, []);
  }

  let looking = false;
  let open = 0;
  const timer = setInterval(() => {
    // Nothing was kept lately: the table is looked at once a minute, for what another process left.
    open += 1;
    if (looking || (open > WAIT_MS / LOOK_EVERY_MS + 2 && open % 30 !== 0)) return;
    looking = true;
    look()
      .catch((error: unknown) => log(`early messages could not be looked at: ${describeError(error)}`))
      .finally(() => (looking = false));
  }, LOOK_EVERY_MS);

  return {
    async keep(conversationId, content, at) {
      const id = randomUUID();
      await database.query(insert, [id, conversationId, content, at]);
      open = 0;
      return earlyRow({ id, conversation_id: conversationId, content: JSON.parse(content), sent_at: at });
    },
    close: () => clearInterval(timer),
  };
}

function earlyRow(row: EarlyRow): MessageRow {
  return {
    ...row,
    channel_id: "00000000-0000-0000-0000-000000000000",
    source: "",
    from_contact: false,
    sender_id: "airy-core-anonymous",
    delivery_state: "pending",
    metadata: {},
  };
}
