/**
 * Everything the platform keeps, as lines of JSON, and back into an empty database, of whichever engine. Page tokens and signature keys
 * are in it as they are stored: sealed.
 *
 *   {"airy":"backup","schema":4,"at":"..."}   then for each row {"t":"channel","r":{...}}, for each queued job {"j":{...}},
 *   {"end":true,"lines":123}
 */
import type { Readable } from "node:stream";
import type { PoolClient } from "pg";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import { migrations } from "../database/migrations.ts";
import type { Vault } from "../database/vault.ts";

/** In an order in which each finds those it refers to. */
const tables = [
  "channel",
  "contact",
  "tag",
  "template",
  "delivery",
  "waiting_delivery",
  "conversation",
  "message",
  "message_change",
  "early_message",
  "webhook",
  "upload",
] as const;

/** Columns that count by themselves, by table. */
const counters: Record<string, string> = { delivery: "id", message: "seq" };

/** Rows at once; an upload has up to 25 MB. */
const FETCH = 500;
const fetchOf = (table: string | null) => (table === "upload" ? 1 : FETCH);
/** A delivery of the greatest size that is taken, in hexadecimal, and more. */
const MAX_LINE = 128 * 1024 * 1024;

const headLine = z.object({ airy: z.literal("backup"), schema: z.int() });
const line = z.union([
  z.object({ t: z.enum(tables), r: z.record(z.string(), z.unknown()) }),
  z.object({ j: z.object({ task: z.string(), payload: z.unknown(), tries: z.int() }) }),
  z.object({ end: z.literal(true), lines: z.int() }),
]);

/** The file or the database does not allow it; the message says why. */
export class RestoreRefused extends Error {
  override readonly name = "RestoreRefused";
}

/** One snapshot, whatever is written meanwhile. */
export async function* backupLines(database: Database): AsyncGenerator<string> {
  let lines = 1;
  yield `${JSON.stringify({ airy: "backup", schema: migrations.length, at: new Date().toISOString() })}\n`;
  for await (const chunk of database.snapshot((client) => rows(client))) {
    lines += chunk.length;
    yield chunk.map((one) => `${one}\n`).join("");
  }
  yield `${JSON.stringify({ end: true, lines: lines + 1 })}\n`;
}

async function* rows(client: PoolClient): AsyncGenerator<string[]> {
  for (const table of tables) {
    await client.query(
      `declare backup no scroll cursor for select '{"t":"${table}","r":' || row_to_json(r)::text || '}' as line from ${table} r`,
    );
    for (;;) {
      const found = await client.query<{ line: string }>(`fetch ${fetchOf(table)} from backup`);
      if (found.rows.length === 0) break;
      yield found.rows.map((row) => row.line.replaceAll("\n", " "));
    }
    await client.query("close backup");
  }
  const jobs = await client.query<{ line: string }>(
    `select json_build_object('j', json_build_object('task', t.identifier, 'payload', j.payload, 'tries', j.max_attempts))::text as line
     from airy_jobs._private_jobs j join airy_jobs._private_tasks t on t.id = j.task_id where j.attempts < j.max_attempts`,
  );
  yield jobs.rows.map((row) => row.line.replaceAll("\n", " "));
}

/**
 * All or nothing, and only where there is nothing yet.
 * @param from the vault of where the backup was made, when that is another one.
 * @throws RestoreRefused
 */
export async function restoreLines(database: Database, input: Readable, vault: Vault, from: Vault): Promise<number> {
  return database.transaction(async (client) => {
    await client.query("set local statement_timeout = 0");
    await client.query("set local idle_in_transaction_session_timeout = '10min'");
    await client.query("lock table channel, delivery, conversation, message in exclusive mode");
    await refuseUnlessEmpty(client);
    const writer = new Writer(client, vault, from);
    for await (const text of linesOf(input)) await writer.take(text);
    await writer.finish();
    return writer.lines;
  });
}

/** Not `readline`, whose iterator never ends when its input fails. */
async function* linesOf(input: Readable): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of input.setEncoding("utf8")) {
    const parts = (rest + String(chunk)).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > MAX_LINE) throw new RestoreRefused("the file has a line that is too long");
    yield* parts.filter((part) => part !== "");
  }
  if (rest !== "") yield rest;
}

