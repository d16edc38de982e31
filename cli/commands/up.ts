/** `airy up`: starts the workspace, or joins what runs; on a terminal in the interactive interface, else in lines or NDJSON. */
import { readConfig } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { openWorkspace } from "../config/workspace.ts";
import { readState, type State } from "../config/state.ts";
import { joinSignals } from "../io/signals.ts";
import type { AiryEvent, Emit, StatusData } from "../events.ts";
import { planLaunch, type Launched } from "../launch/launch.ts";
import { runSession } from "../launch/session.ts";
import { AiryError, asAiryError, errorBody } from "../errors.ts";
import { coreServices, estimatedMemory } from "../platform/compose/core/profiles.ts";
import { asCalled } from "../report/called.ts";
import type { OwnPage } from "../sources/facebook/accounts.ts";
import { createLines, statusText } from "../report/lines.ts";
import { canRender, isAccessible } from "../tui/terminal.ts";
import type { Context } from "../context.ts";
import { afterDashboard, deckOf, feedFrom } from "./dashboard.ts";
import { createFeed } from "./feed.ts";
import type { Options } from "./table.ts";
import { askPages, connectPicked } from "./pages.ts";
import { askAfter, askerOf, askFacebookApp } from "./up-questions.ts";

/** A day: whoever sees the progress decides when it has taken too long. */
const PATIENT_S = 86_400;

/** For whoever hears the output, and would not notice that nothing is said. */
const HEARTBEAT_MS = 30_000;
const BELL = "\u0007";

/** Exit codes as in the error catalogue; 0 when everything runs, also when it ran before. */
export async function runUp(options: Options<"up">, ctx: Context): Promise<void> {
  const { io } = ctx;
  const paths = await openWorkspace(io, options.workspace, { adopt: options.adopt && !options.dryRun, copies: !options.dryRun });
  if (options.dryRun) return runDry(options, ctx, paths);
  const asker = await askerOf(options, ctx);
  if (asker) await askFacebookApp(asker, options, ctx, paths);
  const pages = asker ? await askPages(asker, options.sandbox, ctx, paths) : [];
  const interactive = isInteractive(options, ctx);
  let asked = options;
  for (;;) {
    try {
      return await (interactive ? runInteractive(asked, ctx, paths, pages) : runInLines(asked, ctx, paths, pages));
    } catch (error) {
      const again = asker && (await askAfter(asAiryError(error), asker, asked, ctx, paths));
      if (!again) throw error;
      asked = again;
    }
  }
}

/** `--yes` is for scripts, which a dashboard would keep from going on. */
function isInteractive({ json, yes, ui }: Options<"up">, { io }: Context): boolean {
  if (json || ui === "lines" || (yes && ui !== "tui")) return false;
  return canRender({ isTTY: io.tty.stdin }, { isTTY: io.tty.stdout, ...io.tty }, { ...io.env, AIRY_UI: ui });
}

async function runInLines(options: Options<"up">, ctx: Context, paths: WorkspacePaths, pages: readonly OwnPage[]): Promise<void> {
  const { io, out } = ctx;
  const lines = createLines();
  const accessible = !options.json && isAccessible(io.env);
  let waitsFor = "the checks";
  const show = (event: AiryEvent): void => {
    out.item(event);
    if (event.type === "step" && event.state === "running") waitsFor = lines.title(event.id);
    if (event.type === "warning")
      return out.warn({ code: event.code, message: event.message, ...(event.action ? { action: event.action } : {}) });
    const line = lines.line(event);
    if (line !== null) out.line(line);
  };
  const before = await readState(paths).catch(() => null);
  const heartbeat = accessible ? setInterval(() => out.line(`Still at work: ${waitsFor}.`), HEARTBEAT_MS) : undefined;
  const session = runSession({ asked: options, ctx, paths, interrupt: ctx.signal, show });
  const { status, already } = await session.finally(() => clearInterval(heartbeat));
  await connectPicked(pages, ctx, paths, (warning) => out.warn(warning));
  const firstHold = await holdNotice(paths, before);
  if (already) out.line("Everything runs already.");
  out.item(out.stamp({ type: "ready", status }));
  const told = firstHold ? `${firstHold}\n` : "";
  out.result(status, { text: statusText(status), hint: `${told}${hints(status.sandbox)}${coreHint(status)}` });
  if (accessible && io.tty.stdout) io.terminal.write(BELL);
}

