/** The whole interface: progress of the start, then the dashboard; or a word about a terminal that is too small. */
import { Box, Text } from "ink";
import { useLayoutEffect, useSyncExternalStore } from "react";
import type { Deck } from "../deck.ts";
import { FrameContext, frameOf } from "../frame.ts";
import type { Store } from "../store.ts";
import { largeEnough, minimum } from "../terminal.ts";
import { DashboardApp } from "./dashboard-app.tsx";
import { StartApp } from "./start-app.tsx";

export interface AppProps {
  store: Store;
  deck: Deck;
  utf8: boolean;
  onQuit: () => void;
  onStop: () => void;
  onInterrupt: () => void;
  onCopy: (text: string) => { text: string; likely: boolean };
  /** Runs when Ink takes the screen down, which it does on every way out of the process, also `process.exit` and uncaught errors. */
  onGone: () => void;
}

export function App({ store, deck, utf8, onInterrupt, onQuit, onStop, onCopy, onGone }: AppProps) {
  const { view, logs, size, now, tick } = useSyncExternalStore(store.subscribe, store.snapshot);
  useLayoutEffect(() => onGone, [onGone]);
  const small = !largeEnough(size);
  return (
    <FrameContext value={frameOf(size, { now, tick }, utf8)}>
      {small ? <Text wrap="truncate">{`airy needs ${minimum.columns}x${minimum.rows}`}</Text> : null}
      {/* Still there when it is not drawn: the keys go on working, and nothing that was chosen is forgotten. */}
      <Box display={small ? "none" : "flex"}>
        {view.phase === "dashboard" ? (
          <DashboardApp {...{ view, logs, deck, onQuit, onStop, onCopy }} />
        ) : (
          <StartApp view={view} logs={logs} canShowLogs={deck.logs !== undefined} onInterrupt={onInterrupt} />
        )}
      </Box>
    </FrameContext>
  );
}
