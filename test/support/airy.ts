/** The bundle's command line as a process of its own, with its NDJSON read as it comes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import type { AiryEvent } from "../../cli/events.ts";
import type { Envelope } from "../../cli/report/output.ts";
import type { LeakScope } from "./leaks.ts";

export const bundle = path.resolve(import.meta.dirname, "../../dist/airy.js");

export type Line = AiryEvent | ({ type: "result" } & Envelope);

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  lines: Line[];
  /** The last line. */
  envelope: Envelope;
}

export interface RunningAiry {
  pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the first line, past or future, that fits; rejects when the process ends without one. */
  line(fits: (line: Line) => boolean): Promise<Line>;
  ended: Promise<Ended>;
}

/** Starts `airy <args> --json` in the workspace of the scope. */
export function startAiry(scope: LeakScope, args: string[], env: Record<string, string> = {}, node = process.execPath): RunningAiry {
  const child = spawn(node, [bundle, ...args, "--json"], {
    cwd: scope.workspace,
    env: { ...process.env, TMPDIR: scope.tmp, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  let stdout = "";
  let stderr = "";
  let over = false;
  const wake = (): void => {
    for (const resume of waiting) resume();
    waiting.clear();
  };
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (text) => {
    stdout += `${text}\n`;
    lines.push(JSON.parse(text) as Line);
    wake();
  });
  const ended = Promise.all([once(child, "close"), once(reader, "close")]).then(([[code, signal]]) => {
    over = true;
    wake();
    return {
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout,
      stderr,
      lines,
      envelope: lines.at(-1) as unknown as Envelope,
    };
  });
  return {
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    async line(fits) {
      for (;;) {
        const found = lines.find(fits);
        if (found) return found;
        if (over) throw new Error(`ended without it: ${stdout}${stderr}`);
        await new Promise<void>((resume) => waiting.add(resume));
      }
    },
    ended,
  };
}

/** Runs `airy <args> --json` to its end. */
export function airy(scope: LeakScope, args: string[], env: Record<string, string> = {}, node?: string): Promise<Ended> {
  return startAiry(scope, args, env, node).ended;
}
