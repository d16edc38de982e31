/** The running interface: events in, frames out, at most four frames a second and none when nothing changed. Loads Ink. */
import { render, renderToString } from "ink";
import type { AiryEvent } from "../events.ts";
import type { DashboardOptions, DashboardResult } from "./app.tsx";
import { fit, type Frame, frameOf } from "./frame.ts";
import { type Line, span } from "./line.ts";
import { serviceTone } from "./parts/mark.ts";
import { inkStdout, Painter } from "./painter.ts";
import { Lines, Screen } from "./screen.tsx";
import { dashboardRecord, dashboardScreen } from "./screens/dashboard.ts";
import { startRecord, startScreen } from "./screens/start.ts";
import { initialView, reduce, type View } from "./state.ts";
import { isUtf8, largeEnough, minimum } from "./terminal.ts";

const frameMs = 250;

export async function show(options: DashboardOptions): Promise<DashboardResult> {
  const utf8 = isUtf8(options.env);
  const painter = new Painter(options.stdout);
  let view = initialView(options.mode);
  let tick = 0;
  let paintedAt = 0;
  let timer: NodeJS.Timeout | null = null;
  let settle: (outcome: DashboardResult) => void = () => {};
  const outcome = new Promise<DashboardResult>((resolve) => (settle = resolve));

  const frame = () => frameOf(painter.size, { now: Date.now(), tick }, utf8);
  const quit = () => view.phase === "dashboard" && settle("quit");
  const interrupt = () => settle(view.phase === "start" ? "interrupted" : "quit");
  const gone = () => painter.leave();
  const screen = () => <Screen lines={linesOf(view, frame(), painter.size, options)} onQuit={quit} onInterrupt={interrupt} onGone={gone} />;

  /** Paints now or, when the last frame is too young, when it is old enough; then again as long as something on the screen ticks. */
  const schedule = (soonest: number) => {
    if (timer !== null) return;
    timer = setTimeout(draw, Math.max(soonest, paintedAt + frameMs - Date.now()));
  };
  const draw = () => {
    timer = null;
    paintedAt = Date.now();
    tick += 1;
    instance.rerender(screen());
    const pause = tickMs(view);
    if (pause !== null) schedule(pause);
  };
  const refresh = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    schedule(0);
  };
  const resized = () => {
    painter.invalidate();
    refresh();
  };
  const onEvent = (event: AiryEvent) => {
    const next = reduce(view, event);
    if (next === view) return;
    view = next;
    if (view.phase === "failed" || view.phase === "stopped") settle(view.phase);
    else refresh();
  };
  const aborted = () => settle("interrupted");

  // Ink does this too, but only after its first frame: a Ctrl-C typed at once would be a signal rather than a key.
  options.stdin.setRawMode(true);
  painter.enter();
  const instance = render(screen(), {
    stdin: options.stdin,
    stdout: inkStdout(painter),
    debug: true,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  options.stdout.on("resize", resized);
  options.signal?.addEventListener("abort", aborted);
  if (options.signal?.aborted) aborted();
  const source = options.events[Symbol.asyncIterator]();
  let result: DashboardResult | null = null;
  try {
    result = await Promise.race([outcome, consume(source, onEvent)]);
    return result;
  } finally {
    if (timer !== null) clearTimeout(timer);
    options.stdout.off("resize", resized);
    options.signal?.removeEventListener("abort", aborted);
    // Not awaited: a source that waits for its next event may answer only then.
    source.return?.().catch(() => {});
    instance.unmount();
    options.stdin.setRawMode(false);
    painter.leave();
    options.stdout.write(recordOf(view, frame(), options, result));
  }
}

async function consume(source: AsyncIterator<AiryEvent>, onEvent: (event: AiryEvent) => void): Promise<DashboardResult> {
  for (;;) {
    const next = await source.next();
    if (next.done) return "ended";
    onEvent(next.value);
  }
}

function linesOf(view: View, frame: Frame, size: { columns: number; rows: number }, options: DashboardOptions): Line[] {
  if (!largeEnough(size)) return fit([[span(`airy needs ${minimum.columns}x${minimum.rows}`)]], frame);
  const lines = view.phase === "dashboard" ? dashboardScreen(view, frame, options.publicPaths) : startScreen(view, frame);
  return fit(lines, frame);
}

/** Milliseconds until the screen looks different without any event: elapsed times and busy marks move; null: it does not. */
function tickMs(view: View): number | null {
  if (view.phase === "start") return view.startedAt === null ? null : frameMs;
  const counting = view.tunnel?.state === "waiting" || view.tunnel?.state === "connecting";
  const busy = view.services.some((s) => serviceTone(s) === "busy") || view.webhooks.some((w) => w.state === "pending");
  return counting || busy ? 1000 : null;
}

/** What is left in the scrollback: how the start went, and where everything is when it keeps running. */
function recordOf(view: View, frame: Frame, options: DashboardOptions, result: DashboardResult | null): string {
  const lines = options.mode === "start" ? startRecord(view, frame) : [];
  if (result === "quit") lines.push(...dashboardRecord(view, options.publicPaths));
  if (lines.length === 0) return "";
  const text = fit(lines, { ...frame, height: Infinity, width: Infinity });
  // Wider than any line, so that a long URL is wrapped by the terminal, which lets it be copied whole.
  return `${renderToString(<Lines lines={text} />, { columns: 2000 })}\n`;
}
