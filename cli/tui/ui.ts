/** What the user has chosen to see: a pure reducer beside that of the events. */
import type { Tone } from "./theme.ts";

export type Pane = "services" | "requests" | "logs";
export const panes: readonly Pane[] = ["services", "requests", "logs"];

interface Message {
  text: string;
  tone: Tone;
}

export interface Ui {
  pane: Pane;
  /** Name of the service that the keys act on; null: the first. */
  service: string | null;
  /** Id of the request that the keys act on; null: the newest, whichever that is. */
  request: string | null;
  /** Services whose logs are shown; empty: all. */
  shown: readonly string[];
  /** What log lines and requests have to contain, in any case. */
  filter: { logs: string; requests: string };
  /** A line that is being typed. */
  typing: { what: "filter" | "trigger"; text: string } | null;
  /** Id of the request whose details are open. */
  detail: string | null;
  /** Lines that the open details, or the logs, are scrolled: from the top, or from the newest line. */
  detailScroll: number;
  logScroll: number;
  /** How many log lines had come when they were scrolled away from the newest: later ones are not shown. null: they are. */
  logsUntil: number | null;
  help: boolean;
  /** Asked whether everything is to be stopped. */
  stopping: boolean;
  /** What came of the last key, said until the next one. */
  message: Message | null;
}

export const initialUi: Ui = {
  pane: "requests",
  service: null,
  request: null,
  shown: [],
  filter: { logs: "", requests: "" },
  typing: null,
  detail: null,
  detailScroll: 0,
  logScroll: 0,
  logsUntil: null,
  help: false,
  stopping: false,
  message: null,
};

export type UiAction =
  | { type: "pane"; pane: Pane }
  /**
   * Moves in the list, or scrolls, by so many rows; `ids` are those of the list as it is shown, `limit` is how far can be scrolled, `total`
   * how many log lines have come.
   */
  | { type: "move"; by: number; ids: readonly string[]; limit: number; total: number }
  | { type: "open"; id: string }
  | { type: "close" }
  /** Adds a service to those whose logs are shown, or takes it away. */
  | { type: "toggle"; service: string }
  | { type: "only"; services: readonly string[] }
  | { type: "type"; what: "filter" | "trigger"; text: string }
  | { type: "typed" }
  | { type: "help" }
  | { type: "stopping"; asked: boolean }
  | { type: "message"; message: Message | null };

export function reduceUi(ui: Ui, action: UiAction): Ui {
  switch (action.type) {
    case "pane":
      return { ...ui, pane: action.pane, detail: action.pane === "requests" ? ui.detail : null };
    case "move":
      return move(ui, action);
    case "open":
      return { ...ui, detail: action.id, detailScroll: 0 };
    case "close":
      return close(ui);
    case "toggle": {
      const shown = ui.shown.includes(action.service) ? ui.shown.filter((name) => name !== action.service) : [...ui.shown, action.service];
      return { ...ui, shown, ...newestLogs };
    }
    case "only":
      return { ...ui, shown: action.services, pane: "logs", detail: null, ...newestLogs };
    case "type":
      return { ...typed(ui, action.what, action.text), typing: { what: action.what, text: action.text } };
    case "typed":
      return { ...ui, typing: null };
    case "help":
      return { ...ui, help: !ui.help };
    case "stopping":
      return { ...ui, stopping: action.asked };
    case "message":
      return ui.message === action.message ? ui : { ...ui, message: action.message };
  }
}

/** A filter works while it is typed. */
function typed(ui: Ui, what: "filter" | "trigger", text: string): Ui {
  if (what !== "filter") return ui;
  const of = ui.pane === "requests" ? "requests" : "logs";
  return { ...ui, filter: { ...ui.filter, [of]: text }, ...newestLogs };
}

const newestLogs = { logScroll: 0, logsUntil: null };

function move(ui: Ui, { by, ids, limit, total }: Extract<UiAction, { type: "move" }>): Ui {
  const within = (scroll: number) => Math.min(limit, Math.max(0, scroll));
  if (ui.detail !== null) return { ...ui, detailScroll: within(ui.detailScroll + by) };
  if (ui.pane === "logs") {
    const logScroll = within(ui.logScroll - by);
    return { ...ui, logScroll, logsUntil: logScroll === 0 ? null : (ui.logsUntil ?? total) };
  }
  const chosen = ui.pane === "services" ? ui.service : ui.request;
  const at = Math.max(0, chosen === null ? 0 : ids.indexOf(chosen));
  const next = ids[Math.min(ids.length - 1, Math.max(0, at + by))] ?? null;
  if (ui.pane === "services") return { ...ui, service: next };
  // At the top the newest is followed.
  return { ...ui, request: next === ids[0] ? null : next };
}

/** One thing at a time, what is in front first. */
function close(ui: Ui): Ui {
  if (ui.help) return { ...ui, help: false };
  if (ui.stopping) return { ...ui, stopping: false };
  if (ui.typing) return { ...typed(ui, ui.typing.what, ""), typing: null };
  if (ui.detail !== null) return { ...ui, detail: null, detailScroll: 0 };
  const of = ui.pane === "requests" ? "requests" : "logs";
  if (ui.filter[of] !== "") return { ...ui, filter: { ...ui.filter, [of]: "" } };
  return { ...ui, ...newestLogs, shown: [], request: null };
}
