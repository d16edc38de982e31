/**
 * The dashboard with its keys: what they do is in `controls.ts`. Ink's ring of focus is not used for the panes: it moves at the next
 * drawing, so that keys typed at once would act on the pane of before, and Esc empties it.
 */
import { useEffect, useRef, useState } from "react";
import { type Controls, pasteText, pressKey } from "../controls.ts";
import type { Deck, RequestDetail } from "../deck.ts";
import { useFrame } from "../frame.ts";
import { isInterrupt, useKeys } from "../keypress.ts";
import { layoutOf } from "../layout.ts";
import type { LogBuffer } from "../log-buffer.ts";
import { initialUi, reduceUi, type UiAction } from "../ui.ts";
import { Dashboard } from "./dashboard.tsx";
import { detailLines } from "./detail.tsx";

interface DashboardAppProps extends Pick<Controls, "view" | "deck" | "onQuit" | "onStop" | "onCopy"> {
  logs: LogBuffer;
}

export function DashboardApp(props: DashboardAppProps) {
  const { view, logs, deck } = props;
  const [shown, setShown] = useState(initialUi);
  // Keys that are typed fast arrive before React has given `useInput` the handler of the next drawing: they read what is true now.
  const newest = useRef(initialUi);
  const dispatch = (action: UiAction) => {
    newest.current = reduceUi(newest.current, action);
    setShown(newest.current);
  };
  const detail = useRequestDetail(shown.detail, deck);
  // Of a pane, without its heading.
  const rows = Math.max(1, layoutOf(view, shown, deck, useFrame()).body - 1);
  const controls: Controls = {
    ...props,
    dispatch,
    ui: () => newest.current,
    page: Math.max(1, rows - 1),
    scrollable,
  };
  useKeys(
    (input, key) => (isInterrupt(input, key) ? props.onQuit() : pressKey(input, key, controls)),
    (text) => pasteText(text, controls),
  );
  return <Dashboard view={view} ui={shown} deck={deck} logs={logs} detail={detail} />;

  function scrollable() {
    const ui = newest.current;
    const opened = view.requests.find((request) => request.id === ui.detail);
    const lines = opened ? detailLines(opened, detail).length : logs.count(ui.shown, ui.filter.logs, ui.logsUntil);
    return { limit: Math.max(0, lines - rows), total: logs.total };
  }
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
