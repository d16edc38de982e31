/** argv -> command, environment -> Io, error -> exit code. The only file that touches `process`. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "./context.ts";
import { load } from "./commands/load.ts";
import { parse } from "./commands/parse.ts";
import { commands, streams } from "./commands/table.ts";
import { build } from "./io/build.ts";
import type { Io } from "./io/io.ts";
import { LogWriter } from "./io/log-writer.ts";
import { AiryError, asAiryError, exitCode, fail } from "./errors.ts";
import { asCalled, calledAs } from "./report/called.ts";
import { Output } from "./report/output.ts";
import { errorText } from "./report/text.ts";

/** esbuild puts the shared code into dist/chunks; the bundle's entry is what `node` was started with. */
const script = process.argv[1] ?? path.resolve(fileURLToPath(import.meta.url));

/** null when it was deleted under the shell that stands in it. */
function currentFolder(): string | null {
  try {
    return process.cwd();
  } catch {
    return null;
  }
}

const io: Io = {
  env: process.env,
  get cwd() {
    return currentFolder() ?? fail("FOLDER_GONE", {});
  },
  pid: process.pid,
  uid: process.getuid?.() ?? null,
  os: process.platform,
  arch: process.arch,
  node: process.execPath,
  script,
  tty: {
    stdin: process.stdin.isTTY ?? false,
    stdout: process.stdout.isTTY ?? false,
    stderr: process.stderr.isTTY ?? false,
    columns: process.stdout.columns ?? 80,
    rows: process.stdout.rows ?? 24,
  },
  now: () => new Date(),
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  stdin: process.stdin,
  terminal: process.stdout,
  kill: (pid, signal) => {
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  },
};

/** An edge serves on when nobody can read what it says. */
const edgeLog = new LogWriter(2);

/** Why stdout does not take what is printed, once that has happened. */
let unprinted: AiryError | null = null;

/** Milliseconds that a reader of our output has, once a signal has asked us to end. */
const READER_MS = 1_000;

/** Ends the process when its output has been written, which may wait for its reader; not for ever once a signal has come. */
function leave(code: number, signal: AbortSignal): void {
  process.exitCode = code;
  const exit = (): never => process.exit(unprinted ? exitCode(unprinted) : code);
  const hurry = (): void => void setTimeout(exit, READER_MS);
  if (signal.aborted) hurry();
  else signal.addEventListener("abort", hurry);
  const end = (): void => {
    if (unprinted) io.stderr(`${errorText(unprinted)}\n`);
    void edgeLog.flush(1_000).then(() => process.stderr.write("", exit));
  };
  process.stdout.write("", () => setImmediate(end));
}

/**
 * A reader that went away (`airy logs | head`) is not an error of ours; a disk that is full is one that the user has to hear of. What runs
 * in the background has its log as stdout and stderr, and does not end because that is full; nor does anything when nobody can read stderr.
 */
function watchStreams(command: string, lost: (error: AiryError) => void): void {
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (command === "internal" || command === "edge") return;
    if (error.code === "EPIPE") process.exit(0);
    unprinted ??= new AiryError("OUTPUT_LOST", { reason: `${error.message}.` });
    lost(unprinted);
  });
}

/**
 * The first signal asks the command to clean up and end; a second one ends it at once. A bug that nobody caught ends the agent process
 * in the same orderly way, because a database runs under it; any other command says what it was and ends.
 */
function watchProcess(command: string, out: Output, controller: AbortController, hangups: readonly (() => void)[]): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (signal === "SIGHUP" && hangups.length > 0) {
        for (const listener of hangups) listener();
        return;
      }
      if (controller.signal.aborted) process.exit({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal]);
      controller.abort(new AiryError("INTERRUPTED", { signal }));
    });
  }
  process.on("uncaughtException", (error) => {
    const bug = asAiryError(error);
    if (command !== "internal" || controller.signal.aborted) {
      out.failure(bug);
      return leave(out.exit, controller.signal);
    }
    io.stderr(`${String(bug.details.reason)}\n`);
    controller.abort(bug);
  });
}

/** Whoever names the workspace in full does not need the current folder; other programs that are started then do. */
function standSomewhere(options: object): void {
  if (currentFolder() !== null) return;
  if ("workspace" in options && typeof options.workspace === "string" && path.isAbsolute(options.workspace)) process.chdir("/");
}

async function main(argv: readonly string[], controller: AbortController): Promise<number> {
  let command = argv.find((arg) => !arg.startsWith("-")) ?? "";
  // Asked for before the command line is known to be right, so that a wrong one is answered in JSON as well.
  const wantsJson = argv.includes("--json") || /^(1|true|yes|on)$/i.test(io.env.AIRY_JSON ?? "");
  let out = new Output(io, { command, json: wantsJson, stream: streams.has(command) });
  if (command === "edge") io.stderr = (text) => edgeLog.write(text);
  watchStreams(command, (error) => controller.abort(error));
  try {
    const parsed = parse(argv, io.env, build.version);
    if ("print" in parsed) {
      io.stdout(parsed.print);
      return 0;
    }
    command = parsed.name;
    out = new Output(io, { command, json: parsed.options.json === true, stream: streams.has(command) });
    const hangups: (() => void)[] = [];
    watchProcess(command, out, controller, hangups);
    if (parsed.synonym) out.note(asCalled(`(${parsed.synonym.typed} is airy ${parsed.synonym.meant})`));
    standSomewhere(parsed.options);
    const ctx: Context = { io, out, build, signal: controller.signal, onHangup: (listener) => hangups.push(listener) };
    const run = (await load[parsed.name]()) as (options: unknown, ctx: Context) => Promise<void>;
    await run(parsed.options, ctx);
    const { reason } = ctx.signal;
    if (reason instanceof AiryError && reason.code === "INTERNAL") return exitCode(reason);
  } catch (error) {
    if (error !== unprinted) out.failure(asAiryError(error)); // leave() says that one
  }
  return out.exit;
}

calledAs(io.env.AIRY_CALLED, Object.keys(commands));
const controller = new AbortController();
leave(await main(process.argv.slice(2), controller), controller.signal);
