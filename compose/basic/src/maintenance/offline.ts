/** A backup of what an earlier run has stored, where no platform runs on that database. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { openDatabase } from "../database/connect.ts";
import { migrate } from "../database/migrate.ts";
import { prepareJobs } from "../jobs.ts";
import { backupLines } from "./backup.ts";

/**
 * Compressed lines, as `POST /admin.backup` answers them; a failure destroys the stream. The schema is brought up to date first.
 * @throws Error with `code` "DATA_NEWER", or the database's.
 */
export async function readOffline(databaseUrl: string): Promise<Readable> {
  const log = () => {};
  await migrate(databaseUrl, () => prepareJobs(databaseUrl, log), log);
  const database = openDatabase(databaseUrl, log);
  const zipped = createGzip({ level: 3 });
  pipeline(Readable.from(backupLines(database)), zipped)
    .catch(() => {})
    .finally(() => database.close());
  return zipped;
}
