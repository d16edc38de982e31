/** `messages.*` */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { MessageRow } from "../database/rows.ts";
import { messageColumns, messageShape } from "../database/rows.ts";
import type { EarlyMessages } from "../facebook/early.ts";
import type { Outbox } from "../facebook/outbox.ts";
import { empty, json, message } from "../http/reply.ts";
import type { Reply } from "../http/reply.ts";
import { airyId } from "../ids.ts";
import type { Events } from "../live/events.ts";
import { storableJson, storableKey } from "../text.ts";
import type { Endpoint } from "./endpoint.ts";
import { messageSchema, pageOf, pageSize, problemSchema, uuid } from "./shapes.ts";

/** Airy's sender of messages when nobody has to sign in. */
const ANONYMOUS = "airy-core-anonymous";

interface Dependencies {
  database: Database;
  events: Events;
  outbox: Outbox;
  early: EarlyMessages;
  onNewConversation: () => void;
}

const listBody = z.object({
  conversation_id: uuid,
  /** Id of the first message of the page. */
  cursor: uuid.nullish(),
  page_size: pageSize,
});
const content = z.unknown().refine((value) => value !== undefined && value !== null, "is needed");
/** Not of Airy Core: a person answers, up to 7 days after the customer's last message. Meta gives apps the permission for it one by one. */
const tag = z.literal("HUMAN_AGENT").nullish();
const sendBody = z.union([
  z.object({ conversation_id: uuid.toLowerCase(), message: content, tag }),
  z.object({ source_recipient_id: z.string().min(1), channel_id: uuid.toLowerCase(), message: content, tag }),
]);
const oneBody = z.object({ message_id: uuid });
const resendBody = oneBody.extend({ tag });
const suggestBody = oneBody.extend({ suggestions: z.record(z.string().max(200), z.object({ content: z.unknown().optional() })) });

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
  text: "select ch.connected, true as known from conversation c join channel ch on ch.id = c.channel_id where c.id = $1",
};
const channelById = {
  name: "channel_for_recipient",
  text: `select ch.connected, exists (select from conversation c where c.id = $2) as known from channel ch where ch.id = $1`,
};
const insertConversation = {
  name: "begin_conversation",
  text: `with made as (
      insert into conversation (id, channel_id, source_conversation_id, created_at, last_message_at, unread_count, source, display_name,
        name_lower, contact_id)
      select $2::uuid, ch.id, $3, $4, $4, 0, ch.source, initcap(ch.source) || ' ' || substr($2::uuid::text, 32),
        ch.source || ' ' || substr($2::uuid::text, 32), $5::uuid
      from channel ch where ch.id = $1
      on conflict do nothing returning contact_id
    ) insert into contact (id) select contact_id from made on conflict do nothing`,
};
const insertPending = {
  name: "insert_pending",
  text: `with m as (
      insert into message (id, conversation_id, channel_id, sent_at, queued_at, from_contact, sender_id, delivery_state, content, tag)
      select $1, c.id, c.channel_id, $3, $3, false, $4, 'pending', $5::json, $6 from conversation c where c.id = $2
      returning *
    ), c as (
      update conversation c set last_message_at = greatest(c.last_message_at, m.sent_at) from m where c.id = m.conversation_id
    )
    select ${messageColumns} from m join channel ch on ch.id = m.channel_id`,
};
const requeue = {
  name: "requeue_message",
  text: `update message m set delivery_state = 'pending', attempted_at = null, claim = null, queued_at = now(), tag = $2,
      metadata = m.metadata - 'error' - 'source'
    from channel ch where m.id = $1 and m.delivery_state = 'failed' and ch.id = m.channel_id returning ${messageColumns}`,
};
const exists = { name: "message_exists", text: "select id from message where id = $1" };
const suggest = {
  name: "suggest_replies",
  text: `update message m set metadata = m.metadata || jsonb_build_object('suggestions', $2::jsonb)
    from channel ch where m.id = $1 and ch.id = m.channel_id returning ${messageColumns}`,
};

