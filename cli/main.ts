/** argv -> command, environment -> Io, error -> exit code. The only file that touches `process`. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "./context.ts";
import { load } from "./commands/load.ts";
import { parse } from "./commands/parse.ts";
import { streams } from "./commands/table.ts";
import { build } from "./io/build.ts";
import type { Io } from "./io/io.ts";
import { AiryError, asAiryError, exitCode } from "./errors.ts";
import { Output } from "./report/output.ts";

/** esbuild puts the shared code into dist/chunks; the bundle's entry is what `node` was started with. */
const script = process.argv[1] ?? path.resolve(fileURLToPath(import.meta.url));

const io: Io = {
  env: process.env,
  cwd: process.cwd(),
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
  exit: (code) => process.exit(code),
};

/** Ends the process when its output has been written: pipes are written asynchronously. */
function leave(code: number): void {
  process.exitCode = code;
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}

/** A reader that went away (`airy logs | head`) is not an error of ours. */
function quietPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      throw error;
    });
  }
}

/**
 * The first signal asks the command to clean up and end; a second one ends it at once. A bug that nobody caught ends the agent process
 * in the same orderly way, because a database runs under it; any other command says what it was and ends.
 */
function watchProcess(command: string, out: Output): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit({ SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal]);
      controller.abort(new AiryError("INTERRUPTED", { signal }));
    });
  }
  process.on("uncaughtException", (error) => {
    const bug = asAiryError(error);
    if (command !== "internal" || controller.signal.aborted) {
      out.failure(bug);
      return leave(out.exit);
    }
    io.stderr(`${String(bug.details.reason)}\n`);
    controller.abort(bug);
  });
  return controller.signal;
}

async function main(argv: readonly string[]): Promise<number> {
  let command = argv.find((arg) => !arg.startsWith("-")) ?? "";
  // Asked for before the command line is known to be right, so that a wrong one is answered in JSON as well.
  const wantsJson = argv.includes("--json") || /^(1|true|yes|on)$/i.test(io.env.AIRY_JSON ?? "");
  let out = new Output(io, { command, json: wantsJson, stream: streams.has(command) });
  try {
    const parsed = parse(argv, io.env, build.version);
    if ("print" in parsed) {
      io.stdout(parsed.print);
      return 0;
    }
    command = parsed.name;
    out = new Output(io, { command, json: parsed.options.json === true, stream: streams.has(command) });
    const ctx: Context = { io, out, build, signal: watchProcess(command, out) };
    const run = (await load[parsed.name]()) as (options: unknown, ctx: Context) => Promise<void>;
    await run(parsed.options, ctx);
    const { reason } = ctx.signal;
    if (reason instanceof AiryError && reason.code === "INTERNAL") return exitCode(reason);
  } catch (error) {
    out.failure(asAiryError(error));
  }
  return out.exit;
}

quietPipes();
leave(await main(process.argv.slice(2)));
