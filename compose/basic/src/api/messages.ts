/** `messages.*` */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { Outbox } from "../facebook/outbox.ts";
import { json, message } from "../http/reply.ts";
import type { Reply } from "../http/reply.ts";
import type { Routes } from "../http/server.ts";
import { airyId } from "../ids.ts";
import type { Events } from "../live/events.ts";
import { storableKey } from "../text.ts";
import { endpoint } from "./endpoint.ts";
import type { MessageRow } from "../database/rows.ts";
import { messageColumns, messageShape } from "../database/rows.ts";

/** Airy's sender of messages when nobody has to sign in. */
const ANONYMOUS = "airy-core-anonymous";

const listBody = z.object({
  conversation_id: z.guid(),
  /** Id of the first message of the page. */
  cursor: z.guid().nullish(),
  page_size: z.number().int().min(1).max(1000).nullish(),
});
const content = z.unknown().refine((value) => value !== undefined && value !== null, "is needed");
const sendBody = z.union([
  z.object({ conversation_id: z.guid(), message: content }),
  z.object({ source_recipient_id: z.string().min(1), channel_id: z.guid().toLowerCase(), message: content }),
]);

const countMessages = { name: "message_count", text: "select count(*)::int as total from message where conversation_id = $1" };
const listMessages = {
  name: "messages",
  text: `select ${messageColumns} from message m join channel ch on ch.id = m.channel_id
    where m.conversation_id = $1 order by m.sent_at desc, m.seq desc limit $2`,
};
const listMessagesFrom = {
  name: "messages_from",
  text: `select ${messageColumns} from message m join channel ch on ch.id = m.channel_id
    where m.conversation_id = $1
      and (m.sent_at, m.seq) <= (select f.sent_at, f.seq from message f where f.id = $3 and f.conversation_id = $1)
    order by m.sent_at desc, m.seq desc limit $2`,
};
const channelOf = {
  name: "channel_of_conversation",
  text: "select ch.connected from conversation c join channel ch on ch.id = c.channel_id where c.id = $1",
};
const insertPending = {
  name: "insert_pending",
  text: `with m as (
      insert into message (id, conversation_id, channel_id, sent_at, from_contact, sender_id, delivery_state, content)
      select $1, c.id, c.channel_id, $3, false, $4, 'pending', $5::json from conversation c where c.id = $2
      returning *
    ), c as (
      update conversation c set last_message_at = greatest(c.last_message_at, m.sent_at) from m where c.id = m.conversation_id
    )
    select ${messageColumns} from m join channel ch on ch.id = m.channel_id`,
};

export function messageRoutes(database: Database, events: Events, outbox: Outbox): Routes {
  async function list({ conversation_id, cursor, page_size }: z.output<typeof listBody>): Promise<Reply> {
    const size = page_size ?? 20;
    // One more than asked for: its id is the next cursor.
    const page = cursor
      ? database.query<MessageRow>(listMessagesFrom, [conversation_id, size + 1, cursor])
      : database.query<MessageRow>(listMessages, [conversation_id, size + 1]);
    const [rows, counted] = await Promise.all([page, database.query<{ total: number }>(countMessages, [conversation_id])]);
    const total = counted[0]?.total ?? 0;
    if (total === 0) return message(404, "no such conversation");
    if (cursor && rows.length === 0) return message(400, "the cursor names no message of this conversation");
    return json(200, {
      data: rows.slice(0, size).map(messageShape),
      pagination_data: { previous_cursor: cursor ?? null, next_cursor: rows[size]?.id ?? null, total },
    });
  }

  async function send(body: z.output<typeof sendBody>): Promise<Reply> {
    const conversationId =
      "conversation_id" in body ? body.conversation_id : airyId(body.channel_id, storableKey(body.source_recipient_id));
    const [channel] = await database.query<{ connected: boolean }>(channelOf, [conversationId]);
    if (!channel) return message(404, "no such conversation; a customer has to write first");
    // Airy Core answers 403, which its own web client takes for a log-out.
    if (!channel.connected) return message(409, "the channel is not connected");
    const values = [randomUUID(), conversationId, new Date(), ANONYMOUS, JSON.stringify(body.message)];
    const [row] = await database.query<MessageRow>(insertPending, values);
    if (!row) throw new Error("the message was not stored");
    events.messageCreated(row);
    outbox.submit({ id: row.id, conversationId: row.conversation_id });
    return json(200, messageShape(row));
  }

  return new Map([
    ["/messages.list", endpoint(listBody, list)],
    ["/messages.send", endpoint(sendBody, send)],
  ]);
}
