/** The dashboard with its keys: what they change is in `ui.ts`, what they do outside is in the deck. */
import { useFocus, useFocusManager, useInput, type Key } from "ink";
import { useEffect, useRef, useState } from "react";
import type { Deck, RequestDetail } from "../deck.ts";
import { useFrame } from "../frame.ts";
import { layoutOf } from "../layout.ts";
import type { LogBuffer } from "../log-buffer.ts";
import type { View } from "../state.ts";
import { initialUi, type Pane, panes, reduceUi, type Ui, type UiAction } from "../ui.ts";
import { Dashboard } from "./dashboard.tsx";
import { publicUrl } from "./exposure.tsx";
import { filteredRequests } from "./requests.tsx";

interface DashboardAppProps {
  view: View;
  logs: LogBuffer;
  deck: Deck;
  publicPaths: readonly string[];
  onQuit: () => void;
  onStop: () => void;
  /** Puts a text on the clipboard; returns what to say about it. */
  onCopy: (text: string) => { text: string; likely: boolean };
}

export function DashboardApp(props: DashboardAppProps) {
  const { view, logs, deck, publicPaths } = props;
  const [shown, setShown] = useState(initialUi);
  // Keys that are typed fast arrive before React has given `useInput` the handler of the next drawing: they read what is true now.
  const newest = useRef(initialUi);
  const dispatch = (action: UiAction) => {
    newest.current = reduceUi(newest.current, action);
    setShown(newest.current);
  };
  const frame = useFrame();
  const { focus } = useFocusManager();
  const detail = useRequestDetail(shown.detail, deck);
  const quiet = shown.typing !== null || shown.stopping;
  const page = Math.max(1, layoutOf(view, shown, deck, frame).body - 2);

  useInput((input, key) => {
    if (isInterrupt(input, key)) return props.onQuit();
    const ui = newest.current;
    if (ui.message) dispatch({ type: "message", message: null });
    if (ui.stopping) return answerStop(input, key);
    if (ui.typing) return typeKey(input, key, ui, dispatch, (text) => act(deck.trigger?.(text), "sending"));
    if (key.escape) return dispatch({ type: "close" });
    const by = movement(input, key, page);
    if (by !== 0) return dispatch({ type: "move", by, ids: idsOf(view, ui) });
    if (key.end || input === "G") return dispatch({ type: "end" });
    if (key.return) return open();
    press(input);
  });

  return (
    <>
      {panes.map((pane) => (
        <PaneFocus key={pane} pane={pane} active={!quiet} onFocus={() => dispatch({ type: "pane", pane })} />
      ))}
      <Dashboard view={view} ui={shown} deck={deck} logs={logs} detail={detail} publicPaths={publicPaths} />
    </>
  );

  function answerStop(input: string, key: Key): void {
    if (input === "y" || input === "Y") return props.onStop();
    if (input === "n" || input === "N" || input === "x" || key.escape || key.return) dispatch({ type: "stopping", asked: false });
  }

  function open(): void {
    const ui = newest.current;
    if (ui.pane === "services") {
      const service = chosenService(view, ui);
      if (service === null) return;
      dispatch({ type: "only", services: [service] });
      focus("logs");
    } else if (ui.pane === "requests") {
      const id = chosenRequest(view, ui);
      if (id !== null) dispatch({ type: "open", id });
    }
  }

  function press(input: string): void {
    const ui = newest.current;
    const service = chosenService(view, ui);
    const request = ui.detail ?? chosenRequest(view, ui);
    const url = publicUrl(view, publicPaths);
    switch (input) {
      case "q":
        return props.onQuit();
      case "x":
        return dispatch({ type: "stopping", asked: true });
      case "?":
        return dispatch({ type: "help" });
      case "1":
      case "2":
      case "3":
        return focus(panes[Number(input) - 1] ?? "services");
      case "l":
        dispatch({ type: "only", services: [] });
        return focus("logs");
      case " ":
        return ui.pane === "services" && service !== null ? dispatch({ type: "toggle", service }) : undefined;
      case "/":
        if (ui.pane === "services") focus("logs");
        return dispatch({ type: "type", what: "filter", text: "" });
      case "c":
        return url === null ? say("There is no public URL yet.", "warn") : copy(url);
      case "t":
        return deck.trigger && view.sandbox ? dispatch({ type: "type", what: "trigger", text: "Hello!" }) : undefined;
      case "o":
        return act(deck.open?.(), "opening");
      case "r":
        return request === null ? say("There is no request to replay.", "warn") : act(deck.replay?.(request), "replaying");
      case "s":
        return service === null ? undefined : act(deck.restart?.(service), `restarting ${service}`);
    }
  }

  function copy(url: string): void {
    const { text, likely } = props.onCopy(url);
    say(text, likely ? "ok" : "warn");
  }

  function say(text: string, tone: "ok" | "warn" | "bad" | "busy"): void {
    dispatch({ type: "message", message: { text, tone } });
  }

  function act(work: Promise<string> | undefined, doing: string): void {
    if (!work) return;
    say(doing, "busy");
    work.then(
      (text) => say(text, "ok"),
      (error: unknown) => say(error instanceof Error ? error.message : String(error), "bad"),
    );
  }
}

