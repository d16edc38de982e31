/** A Postgres of the workspace's own, as a child process: started, watched, started again when it dies, stopped. */
import type { ChildProcess } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { isFree, nextFreePort } from "../../checks/ports.ts";
import type { Io } from "../../io/io.ts";
import type { Emit, ServiceStatus } from "../../events.ts";
import { AiryError, asAiryError, fail } from "../../errors.ts";
import { openDataDir } from "./datadir.ts";
import { findFooting, launch } from "./footing.ts";
import { logFileOf, logSize, logTail, rotate } from "./logs.ts";
import { dropStalePidFile, readPidFile, stopPostmaster, stopSignals } from "./postmaster.ts";

export interface PostgresOptions {
  workspace: string;
  password: string;
  host: Host;
  emit: Emit;
  /** Ends the start; a Postgres that runs is ended by `close`. */
  signal: AbortSignal;
}

/** The facts about this machine and process that decide how Postgres can run. */
export interface Host {
  os: string;
  arch: string;
  /** null where the system has no user ids. */
  uid: number | null;
  /** PATH. */
  path: string;
  kill: Io["kill"];
}

export interface RunningPostgres {
  port: number;
  /** Of the database `airy`; contains the password. */
  url: string;
  status(): ServiceStatus;
  close(): Promise<void>;
}

/** Recovery after a crash replays at most `max_wal_size`, so a start that takes longer hangs. */
const readyWithinMs = 60_000;
const startAttempts = 4;
/** Milliseconds before each attempt to start it again; the last one repeats. */
const restartDelays = [200, 1000, 2000, 5000, 10_000, 30_000];
/** After running this long (milliseconds) the delays begin anew. */
const steadyAfterMs = 60_000;

/** Small and safe: a laptop runs this in the background, and an acknowledged message must survive a power cut (fsync stays on). */
const settings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "40",
  shared_buffers: "16MB",
  max_wal_size: "256MB",
  min_wal_size: "32MB",
  // Neither replication nor parallel queries: their processes and memory are saved.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  max_parallel_workers_per_gather: "0",
  io_method: "sync",
  jit: "off",
  log_destination: "stderr",
  logging_collector: "off",
  log_timezone: "UTC",
  log_line_prefix: "%m [%p] ",
  log_checkpoints: "off",
  log_min_messages: "warning",
  // A statement in the log could carry a message or a token.
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

