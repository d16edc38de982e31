/**
 * The store in a process of its own, which can be killed or given a disk that fails. `startStore` is for the tests; the rest of the file is
 * bundled and run as that process: one JSON command a line on stdin, one JSON answer a line on stdout.
 */
import { build } from "esbuild";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

interface Answer {
  ok: boolean;
  /** Error code. */
  code?: string;
  result?: unknown;
}

export interface StoreProcess {
  child: ChildProcess;
  ask(command: Record<string, unknown>): Promise<Answer>;
  /** Every line that is not an answer, so far. */
  lines: string[];
  exited: Promise<{ code: number | null; signal: string | null }>;
}

/** Bundles the program once. Call `dispose` at the end. */
export async function buildStoreProgram(): Promise<{ file: string; dispose: () => void }> {
  const cache = path.resolve("node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(path.join(cache, "airy-hold-"));
  const file = path.join(folder, "program.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("./program.ts", import.meta.url))],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
  });
  return { file, dispose: () => rmSync(folder, { recursive: true }) };
}

export function startStore(program: string, dataDir: string, args: string[] = [], env: Record<string, string> = {}): StoreProcess {
  const child = spawn(process.execPath, [program, dataDir, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  child.stdin!.on("error", () => {});
  const asked = new Map<number, (answer: Answer) => void>();
  const lines: string[] = [];
  let next = 0;
  const reader = createInterface({ input: child.stdout! });
  reader.on("line", (line) => {
    if (!line.startsWith("{")) return void lines.push(line);
    const { n, ...answer } = JSON.parse(line) as Answer & { n: number };
    asked.get(n)?.(answer);
    asked.delete(n);
  });
  const exited = Promise.all([
    new Promise<{ code: number | null; signal: string | null }>((done) => child.once("exit", (code, signal) => done({ code, signal }))),
    new Promise((done) => reader.once("close", done)),
  ]).then(([end]) => end);
  const ask = (command: Record<string, unknown>) =>
    new Promise<Answer>((resolve, reject) => {
      const n = next++;
      asked.set(n, resolve);
      void exited.then(() => reject(new Error("The store's process has ended.")));
      child.stdin!.write(`${JSON.stringify({ n, ...command })}\n`);
    });
  return { child, ask, lines, exited };
}
