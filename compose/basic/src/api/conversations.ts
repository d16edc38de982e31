/** `conversations.*` */
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { ConversationState } from "../database/rows.ts";
import { stateColumns } from "../database/rows.ts";
import type { Reply } from "../http/reply.ts";
import { empty, json, message } from "../http/reply.ts";
import type { Events } from "../live/events.ts";
import type { ConversationCount } from "./conversation-rows.ts";
import { countMatching, readConversation, readPage } from "./conversation-rows.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Condition } from "./filter-sql.ts";
import { filterSql } from "./filter-sql.ts";
import type { Filter } from "./filter.ts";
import { FilterError, complementOf, parseFilter } from "./filter.ts";
import { conversationSchema, pageOf, pageSize, text, uuid } from "./shapes.ts";

interface Dependencies {
  database: Database;
  events: Events;
  count: ConversationCount;
  /** Asks the source for the contact's name and picture again. */
  refetch: (conversationId: string) => Promise<void>;
}

/** The cursor is an offset, as text. */
const listBody = z.object({
  filters: z.string().nullish(),
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, "must be a number")
    .nullish(),
  page_size: pageSize,
});
const oneBody = z.object({ conversation_id: uuid });
const tagBody = oneBody.extend({ tag_id: uuid });
const stateBody = oneBody.extend({ state: text(100) });
const nameBody = oneBody.extend({ display_name: text(500) });

const change = (name: string, set: string, where = "true") => ({
  name,
  text: `update conversation c set ${set}, version = c.version + 1 where c.id = $1 and ${where} returning ${stateColumns}`,
});
const markRead = change("mark_read", "unread_count = 0", "c.unread_count > 0");
const setState = change("set_state", "state = $2");
const removeState = change("remove_state", "state = null");
const setName = change("set_name", "display_name = $2, name_lower = $3, renamed = true");
const addTag = change(
  "add_tag",
  "tag_ids = case when $2::uuid = any(c.tag_ids) then c.tag_ids else c.tag_ids || $2::uuid end",
  "exists (select from tag t where t.id = $2)",
);
const removeTag = change("remove_tag", "tag_ids = array_remove(c.tag_ids, $2::uuid)");

export function conversationRoutes(endpoint: Endpoint, { database, events, count, refetch }: Dependencies): void {
  async function list({ filters, cursor, page_size }: z.output<typeof listBody>): Promise<Reply> {
    const offset = Number(cursor ?? "0");
    const size = page_size ?? 20;
    let wanted: Filter | null = null;
    let filter: Condition | null = null;
    try {
      wanted = filters?.trim() ? parseFilter(filters) : null;
      filter = wanted && filterSql(wanted, 3);
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      return message(400, `Failed to parse Lucene query: ${error.message}`);
    }
    const total = wanted === null ? count.total() : countOf(wanted);
    const [data, matching] = await Promise.all([readPage(database, filter, size, offset), total]);
    const next = offset + data.length;
    return json(200, {
      data,
      pagination_data: {
        previous_cursor: String(offset),
        next_cursor: data.length === size && next < matching ? String(next) : null,
        total: matching,
      },
    });
  }

  /** "All but these" are counted by counting these: usually the smaller part, and one with an index. */
  async function countOf(filter: Filter): Promise<number> {
    const without = complementOf(filter);
    if (without === null) return countMatching(database, filterSql(filter, 1));
    const [all, those] = await Promise.all([count.total(), countMatching(database, filterSql(without, 1))]);
    return all - those;
  }

  async function info({ conversation_id }: z.output<typeof oneBody>): Promise<Reply> {
    const found = await readConversation(database, conversation_id);
    return found ? json(200, found) : empty(404);
  }

  /** False: there is no such conversation, or nothing to change in it. */
  async function changed(statement: { name: string; text: string }, values: unknown[]): Promise<boolean> {
    const [row] = await database.query<ConversationState>(statement, values);
    if (row) events.conversationMetadata(row);
    return row !== undefined;
  }

  const done = (found: boolean) => empty(found ? 204 : 404);
  const answers = { 204: null, 404: null };

  endpoint("/conversations.list", { body: listBody, answers: { 200: pageOf(conversationSchema) } }, list);
  endpoint("/conversations.info", { body: oneBody, answers: { 200: conversationSchema, 404: null } }, info);
  endpoint("/conversations.mark-read", { body: oneBody, answers: { 204: null } }, async ({ conversation_id }) => {
    await changed(markRead, [conversation_id]);
    return empty(204);
  });
  endpoint("/conversations.tag", { body: tagBody, answers }, async ({ conversation_id, tag_id }) =>
    done(await changed(addTag, [conversation_id, tag_id])),
  );
  endpoint("/conversations.untag", { body: tagBody, answers }, async ({ conversation_id, tag_id }) =>
    done(await changed(removeTag, [conversation_id, tag_id])),
  );
  endpoint(["/conversations.set-state", "/conversations.setState"], { body: stateBody, answers }, async ({ conversation_id, state }) =>
    done(await changed(setState, [conversation_id, state])),
  );
  endpoint(["/conversations.remove-state", "/conversations.removeState"], { body: oneBody, answers }, async ({ conversation_id }) =>
    done(await changed(removeState, [conversation_id])),
  );
  endpoint(
    ["/conversations.update-contact", "/conversations.updateContact"],
    { body: nameBody, answers },
    async ({ conversation_id, display_name }) => done(await changed(setName, [conversation_id, display_name, display_name.toLowerCase()])),
  );
  endpoint("/conversations.refetch", { body: oneBody, answers: { 202: null, 404: null } }, async ({ conversation_id }) => {
    if ((await readConversation(database, conversation_id)) === undefined) return empty(404);
    await refetch(conversation_id);
    return empty(202);
  });
}