/**
 * Starts the workspace's Postgres, making its data on first use, and keeps it running. One that an earlier process left behind is
 * stopped first. Throws POSTGRES_*, SERVICE_EXITED or SERVICE_UNHEALTHY.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { workspace, password, host, emit, signal } = options;
  const logFile = logFileOf(workspace, "postgres");
  const closing = new AbortController();
  let status: ServiceStatus = { name: "postgres", state: "created", health: "none" };
  let child: ChildProcess | null = null;
  let revival: Promise<void> | null = null;
  let restarts = 0;
  let runningSince = 0;

  const report = (state: ServiceStatus["state"], health: ServiceStatus["health"], detail?: string): void => {
    status = { name: "postgres", state, health };
    emit({ type: "service", service: status, detail });
  };

  report("starting", "starting");
  rotate(logFile);
  const footing = await findFooting({ base: path.join(workspace, ".airy", "postgres"), ...host });
  signal.throwIfAborted();
  const orphan = await stopPostmaster(path.join(footing.base, "data"), host.kill);
  if (orphan) emit({ type: "service", service: status, detail: "stopped the one that an earlier run left behind" });
  const dataDir = await openDataDir({ footing, password, logFile, path: host.path, uid: host.uid, signal });
  let port: number;
  try {
    port = await startFirst();
    await ensureDatabase(port, password, dataDir);
  } catch (error) {
    await close();
    throw error;
  }
  report("running", "healthy");
  return { port, url: `postgres://airy:${encodeURIComponent(password)}@127.0.0.1:${port}/airy`, status: () => status, close };

  /** A port is only known to be free until somebody else takes it, hence more than one attempt. */
  async function startFirst(): Promise<number> {
    const remembered = path.join(footing.base, "port");
    let port = Number(await readFile(remembered, "utf8").catch(() => "")) || 0;
    for (let attempt = 1; ; attempt++) {
      if (port === 0 || !(await isFree(port))) port = await nextFreePort(0, []);
      try {
        await startOnce(port, signal);
        await writeFile(remembered, `${port}\n`, { mode: 0o600 });
        return port;
      } catch (error) {
        if (signal.aborted || attempt === startAttempts) throw error;
        await delay(200 * attempt, undefined, { signal });
      }
    }
  }

  async function startOnce(port: number, until: AbortSignal): Promise<void> {
    await dropStalePidFile(dataDir);
    rotate(logFile);
    const before = await logSize(logFile);
    const args = ["-D", dataDir, "-p", String(port), ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
    const started = launch(footing, "postgres", args, { path: host.path, logFile });
    const ended = endOf(started);
    child = started;
    try {
      await ready(started, ended, before, until);
    } catch (error) {
      await stopChild(started, ended);
      child = null;
      throw error;
    }
    runningSince = Date.now();
    void ended.then((ending) => (revival = revive(port, before, ending)));
  }

  async function ready(started: ChildProcess, ended: Promise<Ending>, before: number, until: AbortSignal): Promise<void> {
    let over: Ending | null = null;
    void ended.then((ending) => (over = ending));
    for (const end = Date.now() + readyWithinMs; Date.now() < end; await delay(20, undefined, { signal: until })) {
      if (over) fail("SERVICE_EXITED", { service: "postgres", ...(over as Ending), log: await logTail(logFile, 10, before) });
      const file = await readPidFile(dataDir);
      if (file?.ready && file.pid === started.pid) return;
    }
    const reason = `It does not accept connections after ${readyWithinMs / 1000} s.`;
    fail("SERVICE_UNHEALTHY", { service: "postgres", reason, log: await logTail(logFile, 10, before) });
  }

  /** Until it runs again or is not wanted any more. The port stays the same, because the platform knows it. */
  async function revive(port: number, before: number, first: Ending): Promise<void> {
    if (closing.signal.aborted) return;
    if (Date.now() - runningSince > steadyAfterMs) restarts = 0;
    let error = new AiryError("SERVICE_EXITED", { service: "postgres", ...first, log: await logTail(logFile, 5, before) });
    for (;;) {
      const log = error.details.log;
      report("exited", "none", error.message);
      emit({
        type: "warning",
        code: error.code,
        message: [error.message, ...(Array.isArray(log) ? log : [])].join("\n"),
        action: "airy logs postgres",
      });
      try {
        await delay(restartDelays[Math.min(restarts++, restartDelays.length - 1)], undefined, { signal: closing.signal });
        report("starting", "starting");
        await startOnce(port, closing.signal);
        report("running", "healthy");
        return;
      } catch (cause) {
        if (closing.signal.aborted) return;
        error = asAiryError(cause);
      }
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    await revival;
    if (child) await stopChild(child, endOf(child));
    report("exited", "none");
  }
}

/** As SERVICE_EXITED wants it; both null when it could not be started. */
interface Ending {
  exitCode: number | null;
  signal: string | null;
}

function endOf(child: ChildProcess): Promise<Ending> {
  const { exitCode, signalCode } = child;
  if (exitCode !== null || signalCode !== null) return Promise.resolve({ exitCode, signal: signalCode });
  return new Promise((resolve) => {
    child.once("error", () => resolve({ exitCode: null, signal: null }));
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

async function stopChild(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  const over = ended.then(() => true);
  for (const [signal, patience] of stopSignals) {
    child.kill(signal);
    const patient = new AbortController();
    const gone = await Promise.race([over, delay(patience, false, { signal: patient.signal }).catch(() => false)]);
    patient.abort();
    if (gone) return;
  }
}

/** The platform's database; made here because initdb makes only its own. Throws POSTGRES_PASSWORD. */
async function ensureDatabase(port: number, password: string, dataDir: string): Promise<void> {
  const client = new Client({ host: "127.0.0.1", port, user: "airy", password, database: "postgres", connectionTimeoutMillis: 10_000 });
  // A connection that breaks later is reported by the query that needed it.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query("select 1 from pg_database where datname = 'airy'");
    if (rowCount === 0) await client.query("create database airy");
  } catch (cause) {
    if ((cause as { code?: string }).code === "28P01") fail("POSTGRES_PASSWORD", { dir: path.dirname(dataDir) }, { cause });
    fail("SERVICE_UNHEALTHY", { service: "postgres", reason: asAiryError(cause).message }, { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}
