/** `contacts.*`: who is behind conversations. Every conversation begins with a contact of its own. */
import { randomUUID } from "node:crypto";
import type { PoolClient } from "pg";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { MessageRow } from "../database/rows.ts";
import { messageColumns, messageShape } from "../database/rows.ts";
import { empty, json, message } from "../http/reply.ts";
import type { Reply } from "../http/reply.ts";
import { storableJson } from "../text.ts";
import type { Endpoint } from "./endpoint.ts";
import { listOf, messageSchema, pageOf, pageSize, problemSchema, uuid } from "./shapes.ts";

interface ContactRow {
  id: string;
  fields: Record<string, unknown>;
  created_at: Date;
  updated_at: Date;
  conversations: { id: string; source: string; display_name: string; avatar_url: string | null }[] | null;
}

const words = z.string().max(2_000).nullish();
const address = z.object({
  organization_name: words,
  address_line1: words,
  address_line2: words,
  postal_code: words,
  city: words,
  state: words,
  country: words,
});
const fields = z.object({
  display_name: words,
  avatar_url: words,
  title: words,
  gender: words,
  timezone: z.number().int().nullish(),
  locale: words,
  organization_name: words,
  via: z.record(z.string().max(200), z.string().max(2_000)).nullish(),
  address: address.nullish(),
  metadata: z.record(z.string().max(200), z.unknown()).nullish(),
});
type Fields = z.output<typeof fields>;

const createBody = fields.extend({ conversations: z.record(uuid, z.string()).nullish() });
const importBody = z.array(createBody).max(1_000);
const listBody = z.object({ cursor: z.union([uuid, z.literal("")]).nullish(), page_size: pageSize });
const infoBody = z.object({ id: uuid.or(z.literal("")).nullish(), conversation_id: uuid.or(z.literal("")).nullish() });
const updateBody = fields.extend({ id: uuid });
const mergeBody = z.object({ source_id: uuid, destination_id: uuid });
const oneBody = z.object({ id: uuid });
const recentBody = infoBody.extend({ page_size: pageSize });

const contactSchema = z.object({
  id: uuid,
  display_name: z.string().nullable(),
  avatar_url: z.string().nullable(),
  title: z.string().nullable(),
  gender: z.string().nullable(),
  timezone: z.number().nullable(),
  locale: z.string().nullable(),
  organization_name: z.string().nullable(),
  via: z.record(z.string(), z.string()),
  address: z.record(z.string(), z.string().nullable()).nullable(),
  conversations: z.record(z.string(), z.string()),
  metadata: z.record(z.string(), z.unknown()),
  created_at: z.number().describe("epoch milliseconds"),
  updated_at: z.number().describe("epoch milliseconds"),
});

const columns = `t.id, t.fields, t.created_at, t.updated_at,
  (select json_agg(json_build_object('id', c.id, 'source', c.source, 'display_name', c.display_name, 'avatar_url', c.avatar_url)
     order by c.created_at, c.id) from conversation c where c.contact_id = t.id) as conversations`;
const byId = { name: "contact", text: `select ${columns} from contact t where t.id = $1` };
const byConversation = {
  name: "contact_of_conversation",
  text: `select ${columns} from contact t join conversation o on o.contact_id = t.id where o.id = $1`,
};
const page = {
  name: "contacts",
  text: `select ${columns} from contact t
    where $2::uuid is null or (t.created_at, t.id) <= (select f.created_at, f.id from contact f where f.id = $2)
    order by t.created_at desc, t.id desc limit $1`,
};
const count = { name: "contact_count", text: "select count(*)::int as total from contact" };
const merge = {
  name: "update_contact",
  text: `update contact t set fields = t.fields || $2::jsonb, updated_at = now() where t.id = $1 returning ${columns}`,
};
const recent = {
  name: "recent_messages",
  text: `select ${messageColumns} from message m join channel ch on ch.id = m.channel_id
    where m.conversation_id in (select id from conversation where contact_id = $1) order by m.sent_at desc, m.seq desc limit $2`,
};

const notFound = () => message(404, "Contact not found");

