/**
 * The interactive interface of `airy up` and `airy attach`: progress of the start, then the dashboard. It is a reader of the event
 * stream and starts nothing by itself. Ink is loaded only when it runs.
 */
import type { AiryEvent } from "../events.ts";
import type { Deck } from "./deck.ts";
import { Painter } from "./painter.ts";
import { isUtf8, type Environment } from "./terminal.ts";

/** There until Ink is loaded. */
const FIRST_LINE = " airy up: starting";

export interface DashboardOptions {
  /** Everything that happened and happens; the iterator's `return` is called when the interface ends first. */
  events: AsyncIterable<AiryEvent>;
  /** `start`: show progress until a `ready` event. `attached`: everything runs already; the first event should be `ready`. */
  mode: "start" | "attached";
  /** Leaves as soon as a `ready` event arrives, as if the user had quit. */
  untilReady?: boolean;
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  /** The process environment itself: with NO_COLOR, FORCE_COLOR=0 is set in it before Ink is loaded, which knows only the latter. */
  env: Environment;
  /** What the keys can do beside showing; without it nothing. */
  deck?: Deck;
  /** Ends the interface with `interrupted` (a signal arrived). */
  signal?: AbortSignal;
}

/**
 * - `quit`: the user left the dashboard; everything keeps running.
 * - `stop`: the user wants everything stopped; the caller does it.
 * - `interrupted`: Ctrl-C during the start, or `signal` was aborted; the caller stops the start and exits 130.
 * - `failed`: a `failed` event arrived during the start; the caller prints the error.
 * - `stopped`: a `stopped` event arrived (another terminal ran `airy down`).
 * - `ended`: the event stream ended by itself.
 */
export type DashboardResult = "quit" | "stop" | "interrupted" | "failed" | "stopped" | "ended";

/**
 * Renders until the user leaves or the stream says that it is over, then restores the terminal and leaves a short record in the
 * scrollback: the steps of the start and, when it keeps running, its URLs. What follows from the outcome is for the caller to say.
 * Call it only where `canRender` says yes. Rejects with what the event stream throws, after restoring.
 */
export async function runDashboard(options: DashboardOptions): Promise<DashboardResult> {
  // Ink's chalk refuses NO_COLOR by convention of its own and reads FORCE_COLOR once, while it is loaded.
  if (options.env["NO_COLOR"]) options.env["FORCE_COLOR"] = "0";
  const painter = new Painter(options.stdout, isUtf8(options.env));
  painter.enter();
  if (options.mode === "start") painter.paint(FIRST_LINE);
  try {
    const { show } = await import("./run.tsx");
    return await show(options, painter);
  } finally {
    painter.leave();
  }
}
