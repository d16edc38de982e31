/** A Postgres of the workspace's own, as a child process: started, watched, started again when it dies, stopped. */
import type { ChildProcess } from "node:child_process";
import { realpath } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import type { Io } from "../../io/io.ts";
import type { Emit, ServiceStatus } from "../../events.ts";
import { AiryError, asAiryError, fail } from "../../errors.ts";
import { endOf, linesOf, stopChild, type Ending } from "./child.ts";
import { openDataDir } from "./datadir.ts";
import { findFooting, launch, type Footing } from "./footing.ts";
import { openLog, type LogFile } from "./logs.ts";
import { dropStalePidFile, readPidFile, stopPostmaster } from "./postmaster.ts";
import { argumentsFor, SOCKET_PORT } from "./settings.ts";
import { clearSocket, makeSocketDir, removeSocketDir } from "./socket.ts";

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
  /** Of the database `airy`, over its socket; contains the password. */
  url: string;
  status(): ServiceStatus;
  close(): Promise<void>;
}

/** Recovery after a crash replays at most `max_wal_size`, so a start that takes longer hangs. */
const readyWithinMs = 60_000;
/** Milliseconds before each attempt to start it again; the last one repeats. */
const restartDelays = [200, 1000, 2000, 5000, 10_000, 30_000];
/** After running this long (milliseconds) the delays begin anew. */
const steadyAfterMs = 60_000;

/**
 * Starts the workspace's Postgres, making its data on first use, and keeps it running. One that an earlier process left behind is
 * stopped first. Throws POSTGRES_*, SERVICE_EXITED or SERVICE_UNHEALTHY.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { workspace, password, host, emit, signal } = options;
  const log = openLog(workspace, "postgres");
  try {
    emit({ type: "service", service: { name: "postgres", state: "starting", health: "starting" } });
    const footing = await findFooting({ base: path.join(workspace, ".airy", "postgres"), ...host });
    signal.throwIfAborted();
    const base = await realpath(footing.base);
    const orphan = await stopPostmaster(path.join(base, "data"), host.kill);
    const detail = "stopped the one that an earlier run left behind";
    if (orphan) emit({ type: "service", service: { name: "postgres", state: "starting", health: "starting" }, detail });
    const shared = { footing, base, password, path: host.path, log: log.line, signal };
    const own = (dir: string): Promise<string[]> => argumentsFor(footing, base, dir);
    const dataDir = await openDataDir({ ...shared, uid: host.uid, argumentsFor: own });
    const socketDir = await makeSocketDir(footing, base);
    const args = ["-D", dataDir, ...(await own(dataDir)), "-p", String(SOCKET_PORT), "-c", `unix_socket_directories=${quoted(socketDir)}`];
    const server = new Server({ options, footing, dataDir, socketDir, args, log });
    await server.start();
    return server;
  } catch (error) {
    log.close();
    throw error;
  }
}

/** A list with one entry, in which neither comma nor blank means anything (guc: SplitDirectoriesString). */
function quoted(dir: string): string {
  return `"${dir.replaceAll('"', '""')}"`;
}

interface ServerOptions {
  options: PostgresOptions;
  footing: Footing;
  dataDir: string;
  socketDir: string;
  args: readonly string[];
  log: LogFile;
}

class Server implements RunningPostgres {
  readonly url: string;
  readonly #given: ServerOptions;
  readonly #closing = new AbortController();
  #status: ServiceStatus = { name: "postgres", state: "starting", health: "starting" };
  #running: { child: ChildProcess; ended: Promise<Ending> } | null = null;
  #revival: Promise<void> | null = null;
  #restarts = 0;
  #runningSince = 0;

  constructor(given: ServerOptions) {
    this.#given = given;
    const password = encodeURIComponent(given.options.password);
    this.url = `postgres://airy:${password}@${encodeURIComponent(given.socketDir)}:${SOCKET_PORT}/airy`;
  }

  status(): ServiceStatus {
    return this.#status;
  }

  async start(): Promise<void> {
    try {
      await this.#startOnce(this.#given.options.signal);
      await checkLogin(this.url, this.#given.dataDir);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#report("running", "healthy");
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#revival;
    if (this.#running) await stopChild(this.#running.child, this.#running.ended);
    await removeSocketDir(path.dirname(this.#given.dataDir));
    this.#report("exited", "none");
    this.#given.log.close();
  }

  async #startOnce(until: AbortSignal): Promise<void> {
    const { footing, dataDir, socketDir, args, log, options } = this.#given;
    await dropStalePidFile(dataDir);
    await clearSocket(socketDir);
    const child = launch(footing, "postgres", args, { path: options.host.path });
    const last = linesOf(child, log.line);
    const ended = endOf(child);
    this.#running = { child, ended };
    try {
      await this.#ready(child, ended, last, until);
    } catch (error) {
      await stopChild(child, ended);
      this.#running = null;
      throw error;
    }
    this.#runningSince = Date.now();
    void ended.then((ending) => (this.#revival = this.#revive(ending, last(5))));
  }

  async #ready(child: ChildProcess, ended: Promise<Ending>, last: (count: number) => string[], until: AbortSignal): Promise<void> {
    let over: Ending | null = null;
    void ended.then((ending) => (over = ending));
    for (const end = Date.now() + readyWithinMs; Date.now() < end; await delay(20, undefined, { signal: until })) {
      if (over) fail("SERVICE_EXITED", { service: "postgres", ...(over as Ending), log: last(10) });
      const file = await readPidFile(this.#given.dataDir);
      if (file?.ready && file.pid === child.pid) return;
    }
    const reason = `It does not accept connections after ${readyWithinMs / 1000} s.`;
    fail("SERVICE_UNHEALTHY", { service: "postgres", reason, log: last(10) });
  }

  /** Until it runs again or is not wanted any more. */
  async #revive(first: Ending, lines: string[]): Promise<void> {
    if (this.#closing.signal.aborted) return;
    if (Date.now() - this.#runningSince > steadyAfterMs) this.#restarts = 0;
    let error = new AiryError("SERVICE_EXITED", { service: "postgres", ...first, log: lines });
    for (;;) {
      const log = error.details.log;
      this.#report("exited", "none", error.message);
      this.#given.options.emit({
        type: "warning",
        code: error.code,
        message: [error.message, ...(Array.isArray(log) ? log : [])].join("\n"),
        action: "airy logs postgres",
      });
      try {
        const pause = restartDelays[Math.min(this.#restarts++, restartDelays.length - 1)];
        await delay(pause, undefined, { signal: this.#closing.signal });
        this.#report("starting", "starting");
        await this.#startOnce(this.#closing.signal);
        this.#report("running", "healthy");
        return;
      } catch (cause) {
        if (this.#closing.signal.aborted) return;
        error = asAiryError(cause);
      }
    }
  }

  #report(state: ServiceStatus["state"], health: ServiceStatus["health"], detail?: string): void {
    this.#status = { name: "postgres", state, health };
    this.#given.options.emit({ type: "service", service: this.#status, detail });
  }
}

/** Throws POSTGRES_PASSWORD, SERVICE_UNHEALTHY. */
async function checkLogin(url: string, dataDir: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // A connection that breaks later is reported by the query that needed it.
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (cause) {
    if ((cause as { code?: string }).code === "28P01") fail("POSTGRES_PASSWORD", { dir: path.dirname(dataDir) }, { cause });
    fail("SERVICE_UNHEALTHY", { service: "postgres", reason: asAiryError(cause).message }, { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}
