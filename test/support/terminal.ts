/** A program in a real pseudo terminal, and what a terminal would show of it (node-pty and a headless xterm). */
import { build } from "esbuild";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

type Pty = typeof import("node-pty");

/** node-pty is compiled when it is installed; null where that did not work. Tests that need it skip, and say so. */
export async function loadPty(): Promise<Pty | null> {
  try {
    return await import("node-pty");
  } catch (error) {
    console.error(
      `SKIPPED: node-pty cannot be loaded (${error instanceof Error ? error.message : "?"}); the tests in a real terminal are left out`,
    );
    return null;
  }
}

export interface Bundle extends AsyncDisposable {
  file: string;
}

/** Bundles a program of this repository to one file that Node can run. */
export async function bundleProgram(entry: string): Promise<Bundle> {
  const dir = await mkdtemp(path.join(tmpdir(), "airy-program-"));
  const file = path.join(dir, "program.mjs");
  await build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    jsx: "automatic",
    banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [
      {
        name: "no-devtools",
        setup(b) {
          b.onResolve({ filter: /^react-devtools-core$/ }, () => ({ path: "react-devtools-core", namespace: "empty" }));
          b.onLoad({ filter: /.*/, namespace: "empty" }, () => ({ contents: "export default {}" }));
        },
      },
    ],
    logLevel: "error",
  });
  return { file, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}

export interface TerminalProgram {
  /** Everything the program wrote, escape sequences included. */
  raw(): string;
  /** The lines that are visible now, without trailing blanks. */
  screen(): string[];
  /** All lines of the normal screen, scrollback included. */
  scrollback(): string[];
  cursorVisible(): boolean;
  alternateScreen(): boolean;
  write(keys: string): void;
  resize(columns: number, rows: number): void;
  /** The terminal reads no more. */
  stopReading(): void;
  kill(signal: string): void;
  /** Resolves when the screen satisfies the condition; rejects with what it shows instead. */
  until(condition: (screen: string) => boolean, timeoutMs?: number): Promise<void>;
  exit: Promise<{ exitCode: number; signal?: number | undefined }>;
}

/** Starts a program in a terminal of the given size. The environment is only what is passed plus PATH and HOME. */
export async function startInTerminal(
  pty: Pty,
  file: string,
  args: string[],
  options: { columns: number; rows: number; env?: Record<string, string>; cwd?: string; node?: string[] },
): Promise<TerminalProgram> {
  const { Terminal } = (await import("@xterm/headless")).default;
  const terminal = new Terminal({ cols: options.columns, rows: options.rows, scrollback: 1000, allowProposedApi: true });
  let raw = "";
  let hidden = false;
  let changed: () => void = () => {};
  const child = pty.spawn(process.execPath, [...(options.node ?? []), file, ...args], {
    cols: options.columns,
    rows: options.rows,
    ...(options.cwd && { cwd: options.cwd }),
    // node-pty sets TERM to this.
    name: options.env?.["TERM"] ?? "xterm-256color",
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), LANG: "C.UTF-8", TZ: "UTC", ...options.env },
  });
  child.onData((data) => {
    raw += data;
    const [shown, hid] = [raw.lastIndexOf("\u001B[?25h"), raw.lastIndexOf("\u001B[?25l")];
    hidden = hid > shown;
    terminal.write(data, () => changed());
  });
  let over = false;
  child.onExit(() => (over = true));
  const exit = new Promise<{ exitCode: number; signal?: number | undefined }>((resolve) => {
    // The last output may still be on its way into the terminal.
    child.onExit((status) => terminal.write("", () => resolve(status)));
  });
  const linesOf = (
    buffer: { length: number; getLine(y: number): { translateToString(trim: boolean): string } | undefined },
    from: number,
  ) => Array.from({ length: buffer.length - from }, (_, i) => buffer.getLine(from + i)?.translateToString(true) ?? "");
  const screen = () => linesOf(terminal.buffer.active, terminal.buffer.active.baseY);
  return {
    raw: () => raw,
    screen,
    scrollback: () => linesOf(terminal.buffer.normal, 0),
    cursorVisible: () => !hidden,
    alternateScreen: () => terminal.buffer.active.type === "alternate",
    write: (keys) => child.write(keys),
    resize: (columns, rows) => {
      terminal.resize(columns, rows);
      child.resize(columns, rows);
    },
    stopReading: () => child.pause(),
    kill: (signal) => {
      if (!over) child.kill(signal);
    },
    until: (condition, timeoutMs = 10_000) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          changed = () => {};
          reject(new Error(`the screen never satisfied the condition; it shows:\n${screen().join("\n")}`));
        }, timeoutMs);
        changed = () => {
          if (!condition(screen().join("\n"))) return;
          clearTimeout(timer);
          changed = () => {};
          resolve();
        };
        changed();
      }),
    exit,
  };
}
