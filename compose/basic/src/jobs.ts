/**
 * Work that must happen after a commit and may fail for a while: graphile-worker keeps it in Postgres, repeats it with growing pauses
 * (e^attempt seconds, at most 6 hours), and goes on after a restart. What is queued in a transaction is queued if it commits.
 */
import type { JobHelpers, Runner, TaskList } from "graphile-worker";
import { Logger, run, runMigrations } from "graphile-worker";
import { Pool } from "pg";
import { describeError } from "./database/errors.ts";

export interface Jobs {
  close(): Promise<void>;
}

/** A job of this task, with what queued it. `lastTry` is true when it will not be repeated. */
export type Task = (payload: unknown, job: { lastTry: boolean; signal: AbortSignal }) => Promise<void>;

const SCHEMA = "airy_jobs";
const AT_ONCE = 4;
const POLL_MS = 2_000;

/** Brings the queue's own tables up to date; before anything can queue. */
export async function prepareJobs(databaseUrl: string, log: (line: string) => void): Promise<void> {
  const pgPool = createPool(databaseUrl, 1, log);
  try {
    await runMigrations({ pgPool, schema: SCHEMA, logger: createLogger(log), preset: {} });
  } finally {
    await pgPool.end();
  }
}

export async function startJobs(databaseUrl: string, tasks: Record<string, Task>, log: (line: string) => void): Promise<Jobs> {
  const pgPool = createPool(databaseUrl, AT_ONCE + 2, log);
  const stop = new AbortController();
  const taskList: TaskList = Object.fromEntries(
    Object.entries(tasks).map(([name, task]) => [
      name,
      (payload: unknown, { job }: JobHelpers) => task(payload, { lastTry: job.attempts >= job.max_attempts, signal: stop.signal }),
    ]),
  );
  const runner: Runner = await run({
    pgPool,
    schema: SCHEMA,
    taskList,
    concurrency: AT_ONCE,
    pollInterval: POLL_MS,
    noHandleSignals: true,
    parsedCronItems: [],
    logger: createLogger(log),
  });
  // It rejects when the database is away while it stops; there is nobody left who could do anything about it.
  runner.promise.catch((error: unknown) => log(`jobs ended: ${describeError(error)}`));
  return {
    async close() {
      stop.abort();
      await runner.stop().catch(() => {});
      await pgPool.end().catch(() => {});
    },
  };
}

function createPool(connectionString: string, max: number, log: (line: string) => void): Pool {
  const pool = new Pool({ connectionString, max, application_name: "airy jobs", connectionTimeoutMillis: 5_000 });
  pool.on("error", (error) => log(`job queue: database connection lost: ${describeError(error)}`));
  return pool;
}

/** Failures of jobs are told by the tasks themselves, in words. */
function createLogger(log: (line: string) => void): Logger {
  let last = "";
  return new Logger(() => (level, text) => {
    if (level !== "error" || /Failed task/.test(text) || text === last) return;
    last = text;
    log(`job queue: ${text}`);
  });
}