export function contactRoutes(endpoint: Endpoint, database: Database): void {
  async function find({ id, conversation_id }: z.output<typeof infoBody>): Promise<ContactRow | undefined> {
    const [row] = id ? await database.query<ContactRow>(byId, [id]) : await database.query<ContactRow>(byConversation, [conversation_id]);
    return row;
  }

  const neither = (body: z.output<typeof infoBody>) => !body.id && !body.conversation_id;
  const needsOne = () => message(400, "Either contact or conversation id must be provided");

  async function list({ cursor, page_size }: z.output<typeof listBody>): Promise<Reply> {
    const size = page_size ?? 20;
    const [rows, counted] = await Promise.all([
      database.query<ContactRow>(page, [size + 1, cursor || null]),
      database.query<{ total: number }>(count, []),
    ]);
    if (cursor && rows.length === 0) return message(400, "the cursor names no contact");
    return json(200, {
      data: rows.slice(0, size).map(contactShape),
      pagination_data: { previous_cursor: cursor || null, next_cursor: rows[size]?.id ?? null, total: counted[0]?.total ?? 0 },
    });
  }

  async function create(bodies: z.output<typeof createBody>[]): Promise<unknown[]> {
    return database.transaction(async (client) => {
      const made: unknown[] = [];
      for (const { conversations, ...given } of bodies) {
        const id = randomUUID();
        await client.query("insert into contact (id, fields) values ($1, $2)", [id, stored(given)]);
        await claim(client, id, Object.keys(conversations ?? {}));
        const { rows } = await client.query<ContactRow>({ ...byId, values: [id] });
        if (rows[0]) made.push(contactShape(rows[0]));
      }
      return made;
    });
  }

  /** The destination gets what it lacks, and the conversations of both. */
  async function mergeTwo({ source_id, destination_id }: z.output<typeof mergeBody>): Promise<Reply> {
    if (source_id === destination_id) return message(400, "a contact cannot be merged with itself");
    const merged = await database.transaction(async (client) => {
      const { rows } = await client.query("select id from contact where id = any($1) order by id for update", [
        [source_id, destination_id],
      ]);
      if (rows.length < 2) return null;
      await client.query("update conversation set contact_id = $2 where contact_id = $1", [source_id, destination_id]);
      await client.query(
        `update contact d set fields = s.fields || d.fields, updated_at = now() from contact s where d.id = $2 and s.id = $1`,
        [source_id, destination_id],
      );
      await client.query("delete from contact where id = $1", [source_id]);
      return (await client.query<ContactRow>({ ...byId, values: [destination_id] })).rows[0] ?? null;
    });
    return merged === null ? notFound() : json(200, contactShape(merged));
  }

  endpoint("/contacts.info", { body: infoBody, answers: { 200: contactSchema, 404: problemSchema } }, async (body) => {
    if (neither(body)) return needsOne();
    const row = await find(body);
    return row ? json(200, contactShape(row)) : notFound();
  });
  endpoint("/contacts.list", { body: listBody, answers: { 200: pageOf(contactSchema) } }, list);
  endpoint("/contacts.create", { body: createBody, answers: { 201: contactSchema } }, async (body) => json(201, (await create([body]))[0]));
  endpoint("/contacts.import", { body: importBody, answers: { 201: listOf(contactSchema) } }, async (bodies) =>
    json(201, { data: await create(bodies) }),
  );
  endpoint("/contacts.update", { body: updateBody, answers: { 202: null, 404: problemSchema } }, async ({ id, ...given }) => {
    const [row] = await database.query<ContactRow>(merge, [id, stored(given)]);
    return row ? empty(202) : notFound();
  });
  endpoint("/contacts.merge", { body: mergeBody, answers: { 200: contactSchema, 404: problemSchema } }, mergeTwo);
  endpoint("/contacts.delete", { body: oneBody, answers: { 202: null, 404: problemSchema } }, async ({ id }) => {
    const gone = await database.transaction(async (client) => {
      await client.query("update conversation set contact_id = null where contact_id = $1", [id]);
      return (await client.query("delete from contact where id = $1", [id])).rowCount;
    });
    return gone === 0 ? notFound() : empty(202);
  });
  endpoint("/contacts.recent-messages", { body: recentBody, answers: { 200: listOf(messageSchema), 404: problemSchema } }, async (body) => {
    if (neither(body)) return needsOne();
    const row = await find(body);
    if (!row) return notFound();
    const rows = await database.query<MessageRow>(recent, [row.id, body.page_size ?? 20]);
    return json(200, { data: rows.map(messageShape) });
  });
}

function claim(client: PoolClient, contact: string, conversations: string[]) {
  return client.query("update conversation set contact_id = $1 where id = any($2)", [contact, conversations]);
}

/** What was not given is not changed; null takes a field away. */
function stored(given: Fields): string {
  return JSON.stringify(storableJson(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))));
}

function contactShape({ id, fields: given, conversations, created_at, updated_at }: ContactRow) {
  const first = conversations?.[0];
  const field = (name: string): unknown => given[name] ?? null;
  return {
    id,
    display_name: field("display_name") ?? first?.display_name ?? null,
    avatar_url: field("avatar_url") ?? first?.avatar_url ?? null,
    title: field("title"),
    gender: field("gender"),
    timezone: field("timezone"),
    locale: field("locale"),
    organization_name: field("organization_name"),
    via: field("via") ?? {},
    address: field("address"),
    conversations: Object.fromEntries((conversations ?? []).map((one) => [one.id, one.source])),
    metadata: field("metadata") ?? {},
    created_at: created_at.getTime(),
    updated_at: updated_at.getTime(),
  };
}
