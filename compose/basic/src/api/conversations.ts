/** `conversations.*` */
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import { empty, json, message } from "../http/reply.ts";
import type { Reply } from "../http/reply.ts";
import type { Routes } from "../http/server.ts";
import type { Events } from "../live/events.ts";
import { endpoint } from "./endpoint.ts";
import type { ChannelRow, MessageRow } from "../database/rows.ts";
import { channelShape, conversationMetadata, messageColumns, messageShape } from "../database/rows.ts";

interface ConversationRow extends MessageRow {
  created_at: Date;
  unread_count: number;
  channel: ChannelRow;
}

export interface ConversationCount {
  /** A conversation was created: count again at the next list. */
  changed(): void;
}

/** The cursor is an offset, as text. */
const listBody = z.object({
  filters: z.string().nullish(),
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, "must be a number")
    .nullish(),
  page_size: z.number().int().min(1).max(1000).nullish(),
});
const oneBody = z.object({ conversation_id: z.guid() });

const columns = `c.created_at, c.unread_count, ${messageColumns},
  json_build_object('id', ch.id, 'source', ch.source, 'source_channel_id', ch.source_channel_id, 'connected', ch.connected, 'metadata', ch.metadata) as channel`;
const joins = `join channel ch on ch.id = c.channel_id
  cross join lateral (select * from message where conversation_id = c.id order by sent_at desc, seq desc limit 1) m`;

const listConversations = {
  name: "conversations",
  text: `select ${columns} from (select * from conversation order by last_message_at desc, id limit $1 offset $2) c ${joins}
    order by c.last_message_at desc, c.id`,
};
const oneConversation = { name: "conversation", text: `select ${columns} from conversation c ${joins} where c.id = $1` };
const countConversations = { name: "conversation_count", text: "select count(*)::int as total from conversation" };
const markRead = {
  name: "mark_read",
  text: `update conversation c set unread_count = 0, version = c.version + 1 from channel ch
    where c.id = $1 and ch.id = c.channel_id and c.unread_count > 0 returning c.id, ch.source, c.version::int as version`,
};

/** Counting 100,000 rows takes longer than the rest of the list, so the number is kept until a conversation is added. */
export function createConversationCount(database: Database): ConversationCount & { total(): Promise<number> } {
  let known: number | null = null;
  let generation = 0;
  return {
    changed() {
      known = null;
      generation += 1;
    },
    async total() {
      if (known !== null) return known;
      const before = generation;
      const rows = await database.query<{ total: number }>(countConversations, []);
      const total = rows[0]?.total ?? 0;
      if (before === generation) known = total;
      return total;
    },
  };
}

export function conversationRoutes(database: Database, events: Events, total: () => Promise<number>): Routes {
  async function list({ filters, cursor, page_size }: z.output<typeof listBody>): Promise<Reply> {
    // Ignoring a filter would show conversations that were not asked for.
    if (filters?.trim()) return message(400, "Failed to parse Lucene query: filters are not supported by this platform yet");
    const offset = Number(cursor ?? "0");
    const size = page_size ?? 20;
    const [rows, count] = await Promise.all([database.query<ConversationRow>(listConversations, [size, offset]), total()]);
    const next = offset + rows.length;
    return json(200, {
      data: rows.map(conversationShape),
      pagination_data: {
        previous_cursor: String(offset),
        next_cursor: rows.length === size && next < count ? String(next) : null,
        total: count,
      },
    });
  }

  async function info({ conversation_id }: z.output<typeof oneBody>): Promise<Reply> {
    const [row] = await database.query<ConversationRow>(oneConversation, [conversation_id]);
    return row ? json(200, conversationShape(row)) : empty(404);
  }

  async function read({ conversation_id }: z.output<typeof oneBody>): Promise<Reply> {
    const [row] = await database.query<{ id: string; source: string; version: number }>(markRead, [conversation_id]);
    if (row) events.conversationMetadata({ id: row.id, source: row.source, unreadCount: 0, version: row.version });
    return empty(204);
  }

  return new Map([
    ["/conversations.list", endpoint(listBody, list)],
    ["/conversations.info", endpoint(oneBody, info)],
    ["/conversations.mark-read", endpoint(oneBody, read)],
  ]);
}

function conversationShape(row: ConversationRow) {
  return {
    id: row.conversation_id,
    channel: channelShape(row.channel),
    created_at: row.created_at.toISOString(),
    metadata: conversationMetadata({ id: row.conversation_id, source: row.source, unreadCount: row.unread_count }),
    last_message: messageShape(row),
  };
}
