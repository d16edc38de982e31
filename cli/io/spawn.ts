/** The only file that starts other programs. Never through a shell: arguments reach the program as they are. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { openAppend } from "./files.ts";

export interface RunOptions {
  cwd?: string;
  /** Added to the environment. */
  env?: Record<string, string>;
  /** Written to its stdin. */
  input?: string;
  /** Milliseconds, then SIGTERM, then SIGKILL 2 s later. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Each line of stdout and stderr as it arrives. */
  onLine?: (line: string, stream: "stdout" | "stderr") => void;
}

export interface RunResult {
  /** null when it did not run to its end: not found, killed, timed out. */
  exitCode: number | null;
  stdout: string;
  stderr: string;
  /** The program does not exist or may not be executed. */
  notFound: boolean;
  timedOut: boolean;
  canceled: boolean;
}

/** Runs a program to its end. Never rejects: a failure is in the result. */
export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  // Not before a program is run: the first frame of `airy up` need not wait for it.
  const { execa } = await import("execa");
  const child = execa(file, args, {
    cwd: options.cwd,
    env: options.env,
    input: options.input ?? "",
    timeout: options.timeoutMs,
    cancelSignal: options.signal,
    forceKillAfterDelay: 2000,
    reject: false,
    stdin: "pipe",
    maxBuffer: 50_000_000,
  });
  const { onLine } = options;
  if (onLine) {
    const read = async (stream: "stdout" | "stderr"): Promise<void> => {
      for await (const line of child.iterable({ from: stream })) onLine(line, stream);
    };
    await Promise.allSettled([read("stdout"), read("stderr")]);
  }
  const result = await child;
  return {
    exitCode: result.exitCode ?? null,
    stdout: result.stdout,
    stderr: result.stderr,
    notFound: result.code === "ENOENT" || result.code === "EACCES",
    timedOut: result.timedOut,
    canceled: result.isCanceled,
  };
}

export interface StartOptions {
  cwd?: string;
  /** The whole environment of the child. */
  env: Record<string, string>;
  /** Run as another user; needs root. */
  uid?: number;
  gid?: number;
  /** stdout and stderr are appended to this file, or readable from the child when absent. */
  logFile?: string;
  /** Survives this process and is not in its process group. */
  detached?: boolean;
}

/** Starts a long-running program. Its stdin is a pipe; the caller watches `exit` and `error`. */
export function start(file: string, args: readonly string[], options: StartOptions): ChildProcess {
  const log = options.logFile === undefined ? null : openAppend(options.logFile);
  try {
    return spawn(file, args, {
      cwd: options.cwd,
      env: options.env,
      uid: options.uid,
      gid: options.gid,
      detached: options.detached ?? false,
      stdio: ["pipe", log ?? "pipe", log ?? "pipe"],
    });
  } finally {
    if (log !== null) closeSync(log);
  }
}