/** What a start would do, and nothing of it done. */
async function runDry(options: Options<"up">, ctx: Context, paths: WorkspacePaths): Promise<void> {
  const { io, out } = ctx;
  const config = await readConfig(paths.config, io.env);
  const lines = createLines();
  const checks: { id: string; status: string; message: string }[] = [];
  const emit: Emit = (event) => {
    if (event.type === "check") checks.push({ id: event.id, status: event.status, message: event.message });
    const line = lines.line(out.stamp(event));
    if (line !== null) out.line(line);
  };
  const { decision, steps } = await planLaunch({ asked: options, config, paths, io, build: ctx.build, emit });
  const { platform, sandbox, ports, edge } = decision;
  const { control: _, ...published } = ports;
  const used = sandbox ? published : { platform: ports.platform };
  const told = steps.map(({ title }, i) => `  ${i + 1}. ${title}`);
  const what = steps.length === 0 ? ["Nothing: what runs stays as it is."] : ["airy up would:", ...told];
  out.result(
    { workspace: paths.root, engine: platform.engine, sandbox, edge, ports: used, checks, steps },
    { text: [...what, `Engine ${platform.engine}, inbox at http://127.0.0.1:${ports.platform}. Nothing was changed.`].join("\n") },
  );
}

async function runInteractive(options: Options<"up">, ctx: Context, paths: WorkspacePaths, pages: readonly OwnPage[]): Promise<void> {
  const { io, out } = ctx;
  const { runDashboard } = await import("../tui/app.tsx");
  const feed = createFeed<AiryEvent>();
  const cancel = new AbortController();
  const watching = new AbortController();
  const interrupt = joinSignals([ctx.signal, cancel.signal]).signal;
  const before = await readState(paths).catch(() => null);
  let started: Launched | null = null;
  // Somebody who watches is asked instead of being left.
  const asked = { ...options, timeout: options.timeout ?? PATIENT_S };
  const starting = runSession({ asked, ctx, paths, interrupt, show: feed.push }).then(
    async (launched) => {
      started = launched;
      await connectPicked(pages, ctx, paths, (warning) => feed.push(out.stamp({ type: "warning", ...warning })));
      await feedFrom(launched.agent, feed, ctx, watching.signal);
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
    untilReady: options.detachWhenReady,
    deck: deckOf(paths, ctx),
    stdin: io.stdin,
    stdout: io.terminal,
    env: io.env,
    signal: ctx.signal,
  });
  if (started === null && result === "interrupted") cancel.abort(new AiryError("INTERRUPTED", { signal: "SIGINT" }));
  watching.abort();
  const failure = await starting;
  if (failure) throw failure;
  const firstHold = await holdNotice(paths, before);
  if (firstHold) out.line(asCalled(firstHold));
  await afterDashboard(result, paths, ctx);
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

/** What the other edition would need, in a line. */
function coreHint({ edition, engine }: StatusData): string {
  if (edition === "core") return "";
  const { size } = coreServices(["facebook"]);
  const gigabytes = (estimatedMemory(["facebook"]) / 1024).toFixed(1);
  const where = engine === "docker" ? "" : " in another folder, with docker";
  return `\nAiry Core itself: airy up --edition core${where} (${size} containers of Airy's images, about ${gigabytes} GB of memory)`;
}

function hints(sandbox: boolean): string {
  return `${sandbox ? 'try it: airy trigger message --text "Hi"   ' : ""}stop: airy down`;
}
