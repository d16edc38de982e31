/** Frames of the interface as text, drawn by Ink at a given size, without a terminal. */
import { renderToString } from "ink";
import type { ReactNode } from "react";
import type { AiryEventBody } from "../../cli/events.ts";
import { Dashboard } from "../../cli/tui/components/dashboard.tsx";
import { Start } from "../../cli/tui/components/start.tsx";
import type { Deck, RequestDetail } from "../../cli/tui/deck.ts";
import { FrameContext, frameOf } from "../../cli/tui/frame.ts";
import { LogBuffer } from "../../cli/tui/log-buffer.ts";
import { initialView, reduce, type View } from "../../cli/tui/state.ts";
import { toAscii } from "../../cli/tui/text.ts";
import { initialUi, type Ui } from "../../cli/tui/ui.ts";

/** When all events of {@link viewOf} happen. */
export const eventsAt = Date.parse("2026-11-22T09:14:05.000Z");

export const sizes = [40, 60, 80, 100, 120, 200].flatMap((columns) => [10, 24, 50].map((rows) => [columns, rows] as const));
export const goldenSizes = [
  [40, 10],
  [50, 15],
  [80, 24],
  [120, 40],
  [200, 50],
] as const;

export const everySize = [...sizes, [50, 15], [120, 40]] as const;

const all = async () => "";
/** A deck that can do everything, so that every key is offered. */
const fullDeck: Deck = {
  logs: async function* () {},
  open: all,
  trigger: all,
  replay: all,
  restart: all,
  request: async () => null,
};

export function viewOf(events: readonly AiryEventBody[]): View {
  return events.reduce((view, event) => reduce(view, { ...event, at: new Date(eventsAt).toISOString() }), initialView("start"));
}

export function logsOf(count = 60): LogBuffer {
  const logs = new LogBuffer();
  for (let i = 0; i < count; i++) {
    const service = i % 3 === 2 ? "postgres" : "platform";
    logs.push({ service, at: new Date(eventsAt + i).toISOString(), line: `POST /facebook 200 ${i} ms` });
  }
  return logs;
}

interface Shown {
  ui?: Partial<Ui>;
  deck?: Deck;
  logs?: LogBuffer;
  detail?: RequestDetail | null | "gone" | "none";
  utf8?: boolean;
  /** Milliseconds since the last event. */
  later?: number;
  showLogs?: boolean;
}

/** The whole screen three seconds after the last event. */
export function draw(view: View, columns: number, rows: number, shown: Shown = {}): string {
  const logs = shown.logs ?? logsOf();
  const screen =
    view.phase === "dashboard" ? (
      <Dashboard view={view} ui={{ ...initialUi, ...shown.ui }} deck={shown.deck ?? fullDeck} logs={logs} detail={shown.detail ?? "none"} />
    ) : (
      <Start view={view} logs={logs} showLogs={shown.showLogs ?? false} canShowLogs waitingSince={null} />
    );
  return drawNode(screen, columns, rows, shown);
}

export function drawNode(node: ReactNode, columns: number, rows: number, { utf8 = true, later = 3000 }: Shown = {}): string {
  const frame = frameOf({ columns, rows }, { now: eventsAt + later, tick: 1 }, utf8);
  const text = renderToString(<FrameContext value={frame}>{node}</FrameContext>, { columns });
  return utf8 ? text : toAscii(text);
}
