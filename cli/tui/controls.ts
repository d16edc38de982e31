/** What the keys of the dashboard do: to what is shown (`ui.ts`), and outside of it (`deck.ts`). */
import type { Key } from "ink";
import { filteredRequests } from "./components/requests.tsx";
import { publicUrl } from "./components/exposure.tsx";
import type { Deck } from "./deck.ts";
import type { View } from "./state.ts";
import { panes, type Pane, type Ui, type UiAction } from "./ui.ts";

export interface Controls {
  view: View;
  deck: Deck;
  /** As it is now, also between two drawings. */
  ui: () => Ui;
  dispatch: (action: UiAction) => void;
  /** Rows of a page. */
  page: number;
  /** How far the open details, or the logs, can be scrolled; and how many log lines ever came. */
  scrollable: () => { limit: number; total: number };
  onQuit: () => void;
  onStop: () => void;
  /** Puts a text on the clipboard; returns what to say about it. */
  onCopy: (text: string) => { text: string; likely: boolean };
}

export function pressKey(input: string, key: Key, at: Controls): void {
  const ui = at.ui();
  if (ui.message) at.dispatch({ type: "message", message: null });
  if (ui.stopping) return answerStop(input, key, at);
  if (ui.typing) return typeKey(input, key, at);
  if (key.escape) return at.dispatch({ type: "close" });
  const by = movement(input, key, at.page);
  if (by !== 0) return at.dispatch({ type: "move", by, ids: idsOf(at.view, ui), ...at.scrollable() });
  if (key.tab) return goTo(panes[(panes.indexOf(ui.pane) + (key.shift ? panes.length - 1 : 1)) % panes.length] ?? "services", at);
  if (key.return) return open(at);
  press(input, at);
}

/** Taken where a line is typed, and only there. */
export function pasteText(text: string, at: Controls): void {
  const { typing } = at.ui();
  if (typing) at.dispatch({ type: "type", what: typing.what, text: typedText(typing.text + text) });
}

function answerStop(input: string, key: Key, { dispatch, onStop }: Controls): void {
  if (input === "y" || input === "Y") return onStop();
  if (input === "n" || input === "N" || input === "x" || key.escape || key.return) dispatch({ type: "stopping", asked: false });
}

function typeKey(input: string, key: Key, at: Controls): void {
  const { typing } = at.ui();
  if (typing === null) return;
  const { dispatch, deck } = at;
  if (key.escape) return dispatch({ type: "close" });
  if (key.return) {
    dispatch({ type: "typed" });
    if (typing.what === "trigger" && typing.text.trim() !== "") act(deck.trigger?.(typing.text), "sending", at);
    return;
  }
  if (key.backspace || key.delete) return dispatch({ type: "type", what: typing.what, text: [...typing.text].slice(0, -1).join("") });
  if (key.ctrl && input === "u") return dispatch({ type: "type", what: typing.what, text: "" });
  if (key.ctrl || key.meta || key.tab || input === "") return;
  dispatch({ type: "type", what: typing.what, text: typedText(typing.text + input) });
}

function typedText(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "").slice(0, 500);
}

function movement(input: string, key: Key, page: number): number {
  if (key.upArrow || input === "k") return -1;
  if (key.downArrow || input === "j") return 1;
  if (key.pageUp) return -page;
  if (key.pageDown) return page;
  if (key.end || input === "G") return 1_000_000;
  return key.home || input === "g" ? -1_000_000 : 0;
}

function goTo(pane: Pane, { dispatch }: Controls): void {
  dispatch({ type: "pane", pane });
}

function open(at: Controls): void {
  const ui = at.ui();
  if (ui.pane === "services") {
    const service = chosenService(at.view, ui);
    if (service !== null) at.dispatch({ type: "only", services: [service] });
  } else if (ui.pane === "requests") {
    const id = chosenRequest(at.view, ui);
    if (id !== null) at.dispatch({ type: "open", id });
  }
}

function press(input: string, at: Controls): void {
  const { view, deck, dispatch } = at;
  const ui = at.ui();
  const service = chosenService(view, ui);
  const request = ui.detail ?? chosenRequest(view, ui);
  switch (input) {
    case "q":
      return at.onQuit();
    case "x":
      return dispatch({ type: "stopping", asked: true });
    case "?":
      return dispatch({ type: "help" });
    case "1":
    case "2":
    case "3":
      return goTo(panes[Number(input) - 1] ?? "services", at);
    case "l":
      return dispatch({ type: "only", services: [] });
    case " ":
      return ui.pane === "services" && service !== null ? dispatch({ type: "toggle", service }) : undefined;
    case "/":
      if (ui.pane === "services") goTo("logs", at);
      return dispatch({ type: "type", what: "filter", text: "" });
    case "c":
      return copy(publicUrl(view), at);
    case "t":
      return deck.trigger && view.sandbox ? dispatch({ type: "type", what: "trigger", text: "Hello!" }) : undefined;
    case "o":
      return act(deck.open?.(), "opening", at);
    case "r":
      return request === null ? say("There is no request to replay.", "warn", at) : act(deck.replay?.(request), "replaying", at);
    case "s":
      return service === null ? undefined : act(deck.restart?.(service), `restarting ${service}`, at);
  }
}

function copy(url: string | null, at: Controls): void {
  if (url === null) return say("There is no public URL yet.", "warn", at);
  const { text, likely } = at.onCopy(url);
  say(text, likely ? "ok" : "warn", at);
}

function say(text: string, tone: "ok" | "warn" | "bad" | "busy", { dispatch }: Controls): void {
  dispatch({ type: "message", message: { text, tone } });
}

function act(work: Promise<string> | undefined, doing: string, at: Controls): void {
  if (!work) return;
  say(doing, "busy", at);
  work.then(
    (text) => say(text, "ok", at),
    (error: unknown) => say(error instanceof Error ? error.message : String(error), "bad", at),
  );
}

function idsOf(view: View, ui: Ui): string[] {
  if (ui.pane === "services") return view.services.map((service) => service.name);
  return filteredRequests(view, ui.filter.requests).map((request) => request.id);
}

function chosenService(view: View, ui: Ui): string | null {
  return (view.services.find((service) => service.name === ui.service) ?? view.services[0])?.name ?? null;
}

function chosenRequest(view: View, ui: Ui): string | null {
  const shown = filteredRequests(view, ui.filter.requests);
  return (shown.find((request) => request.id === ui.request) ?? shown[0])?.id ?? null;
}
