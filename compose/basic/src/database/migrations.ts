/**
 * The schema, one step a version. A released entry is never edited; changes are appended.
 *
 * Message content is `json`, not `jsonb`: it is what the source sent, in full, and `jsonb` refuses `\u0000` and lone surrogates.
 */
import type { Client } from "pg";
import { airyId } from "../ids.ts";
import { first } from "./migrations/first.ts";
import { fourth } from "./migrations/fourth.ts";
import { second } from "./migrations/second.ts";
import { third } from "./migrations/third.ts";

type Migration = string | ((client: Client) => Promise<void>);

/** Conversations from before there were contacts get theirs; SHA-1 is not in Postgres' core. */
async function contacts(client: Client): Promise<void> {
  const { rows } = await client.query<{ id: string }>("select id from conversation where contact_id is null");
  const ids = rows.map((row) => row.id);
  const made = ids.map((id) => airyId(id, ""));
  await client.query(
    "update conversation c set contact_id = n.contact from unnest($1::uuid[], $2::uuid[]) as n(id, contact) where n.id = c.id",
    [ids, made],
  );
  await client.query("insert into contact (id) select unnest($1::uuid[]) on conflict do nothing", [made]);
}

export const migrations: readonly Migration[] = [first, second, contacts, third, fourth];