async function refuseUnlessEmpty(client: PoolClient): Promise<void> {
  // Channels may be there: pages that were connected at the start. They stay as they are, because their tokens are newer than the backup's.
  for (const table of ["delivery", "message", "tag", "template", "webhook", "upload"]) {
    const { rows: found } = await client.query(`select from ${table} limit 1`);
    if (found.length > 0) throw new RestoreRefused("there are messages or settings already; a backup goes into an empty workspace");
  }
}

class Writer {
  lines = 0;
  readonly #client: PoolClient;
  readonly #vault: Vault;
  readonly #from: Vault;
  #table: string | null = null;
  #rows: Record<string, unknown>[] = [];
  #ended = false;

  constructor(client: PoolClient, vault: Vault, from: Vault) {
    this.#client = client;
    this.#vault = vault;
    this.#from = from;
  }

  async take(text: string): Promise<void> {
    this.lines += 1;
    if (this.#ended) throw new RestoreRefused("the file goes on behind its end");
    const value = parse(text);
    if (this.lines === 1) return this.#head(value);
    const parsed = line.safeParse(value);
    if (!parsed.success) throw new RestoreRefused(`line ${this.lines} is none of a backup`);
    if ("t" in parsed.data) {
      if (parsed.data.t !== this.#table || this.#rows.length >= fetchOf(this.#table)) await this.#flush();
      this.#table = parsed.data.t;
      this.#rows.push(this.#resealed(parsed.data.r));
    } else if ("j" in parsed.data) {
      const { task, payload, tries } = parsed.data.j;
      await this.#client.query("select airy_jobs.add_job($1, $2::json, max_attempts => $3)", [task, JSON.stringify(payload), tries]);
    } else {
      if (parsed.data.lines !== this.lines) throw new RestoreRefused("lines are missing in the file");
      this.#ended = true;
    }
  }

  async finish(): Promise<void> {
    if (!this.#ended) throw new RestoreRefused("the file is cut off: its last line is missing");
    await this.#flush();
    for (const [table, column] of Object.entries(counters)) {
      await this.#client.query(
        `select setval(pg_get_serial_sequence('${table}', '${column}'), greatest(1, (select coalesce(max(${column}), 0) from ${table})))`,
      );
    }
  }

  #head(value: unknown): void {
    const head = headLine.safeParse(value);
    if (!head.success) throw new RestoreRefused("this is no backup of airy");
    if (head.data.schema > migrations.length) throw new RestoreRefused("the backup was made by a newer airy");
  }

  #resealed(row: Record<string, unknown>): Record<string, unknown> {
    const column = "token" in row ? "token" : "signature_key" in row ? "signature_key" : null;
    const stored = column === null ? null : row[column];
    if (column === null || typeof stored !== "string") return row;
    const opened = this.#from.open(stored);
    return opened === null ? row : { ...row, [column]: this.#vault.seal(opened) };
  }

  async #flush(): Promise<void> {
    const [first] = this.#rows;
    if (this.#table === null || first === undefined) return;
    // Columns that the backup does not know take their defaults.
    const { rows: known } = await this.#client.query<{ name: string }>(
      "select column_name as name from information_schema.columns where table_schema = current_schema() and table_name = $1",
      [this.#table],
    );
    const columns = known.map((one) => one.name).filter((name) => name in first);
    const list = columns.map((name) => `"${name}"`).join(", ");
    // Content may hold what Postgres cannot take out of JSON (an escaped NUL), so it goes in as text of its own.
    const contents = this.#rows.map((row) => JSON.stringify(row.content) ?? null);
    const values = columns.map((name) => (name === "content" ? "c.text::json" : `r."${name}"`)).join(", ");
    await this.#client.query(
      `insert into ${this.#table} (${list}) overriding system value
       select ${values} from json_populate_recordset(null::${this.#table}, $1::json) with ordinality r
       join unnest($2::text[]) with ordinality c(text, at) on c.at = r.ordinality
       order by c.at on conflict do nothing`,
      [JSON.stringify(this.#rows.map((row) => ({ ...row, content: undefined }))), contents],
    );
    this.#rows = [];
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RestoreRefused("the file is damaged");
  }
}
