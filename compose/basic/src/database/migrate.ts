/** Brings the schema to the version this build knows: forward only, one transaction a version, under a lock. */
import { Client } from "pg";
import { migrations } from "./migrations.ts";

// Any constant will do; it only has to be the same in every build.
const LOCK_KEY = 1_634_300_537;

/**
 * Runs the missing migrations. Two platforms that start at once take turns.
 * @param prepare what others keep in the same database, brought up to date under the same lock.
 * @throws Error with `code` "DATA_NEWER" when the database was written by a newer build.
 */
export async function migrate(databaseUrl: string, prepare: () => Promise<void>, log: (line: string) => void): Promise<void> {
  const client = new Client({ connectionString: databaseUrl, application_name: "airy migrations" });
  let broken: Error | null = null;
  client.on("error", (error) => (broken = error));
  await client.connect();
  try {
    await client.query("select pg_advisory_lock($1)", [LOCK_KEY]);
    await client.query(
      "create table if not exists schema_version (version int primary key, applied_at timestamptz not null default now())",
    );
    const { rows } = await client.query<{ version: number }>("select coalesce(max(version), 0) as version from schema_version");
    const found = rows[0]?.version ?? 0;
    if (found > migrations.length) throw newer(found);
    await prepare();
    for (const [index, step] of migrations.entries()) {
      const version = index + 1;
      if (version <= found) continue;
      await client.query("begin");
      if (typeof step === "string") await client.query(step);
      else await step(client);
      await client.query("insert into schema_version (version) values ($1)", [version]);
      await client.query("commit");
      log(`database schema is at version ${version}`);
    }
  } catch (error) {
    throw broken ?? error;
  } finally {
    // Ends the transaction and the lock with the session.
    await client.end().catch(() => {});
  }
}

function newer(found: number): Error {
  const message = `The data was written by a newer airy (schema version ${found}; this build knows up to ${migrations.length}). Use that version, or start with an empty database.`;
  return Object.assign(new Error(message), { code: "DATA_NEWER" });
}
