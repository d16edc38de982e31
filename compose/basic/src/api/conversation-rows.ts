/** Conversations as the API shows them, read from the database. */
import type { Database } from "../database/connect.ts";
import type { ChannelRow, ConversationState, MessageRow } from "../database/rows.ts";
import { channelShape, conversationMetadata, messageColumns, messageShape, stateColumns } from "../database/rows.ts";
import type { Condition } from "./filter-sql.ts";

/** A row has the columns of its last message under `last_`, because both have an `id`. */
type ConversationRow = ConversationState & {
  created_at: Date;
  channel: ChannelRow;
  last: Omit<MessageRow, "sent_at"> & { sent_at: string };
};

const channelJson = `json_build_object('id', ch.id, 'source', ch.source, 'source_channel_id', ch.source_channel_id,
  'connected', ch.connected, 'metadata', ch.metadata, 'broken', ch.broken)`;
const columns = `${stateColumns}, c.created_at, ${channelJson} as channel, to_json(l) as last`;
const joins = `join channel ch on ch.id = c.channel_id
  cross join lateral (
    select ${messageColumns} from message m where m.conversation_id = c.id order by m.sent_at desc, m.seq desc limit 1
  ) l`;

const listAll = {
  name: "conversations",
  text: `select ${columns} from (select * from conversation order by last_message_at desc, id limit $1 offset $2) c ${joins}
    order by c.last_message_at desc, c.id`,
};
const one = { name: "conversation", text: `select ${columns} from conversation c ${joins} where c.id = $1` };
const several = { name: "conversations_by_id", text: `select ${columns} from conversation c ${joins} where c.id = any($1)` };
const countAll = { name: "conversation_count", text: "select count(*)::int as total from conversation" };

export async function readPage(database: Database, filter: Condition | null, size: number, offset: number): Promise<unknown[]> {
  const statement =
    filter === null
      ? listAll
      : {
          text: `select ${columns} from (
              select c.* from conversation c where ${filter.sql} order by c.last_message_at desc, c.id limit $1 offset $2
            ) c ${joins} order by c.last_message_at desc, c.id`,
        };
  const rows = await database.query<ConversationRow>(statement, [size, offset, ...(filter?.values ?? [])]);
  return rows.map(conversationShape);
}

/** @param filter its parameters begin at `$1`. */
export async function countMatching(database: Database, filter: Condition): Promise<number> {
  const statement = { text: `select count(*)::int as total from conversation c where ${filter.sql}` };
  const [row] = await database.query<{ total: number }>(statement, filter.values);
  return row?.total ?? 0;
}

/** undefined: there is none. */
export async function readConversation(database: Database, id: string): Promise<ReturnType<typeof conversationShape> | undefined> {
  const [row] = await database.query<ConversationRow>(one, [id]);
  return row && conversationShape(row);
}

export async function readConversations(database: Database, ids: string[]): Promise<ReturnType<typeof conversationShape>[]> {
  return (await database.query<ConversationRow>(several, [ids])).map(conversationShape);
}

export interface ConversationCount {
  /** A conversation was created: count again at the next list. */
  changed(): void;
  total(): Promise<number>;
}

/** Counting 100,000 rows takes longer than the rest of the list, so the number is kept until a conversation is added. */
export function createConversationCount(database: Database): ConversationCount {
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
      const rows = await database.query<{ total: number }>(countAll, []);
      const total = rows[0]?.total ?? 0;
      if (before === generation) known = total;
      return total;
    },
  };
}

function conversationShape(row: ConversationRow) {
  return {
    id: row.id,
    channel: channelShape(row.channel),
    created_at: row.created_at.toISOString(),
    metadata: conversationMetadata(row),
    last_message: messageShape({ ...row.last, sent_at: new Date(row.last.sent_at) }),
  };
}
