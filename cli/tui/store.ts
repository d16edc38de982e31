/**
 * Events in, snapshots out: at most four a second however much happens, one for each time that the screen looks different without an
 * event (elapsed times, busy marks), and none when nothing changes. React reads it through `useSyncExternalStore`.
 */
import type { AiryEvent } from "../events.ts";
import { LogBuffer, type LogLine } from "./log-buffer.ts";
import { initialView, reduce, type View } from "./state.ts";
import { serviceTone } from "./theme.ts";

const frameMs = 250;

export interface Snapshot {
  view: View;
  /** The same object always; {@link Snapshot.lines} says that there is more in it. */
  logs: LogBuffer;
  lines: number;
  size: { columns: number; rows: number };
  /** Epoch milliseconds. */
  now: number;
  tick: number;
}

export class Store {
  readonly #logs = new LogBuffer();
  readonly #size: () => { columns: number; rows: number };
  readonly #listeners = new Set<() => void>();
  #view: View;
  #snapshot: Snapshot;
  #timer: NodeJS.Timeout | null = null;
  #due = Infinity;
  /** 0: the first frame with something in it need not wait. */
  #publishedAt = 0;
  #logsShown = true;
  #closed = false;

  constructor(mode: "start" | "attached", size: () => { columns: number; rows: number }) {
    this.#view = initialView(mode);
    this.#size = size;
    this.#snapshot = { view: this.#view, logs: this.#logs, lines: 0, size: size(), now: Date.now(), tick: 0 };
  }

  get view(): View {
    return this.#view;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly snapshot = (): Snapshot => this.#snapshot;

  push(event: AiryEvent): void {
    const next = reduce(this.#view, event);
    if (next === this.#view) return;
    this.#view = next;
    this.#schedule(0);
  }

  pushLog(line: LogLine): void {
    this.#logs.push(line);
    if (this.#logsShown) this.#schedule(0);
  }

  /** Lines that nobody sees are no reason for a frame. */
  showLogs(shown: boolean): void {
    this.#logsShown = shown;
  }

  /** The terminal has another size. */
  resized(): void {
    this.#schedule(0);
  }

  /** What comes afterwards, such as a log line that was on its way, changes nothing. */
  close(): void {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#listeners.clear();
  }

  #schedule(pause: number): void {
    if (this.#closed) return;
    const due = Math.max(Date.now() + pause, this.#publishedAt + frameMs);
    if (this.#timer !== null && this.#due <= due) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#publish(), Math.max(0, due - Date.now()));
  }

  #publish(): void {
    this.#timer = null;
    const { tick } = this.#snapshot;
    this.#snapshot = {
      view: this.#view,
      logs: this.#logs,
      lines: this.#logs.total,
      size: this.#size(),
      now: Date.now(),
      tick: tick + 1,
    };
    this.#publishedAt = this.#snapshot.now;
    const pause = pauseOf(this.#view, this.#snapshot.now);
    if (pause !== null) this.#schedule(pause);
    for (const listener of this.#listeners) listener();
  }
}

/** Milliseconds until the screen looks different without any event; null: it does not. */
function pauseOf(view: View, now: number): number | null {
  if (view.phase === "start") return view.startedAt === null ? null : frameMs;
  if (view.phase !== "dashboard") return null;
  const counting = view.tunnel?.state === "waiting" || view.tunnel?.state === "connecting";
  const busy = view.services.some((s) => serviceTone(s) === "busy") || view.webhooks.some((w) => w.state === "pending");
  if (counting || busy) return 1000;
  // Ages: by the second while they are young, then by the minute.
  const youngest = Math.min(...view.services.map((s) => now - Date.parse(s.since)));
  if (view.services.length === 0) return null;
  return youngest < 60_000 ? 5000 : 60_000;
}
