/** The connection pool, and waiting for Postgres at the start. */
import { Client, DatabaseError, Pool } from "pg";
import type { PoolClient, QueryResultRow } from "pg";
import { describeError } from "./errors.ts";

// A webhook must be answered within 5 s (Meta), and the edge gives the platform 2.5 s: a database that is away is found out before that.
const CONNECT_TIMEOUT_MS = 2_000;
const STATEMENT_TIMEOUT_MS = 10_000;

/** A statement with a name is parsed and planned once a connection. */
interface Statement {
  name?: string;
  text: string;
}

export interface Database {
  query<Row extends QueryResultRow>(statement: Statement, values: unknown[]): Promise<Row[]>;
  /** Commits when `work` returns, rolls back when it throws. */
  transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T>;
  /** Reads within one transaction that sees the database as it is at its begin. */
  snapshot<T>(read: (client: PoolClient) => AsyncGenerator<T>): AsyncGenerator<T>;
  close(): Promise<void>;
}

/**
 * Commits are durable before they are reported (`synchronous_commit`), whatever the server's default is. A connection that breaks is
 * dropped and replaced; the statement that met it fails.
 */
export function openDatabase(databaseUrl: string, log: (line: string) => void): Database {
  const pool = new Pool({
    connectionString: databaseUrl,
    max: 10,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
    keepAlive: true,
    application_name: "airy",
    options: `-c synchronous_commit=on -c statement_timeout=${STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=30000`,
  });
  // Without a listener an idle connection that breaks would end the process.
  let closing = false;
  pool.on("error", (error) => {
    if (!closing) log(`database connection lost: ${describeError(error)}`);
  });

  return {
    async query<Row extends QueryResultRow>(statement: Statement, values: unknown[]) {
      const result = await pool.query<Row>({ ...statement, values });
      return result.rows;
    },
    async transaction(work) {
      const client = await pool.connect();
      // The pool listens only to idle clients; a connection that breaks between two statements would end the process. The next statement
      // fails.
      const ignore = () => {};
      client.on("error", ignore);
      try {
        await client.query("begin");
        const result = await work(client);
        await client.query("commit");
        client.release();
        return result;
      } catch (error) {
        // Closing the connection rolls back as well, and is right for broken ones.
        client.release(true);
        throw error;
      } finally {
        client.off("error", ignore);
      }
    },
    async *snapshot(read) {
      const client = await pool.connect();
      const ignore = () => {};
      client.on("error", ignore);
      let whole = false;
      try {
        await client.query("begin isolation level repeatable read read only");
        await client.query("set local statement_timeout = 0");
        await client.query("set local idle_in_transaction_session_timeout = '10min'");
        yield* read(client);
        await client.query("commit");
        whole = true;
      } finally {
        client.off("error", ignore);
        client.release(!whole);
      }
    },
    close() {
      closing = true;
      return pool.end();
    },
  };
}

/**
 * Waits until Postgres takes connections, at most `timeoutMs`.
 * @throws Error with `code` "DATABASE_UNREACHABLE" when it does not, or "DATABASE_REFUSED" at once when it refuses for good (password,
 * missing database).
 */
export async function waitForPostgres(databaseUrl: string, timeoutMs: number, log: (line: string) => void): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let said = "";
  for (;;) {
    const error = await tryToConnect(databaseUrl);
    if (error === null) return;
    const reason = describeError(error);
    if (error instanceof DatabaseError && !/^(57P03|53|08)/.test(error.code ?? "")) {
      throw coded("DATABASE_REFUSED", `Postgres refused the connection: ${reason}`, error);
    }
    if (Date.now() >= deadline) {
      throw coded("DATABASE_UNREACHABLE", `Postgres did not take connections within ${timeoutMs / 1000} s: ${reason}`, error);
    }
    if (reason !== said) log(`waiting for Postgres: ${reason}`);
    said = reason;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function tryToConnect(databaseUrl: string): Promise<unknown> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, application_name: "airy" });
  client.on("error", () => {});
  try {
    await client.connect();
    return null;
  } catch (error) {
    return error;
  } finally {
    await client.end().catch(() => {});
  }
}

function coded(code: string, message: string, cause: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code });
}
