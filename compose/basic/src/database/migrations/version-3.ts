/** Version 3: conversations from before there were contacts get theirs; SHA-1 is not in Postgres' core. */
import type { Client } from "pg";
import { airyId } from "../../ids.ts";

export async function version3(client: Client): Promise<void> {
  const { rows } = await client.query<{ id: string }>("select id from conversation where contact_id is null");
  const ids = rows.map((row) => row.id);
  const made = ids.map((id) => airyId(id, ""));
  await client.query(
    "update conversation c set contact_id = n.contact from unnest($1::uuid[], $2::uuid[]) as n(id, contact) where n.id = c.id",
    [ids, made],
  );
  await client.query("insert into contact (id) select unnest($1::uuid[]) on conflict do nothing", [made]);
}
