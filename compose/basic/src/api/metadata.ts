/** `metadata.upsert` */
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { ChannelRow, ConversationState, MessageRow } from "../database/rows.ts";
import { channelColumns, messageColumns, stateColumns } from "../database/rows.ts";
import { empty } from "../http/reply.ts";
import type { Events } from "../live/events.ts";
import { storableJson } from "../text.ts";
import type { Endpoint } from "./endpoint.ts";
import { uuid } from "./shapes.ts";

/** Longer keys are taken as they are. */
const MAX_DOTTED = 200;

type Data = Record<string, unknown>;

const body = z.object({ subject: z.enum(["conversation", "message", "channel"]), id: uuid, data: z.record(z.string(), z.unknown()) });

const updates = {
  conversation: `update conversation c set user_data = $2, version = c.version + 1 where c.id = $1 returning ${stateColumns}`,
  message: `update message m set metadata = jsonb_set(m.metadata, '{user_data}', $2) from channel ch
    where m.id = $1 and ch.id = m.channel_id returning ${messageColumns}`,
  channel: `update channel set metadata = jsonb_set(metadata, '{user_data}', $2) where id = $1 returning ${channelColumns}`,
};
const selects = {
  conversation: "select user_data as data from conversation where id = $1 for update",
  message: "select metadata -> 'user_data' as data from message where id = $1 for update",
  channel: "select metadata -> 'user_data' as data from channel where id = $1 for update",
};

/** Keys are added to those that are there, objects member by member, as Airy Core does with its dotted keys; arrays are replaced. */
export function metadataRoutes(endpoint: Endpoint, database: Database, events: Events): void {
  endpoint("/metadata.upsert", { body, answers: { 204: null, 404: null } }, async ({ subject, id, data }) => {
    const row = await database.transaction(async (client) => {
      const { rows } = await client.query<{ data: Data | null }>(selects[subject], [id]);
      if (!rows[0]) return null;
      const merged = JSON.stringify(storableJson(merge(rows[0].data ?? {}, data)));
      return (await client.query<never>(updates[subject], [id, merged])).rows[0] ?? null;
    });
    if (row === null) return empty(404);
    if (subject === "conversation") events.conversationMetadata(row as ConversationState);
    if (subject === "message") events.messageMetadata(row as MessageRow);
    if (subject === "channel") events.channelMetadata(row as ChannelRow);
    return empty(204);
  });
}

function merge(old: Data, added: Data): Data {
  const merged = new Map(Object.entries(old));
  for (const [key, value] of Object.entries(added)) {
    // A dotted key names a member of an object, as in Airy Core.
    const dot = key.length > MAX_DOTTED ? -1 : key.indexOf(".");
    const [name, given] = dot > 0 ? [key.slice(0, dot), { [key.slice(dot + 1)]: value }] : [key, value];
    const before = merged.get(name);
    merged.set(name, isObject(given) ? merge(isObject(before) ? before : {}, given) : given);
  }
  return Object.fromEntries(merged);
}

function isObject(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
