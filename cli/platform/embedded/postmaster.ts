/** The Postgres that a data folder's `postmaster.pid` names: is it really that one, and how it is stopped. */
import { readFile, readlink, realpath, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Io } from "../../io/io.ts";
import { run } from "../../io/spawn.ts";
import { fail } from "../../errors.ts";

export interface Postmaster {
  pid: number;
  /** Path of its socket. */
  socket: string;
  /** Accepts connections. */
  ready: boolean;
}

/** `gone`: nothing has that pid, or it is something else. `unknown`: it could not be looked at. */
type Verdict = "ours" | "gone" | "unknown";

/**
 * What `postmaster.pid` says; null without a file. Lines: pid, data folder, start time, port, socket folder, address, shared memory
 * key, status (https://www.postgresql.org/docs/18/storage-file-layout.html, miscadmin.h).
 */
export async function readPidFile(dataDir: string): Promise<Postmaster | null> {
  const text = await readFile(path.join(dataDir, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1) return null;
  return { pid, socket: path.join(lines[4] ?? "", `.s.PGSQL.${Number(lines[3] ?? 0)}`), ready: lines[7]?.trim() === "ready" };
}

/** The running Postgres of this data folder; null when none runs. A pid that was given to something else meanwhile does not count. */
export async function findPostmaster(dataDir: string): Promise<Postmaster | null> {
  const named = await readPidFile(dataDir);
  return named && (await identify(named.pid, dataDir)) === "ours" ? named : null;
}

/**
 * Removes a `postmaster.pid` whose process is certainly gone. Postgres does so itself unless the pid is in use again, which is common
 * in containers: their pids start from 1 every time.
 */
export async function dropStalePidFile(dataDir: string): Promise<void> {
  const named = await readPidFile(dataDir);
  if (named && (await identify(named.pid, dataDir)) === "gone") await rm(path.join(dataDir, "postmaster.pid"), { force: true });
}

/**
 * Stops the Postgres of this data folder, whoever started it: fast shutdown, after 10 s an immediate one (recovery at next start),
 * after 5 s more SIGKILL. Returns whether one ran. Throws SERVICE_UNHEALTHY.
 */
export async function stopPostmaster(dataDir: string, kill: Io["kill"]): Promise<boolean> {
  const found = await findPostmaster(dataDir);
  if (!found) return false;
  for (const [signal, patience] of stopSignals) {
    // Looked at again before each signal: the pid may belong to something else by now.
    if ((await identify(found.pid, dataDir)) !== "ours") return true;
    kill(found.pid, signal);
    for (const end = Date.now() + patience; Date.now() < end; await delay(30)) {
      if ((await identify(found.pid, dataDir)) !== "ours") return true;
    }
  }
  return fail("SERVICE_UNHEALTHY", { service: "postgres", reason: `Process ${found.pid} does not stop.` });
}

/** Signal and milliseconds to wait after it (https://www.postgresql.org/docs/18/server-shutdown.html). */
export const stopSignals = [
  ["SIGINT", 10_000],
  ["SIGQUIT", 5000],
  ["SIGKILL", 5000],
] as const;

/**
 * By its command line, which everybody may read; `/proc/<pid>/cwd` says it as well, but in a container root may not look at another user's
 * process without CAP_SYS_PTRACE.
 */
async function identify(pid: number, dataDir: string): Promise<Verdict> {
  const args = await commandLine(pid);
  if (args === "unknown" || args === "gone") return args;
  const folder = await realpath(dataDir).catch(() => dataDir);
  if (args.join(" ").includes(` -D ${folder} `)) return "ours";
  // The folder was moved while it ran: its working directory goes along.
  if ((await readlink(`/proc/${pid}/cwd`).catch(() => null)) === folder) return "ours";
  // Another Postgres, perhaps of the same data under another path: Postgres's own interlock decides.
  return /^postgres\b/.test(path.basename(args[0] ?? "")) ? "unknown" : "gone";
}

/** Of a zombie: empty. */
async function commandLine(pid: number): Promise<string[] | "gone" | "unknown"> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return "unknown";
    if (await readlink("/proc/self").catch(() => null)) return "gone";
  }
  // No /proc: macOS.
  const ps = await run("ps", ["-ww", "-o", "command=", "-p", String(pid)], { timeoutMs: 2000 });
  if (ps.exitCode === null) return "unknown";
  return ps.exitCode === 0 ? ps.stdout.split(" ") : "gone";
}
