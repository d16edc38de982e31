/** `airy up`: starts the workspace, or joins what runs; on a terminal in the interactive interface, else in lines or NDJSON. */
import { mkdir } from "node:fs/promises";
import { followEvents } from "../agent/client.ts";
import { readConfig, writeDefaultConfig } from "../config/config.ts";
import { acquireLock } from "../config/lock.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { prepareStateDir, readState, type State } from "../config/state.ts";
import { claimStateDir, openWorkspace } from "../config/workspace.ts";
import { appendBounded } from "../io/files.ts";
import { joinSignals } from "../io/signals.ts";
import { loadEngine } from "../platform/engines.ts";
import type { AiryEvent, AiryEventBody, Emit } from "../events.ts";
import { launch, withLog, type Launched } from "../launch/launch.ts";
import { AiryError, asAiryError, errorBody, fail } from "../errors.ts";
import { createLines, statusText } from "../report/lines.ts";
import { canRender } from "../tui/terminal.ts";
import type { Context } from "../context.ts";
import { createFeed } from "./feed.ts";
import type { Options } from "./table.ts";

const TIMEOUT_S = 120;
const EVENTS_BYTES = 4_000_000;

/** Exit codes as in the error catalogue; 0 when everything runs, also when it ran before. */
export async function runUp(options: Options<"up">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace, { adopt: options.adopt, copies: true });
  const interactive = !options.json && !options.yes && canRender({ isTTY: io.tty.stdin }, { isTTY: io.tty.stdout, ...io.tty }, io.env);
  if (interactive) return runInteractive(options, ctx, paths);

  const lines = createLines();
  const show = (event: AiryEvent): void => {
    out.item(event);
    if (event.type === "warning")
      return out.warn({ code: event.code, message: event.message, ...(event.action ? { action: event.action } : {}) });
    const line = lines.line(event);
    if (line !== null) out.line(line);
  };
  const before = await readState(paths).catch(() => null);
  const { status, already } = await locked(options, ctx, paths, ctx.signal, show);
  const firstHold = await holdNotice(paths, before);
  if (already) out.line("Everything runs already.");
  out.item(out.stamp({ type: "ready", status }));
  const told = firstHold ? `\n${firstHold}` : "";
  out.result(status, { text: `${statusText(status)}${told}\n${hints(status.sandbox)}` });
}

/** Configuration first, so that a mistake there changes nothing; then the start, under the lock of the workspace. */
async function locked(
  options: Options<"up">,
  ctx: Context,
  paths: WorkspacePaths,
  interrupt: AbortSignal,
  show: (event: AiryEvent) => void,
): Promise<Launched> {
  const { io, out } = ctx;
  const config = await readConfig(paths.config, io.env);
  await mkdir(paths.root, { recursive: true }).catch((error: Error) =>
    fail("WORKSPACE_NOT_WRITABLE", { dir: paths.root, reason: error.message }),
  );
  const { copyOf } = await claimStateDir(paths, io);
  await prepareStateDir(paths);
  const lock = await acquireLock(paths.lock, "up", io);
  const seconds = options.timeout ?? TIMEOUT_S;
  let waitingFor = "the checks";
  const given = joinSignals([interrupt], seconds * 1000, () => new AiryError("READY_TIMEOUT", { seconds, waitingFor }));
  const note = (event: AiryEvent): void => {
    if (event.type === "step" && event.state === "running") waitingFor = event.id;
    show(event);
  };
  let written: Promise<void> = Promise.resolve();
  const emit: Emit = (body) => {
    const event = out.stamp(body);
    written = written.then(() => appendBounded(paths.events, `${out.masked(JSON.stringify(event))}\n`, EVENTS_BYTES)).catch(() => {});
    note(event);
  };
  let engine: Launched["status"]["engine"] = null;
  try {
    if (await writeDefaultConfig(paths.config)) out.note(`Wrote ${paths.config}`);
    if (copyOf !== null) emit(await copyNotice(paths, copyOf));
    return await launch({
      asked: options,
      config,
      paths,
      io,
      build: ctx.build,
      emit,
      relay: note,
      signal: given.signal,
      hide: (secret) => out.hide(secret),
      chosen: (name) => (engine = name),
    });
  } catch (error) {
    const failure = asAiryError(error);
    throw engine === null ? failure : await withLog(failure, await loadEngine(engine, io), paths.root);
  } finally {
    given.release();
    await written;
    await lock.release();
  }
}