/** Ctrl-C typed twice at once arrives as one chunk that Ink does not take apart. */
export function isInterrupt(input: string, key: Pick<Key, "ctrl">): boolean {
  return (key.ctrl && input === "c") || input.includes("\u0003");
}

/** A pane takes part in Ink's ring of focus, in which Tab moves. */
function PaneFocus({ pane, active, onFocus }: { pane: Pane; active: boolean; onFocus: () => void }) {
  const { isFocused } = useFocus({ id: pane, isActive: active, autoFocus: pane === initialUi.pane });
  useEffect(() => {
    if (isFocused) onFocus();
    // Only when the focus arrives: onFocus is another function at each drawing.
  }, [isFocused]);
  return null;
}

/** Asked for when it is opened. */
function useRequestDetail(id: string | null, deck: Deck): RequestDetail | null | "gone" | "none" {
  const [found, setFound] = useState<{ id: string; detail: RequestDetail | "gone" } | null>(null);
  useEffect(() => {
    if (id === null || !deck.request) return;
    let wanted = true;
    deck.request(id).then(
      (detail) => wanted && setFound({ id, detail: detail ?? "gone" }),
      () => wanted && setFound({ id, detail: "gone" }),
    );
    return () => {
      wanted = false;
    };
  }, [id, deck]);
  if (!deck.request) return "none";
  return found !== null && found.id === id ? found.detail : null;
}

function typeKey(input: string, key: Key, ui: Ui, dispatch: (action: UiAction) => void, trigger: (text: string) => void): void {
  const typing = ui.typing;
  if (typing === null) return;
  if (key.escape) return dispatch({ type: "close" });
  if (key.return) {
    dispatch({ type: "typed" });
    if (typing.what === "trigger" && typing.text.trim() !== "") trigger(typing.text);
    return;
  }
  if (key.backspace || key.delete) return dispatch({ type: "type", what: typing.what, text: [...typing.text].slice(0, -1).join("") });
  if (key.ctrl && input === "u") return dispatch({ type: "type", what: typing.what, text: "" });
  if (key.ctrl || key.meta || key.tab || input === "") return;
  dispatch({ type: "type", what: typing.what, text: (typing.text + input.replaceAll(/\p{Cc}/gu, "")).slice(0, 500) });
}

function movement(input: string, key: Key, page: number): number {
  if (key.upArrow || input === "k") return -1;
  if (key.downArrow || input === "j") return 1;
  if (key.pageUp) return -page;
  if (key.pageDown) return page;
  return key.home || input === "g" ? -1_000_000 : 0;
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
