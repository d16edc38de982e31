/** The running interface: events and log lines into the store, Ink's frames onto the screen, until there is a result. Loads Ink. */
import { render, renderToString } from "ink";
import type { ReactNode } from "react";
import type { AiryEvent } from "../events.ts";
import type { DashboardOptions, DashboardResult } from "./app.tsx";
import { copySequence } from "./clipboard.ts";
import { App } from "./components/app.tsx";
import { StartRecord, UrlRecord } from "./components/record.tsx";
import { FrameContext, frameOf } from "./frame.ts";
import { inkStdout, type Painter } from "./painter.ts";
import { Store } from "./store.ts";
import { isUtf8 } from "./terminal.ts";
import { toAscii } from "./text.ts";

/** Logs that broke off, or are not there yet, are asked for again after this long. */
const logsAgainMs = 1000;

/** @param painter on its screen already; left when this has ended. */
export async function show(options: DashboardOptions, painter: Painter): Promise<DashboardResult> {
  const utf8 = isUtf8(options.env);
  const store = new Store(options.mode, () => painter.size);
  const over = new AbortController();
  let settle: (outcome: DashboardResult) => void = () => {};
  const outcome = new Promise<DashboardResult>((resolve) => (settle = resolve));

  const onEvent = (event: AiryEvent) => {
    store.push(event);
    const { phase } = store.view;
    if (phase === "failed" || phase === "stopped") settle(phase);
    if (phase === "dashboard" && options.untilReady) settle("quit");
  };
  const resized = () => {
    painter.invalidate();
    store.resized();
  };
  const aborted = () => settle("interrupted");
  const copy = (text: string) => {
    const { sequence, ...said } = copySequence(text, options.env);
    painter.send(sequence);
    return said;
  };

  // Ink does this too, but only after its first frame: a Ctrl-C typed at once would be a signal rather than a key.
  options.stdin.setRawMode(true);
  const instance = render(
    <App
      store={store}
      deck={options.deck ?? {}}
      utf8={utf8}
      onQuit={() => settle("quit")}
      onStop={() => settle("stop")}
      onInterrupt={() => settle("interrupted")}
      onCopy={copy}
      onGone={() => painter.leave()}
    />,
    { stdin: options.stdin, stdout: inkStdout(painter), debug: true, exitOnCtrlC: false, patchConsole: false },
  );
  // Not the stream's `resize`, which is left out when the size at the end is that of the beginning: terminals cut what was in between.
  process.on("SIGWINCH", resized);
  options.signal?.addEventListener("abort", aborted);
  if (options.signal?.aborted) aborted();
  const source = options.events[Symbol.asyncIterator]();
  if (options.deck?.logs) void followLogs(options.deck.logs, store, over.signal);
  let result: DashboardResult | null = null;
  try {
    result = await Promise.race([outcome, consume(source, onEvent)]);
    return result;
  } finally {
    over.abort();
    process.off("SIGWINCH", resized);
    options.signal?.removeEventListener("abort", aborted);
    // Not awaited: a source that waits for its next event may answer only then.
    source.return?.().catch(() => {});
    instance.unmount();
    store.close();
    options.stdin.setRawMode(false);
    painter.leave();
    options.stdout.write(recordOf(store, options, utf8, result));
  }
}

async function consume(source: AsyncIterator<AiryEvent>, onEvent: (event: AiryEvent) => void): Promise<DashboardResult> {
  for (;;) {
    const next = await source.next();
    if (next.done) return "ended";
    onEvent(next.value);
  }
}

/** A log that cannot be read, now or any more, is a line in the viewer, and is tried again. */
async function followLogs(
  open: NonNullable<NonNullable<DashboardOptions["deck"]>["logs"]>,
  store: Store,
  signal: AbortSignal,
): Promise<void> {
  let said = "";
  while (!signal.aborted) {
    try {
      for await (const line of open(signal)) {
        said = "";
        store.pushLog(line);
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (text !== said && !signal.aborted)
        store.pushLog({ service: "airy", at: new Date().toISOString(), line: `logs cannot be read: ${text}` });
      said = text;
    }
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, logsAgainMs);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    });
  }
}

/** What is left in the scrollback: how the start went, and where everything is when it keeps running. */
function recordOf(store: Store, options: DashboardOptions, utf8: boolean, result: DashboardResult | null): string {
  const { view } = store;
  const size = { columns: options.stdout.columns ?? 80, rows: options.stdout.rows ?? 24 };
  const draw = (node: ReactNode, columns: number) => {
    const frame = frameOf({ columns, rows: size.rows }, { now: Date.now(), tick: 0 }, utf8);
    const text = renderToString(<FrameContext value={frame}>{node}</FrameContext>, { columns });
    return text === "" ? "" : `${utf8 ? text : toAscii(text)}\n`;
  };
  const steps = options.mode === "start" ? draw(<StartRecord view={view} />, Math.max(20, size.columns)) : "";
  const urls = result === "quit" ? draw(<UrlRecord view={view} />, 2000) : "";
  return steps + urls;
}