export function messageRoutes(endpoint: Endpoint, { database, events, outbox, early, onNewConversation }: Dependencies): void {
  async function list({ conversation_id, cursor, page_size }: z.output<typeof listBody>): Promise<Reply> {
    const size = page_size ?? 20;
    // One more than asked for: its id is the next cursor.
    const page = cursor
      ? database.query<MessageRow>(listMessagesFrom, [conversation_id, size + 1, cursor])
      : database.query<MessageRow>(listMessages, [conversation_id, size + 1]);
    const [rows, counted] = await Promise.all([page, database.query<{ total: number }>(countMessages, [conversation_id])]);
    const total = counted[0]?.total ?? 0;
    if (total === 0) return empty(404);
    if (cursor && rows.length === 0) return message(400, "the cursor names no message of this conversation");
    return json(200, {
      data: rows.slice(0, size).map(messageShape),
      pagination_data: { previous_cursor: cursor ?? null, next_cursor: rows[size]?.id ?? null, total },
    });
  }

  async function send(body: z.output<typeof sendBody>): Promise<Reply> {
    const text = JSON.stringify(body.message);
    const at = new Date();
    let conversationId: string;
    if ("conversation_id" in body) {
      conversationId = body.conversation_id;
      const [channel] = await database.query<{ connected: boolean }>(channelOf, [conversationId]);
      if (!channel) return json(202, messageShape(await early.keep(conversationId, text, at)));
      if (!channel.connected) return disconnected();
    } else {
      const recipient = storableKey(body.source_recipient_id);
      conversationId = airyId(body.channel_id, recipient);
      const [channel] = await database.query<{ connected: boolean; known: boolean }>(channelById, [body.channel_id, conversationId]);
      if (!channel?.connected) return disconnected();
      if (!channel.known) {
        const contact = airyId(conversationId, "");
        await database.query(insertConversation, [body.channel_id, conversationId, recipient, at, contact]);
        onNewConversation();
      }
    }
    const [row] = await database.query<MessageRow>(insertPending, [randomUUID(), conversationId, at, ANONYMOUS, text, body.tag ?? null]);
    if (!row) throw new Error("the message was not stored");
    events.messageCreated(row);
    outbox.submit({ id: row.id, conversationId: row.conversation_id });
    return json(200, messageShape(row));
  }

  async function resend({ message_id, tag: given }: z.output<typeof resendBody>): Promise<Reply> {
    const [row] = await database.query<MessageRow>(requeue, [message_id, given ?? null]);
    if (row) {
      events.messageCreated(row);
      events.messageMetadata(row);
      outbox.submit({ id: row.id, conversationId: row.conversation_id });
      return empty(200);
    }
    const [known] = await database.query<{ id: string }>(exists, [message_id]);
    return known ? message(409, "Message is not in a failed state") : empty(404);
  }

  endpoint("/messages.list", { body: listBody, answers: { 200: pageOf(messageSchema), 404: null } }, list);
  endpoint("/messages.send", { body: sendBody, answers: { 200: messageSchema, 202: messageSchema, 409: problemSchema } }, send);
  endpoint("/messages.resend", { body: resendBody, answers: { 200: null, 404: null, 409: problemSchema } }, resend);
  endpoint(
    ["/messages.suggest-replies", "/messages.suggestReplies"],
    { body: suggestBody, answers: { 200: messageSchema, 404: null } },
    async ({ message_id, suggestions }) => {
      const [row] = await database.query<MessageRow>(suggest, [message_id, JSON.stringify(storableJson(suggestions))]);
      if (!row) return empty(404);
      events.messageMetadata(row);
      return json(200, messageShape(row));
    },
  );
}

/** Airy Core answers 403, which its own web client takes for a log-out. */
function disconnected(): Reply {
  return message(409, "the channel is not connected");
}