async function runInteractive(options: Options<"up">, ctx: Context, paths: WorkspacePaths): Promise<void> {
  const { io, out } = ctx;
  const { runDashboard } = await import("../tui/app.tsx");
  const feed = createFeed<AiryEvent>();
  const cancel = new AbortController();
  const watching = new AbortController();
  const interrupt = joinSignals([ctx.signal, cancel.signal]).signal;
  const before = await readState(paths).catch(() => null);
  let started: Launched | null = null;
  const starting = locked(options, ctx, paths, interrupt, feed.push).then(
    async (launched) => {
      started = launched;
      feed.push(out.stamp({ type: "ready", status: launched.status }));
      // Requests that came before are of interest, what else happened before is in the status.
      for await (const { seq, ...event } of followEvents(launched.agent, launched.already ? 0 : launched.seq, watching.signal)) {
        if (seq > launched.seq || event.type === "request") feed.push(event as AiryEvent);
      }
      feed.end();
      return null;
    },
    (error: unknown) => {
      const failure = asAiryError(error);
      feed.push(out.stamp({ type: "failed", error: errorBody(failure) }));
      feed.end();
      return failure;
    },
  );
  const result = await runDashboard({
    events: feed.events,
    mode: "start",
    publicPaths: ["/facebook"],
    stdin: io.stdin,
    stdout: io.terminal,
    env: io.env,
    signal: ctx.signal,
  });
  if (started === null && result === "interrupted") cancel.abort(new AiryError("INTERRUPTED", { signal: "SIGINT" }));
  watching.abort();
  const failure = await starting;
  if (failure) throw failure;
  if (result === "stopped") return out.line("Stopped from another terminal. airy up starts it again.");
  if (result === "ended") fail("AGENT_EXITED", { service: "agent", reason: "Its connection ended." });
  const firstHold = await holdNotice(paths, before);
  if (firstHold) out.line(firstHold);
  out.line("Everything keeps running in the background.  status: airy status   stop: airy down");
}

/** What a copy keeps and what it leaves to the original, said once. */
async function copyNotice(paths: WorkspacePaths, original: { root: string; running: boolean }): Promise<AiryEventBody> {
  const { engine } = await readState(paths);
  const torn = original.running ? " (while its database ran, so that the last ones may be damaged)" : "";
  const messages = engine === "docker" ? "the messages stay with it" : `the messages were copied${torn}`;
  return {
    type: "warning",
    code: "WORKSPACE_COPIED",
    message:
      `This folder was copied from ${original.root}. From now on it is a workspace of its own: ${messages}, ` +
      "and its public URL, ports, webhook and background process are new, because the original goes on using its own.",
  };
}

/** Said once, when an edge begins to hold messages for this workspace. */
async function holdNotice(paths: WorkspacePaths, before: State | null): Promise<string | null> {
  const { heldAt } = await readState(paths);
  if (!heldAt || before?.heldAt?.host === heldAt.host) return null;
  return (
    `While this machine cannot take them, signed messages wait on the disk of ${heldAt.host} for up to 36 hours and are delivered when it is back.\n` +
    "airy up --no-hold, or hold: false in airy.yaml, does without."
  );
}

function hints(sandbox: boolean): string {
  return `${sandbox ? 'try it: airy trigger message --text "Hi"   ' : ""}stop: airy down`;
}
