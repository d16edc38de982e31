/** Other processes: whether the one that is meant still lives. A pid alone is no answer, because pids are used again. */
import { readFile } from "node:fs/promises";
import type { Io } from "./io.ts";
import { run } from "./spawn.ts";

/**
 * When the process was started, in a form that only serves comparison; null when there is no such process. A zombie (killed, not yet
 * reaped by its parent) counts as gone.
 * @param proc where the system tells of its processes; where there is nothing of the kind, `ps` is asked.
 */
export async function startTime(pid: number, proc = "/proc"): Promise<string | null> {
  const stat = await readFile(`${proc}/${pid}/stat`, "utf8").catch(() => null);
  if (stat !== null) {
    // proc(5): the name in parentheses may hold anything, so count from the last one; field 3 is the state, 22 the start time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
  }
  // macOS has no /proc. ps prints the local time in the words of the locale: both may be others when the next command asks.
  const env = { TZ: "UTC", LC_ALL: "C" };
  const result = await run("ps", ["-o", "state=,lstart=", "-p", String(pid)], { timeoutMs: 2000, env });
  const line = result.stdout.trim();
  return result.exitCode !== 0 || line === "" || line.startsWith("Z") ? null : line.replace(/^\S+\s+/, "");
}

/** Whether the process that was started then is still there. */
export async function isAlive(pid: number, started: string): Promise<boolean> {
  return (await startTime(pid)) === started;
}

/** Asks the process to end, and after `graceMs` ends it. Resolves when it is gone. */
export async function terminate(kill: Io["kill"], pid: number, started: string, graceMs: number): Promise<void> {
  if (!(await isAlive(pid, started))) return;
  kill(pid, "SIGTERM");
  if (await gone(pid, started, graceMs)) return;
  kill(pid, "SIGKILL");
  await gone(pid, started, 2000);
}

/** Resolves with true as soon as the process is gone, with false after `timeoutMs`. */
export async function gone(pid: number, started: string, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (await isAlive(pid, started)) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
