/** A child process of the engine: what it says, how it ended, and how it is stopped. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { stopSignals } from "./postmaster.ts";

/** Characters of a line, and lines, that are kept. */
const LONGEST = 16 * 1024;
const KEPT = 20;

/** As SERVICE_EXITED wants it; both null when it could not be started. */
export interface Ending {
  exitCode: number | null;
  signal: string | null;
}

/** Passes each line of stdout and stderr on. Returns how to get the last ones, oldest first. */
export function linesOf(child: Pick<ChildProcess, "stdout" | "stderr">, log: (line: string) => void): (count: number) => string[] {
  const kept: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface({ input: stream, crlfDelay: Infinity }).on("line", (text) => {
      if (text.trim() === "") return;
      const line = text.slice(0, LONGEST);
      kept.push(line);
      if (kept.length > KEPT) kept.shift();
      log(line);
    });
  }
  return (count) => kept.slice(-count);
}

/** Resolves when the process is gone and all that it said was read. */
export function endOf(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve) => {
    child.once("error", () => resolve({ exitCode: null, signal: null }));
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal }));
  });
}

/** @param ended of {@link endOf}, called when the child was started. */
export async function stopChild(child: ChildProcess, ended: Promise<Ending>): Promise<void> {
  const over = ended.then(() => true);
  for (const [signal, patience] of stopSignals) {
    child.kill(signal);
    const patient = new AbortController();
    const gone = await Promise.race([over, delay(patience, false, { signal: patient.signal }).catch(() => false)]);
    patient.abort();
    if (gone) return;
  }
}

/** Runs until its end, or until the signal: then it is asked to end first. Throws the signal's reason. */
export async function finish(child: ChildProcess, signal: AbortSignal): Promise<Ending> {
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  const ending = await endOf(child);
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  return ending;
}
