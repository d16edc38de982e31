/** The keys as data: what the bar and the help show, and which are offered at the moment, follow from here. */
import type { Deck } from "./deck.ts";
import type { View } from "./state.ts";
import type { Glyphs } from "./theme.ts";
import type { Ui } from "./ui.ts";

export interface Key {
  key: string;
  /** For the bar. */
  word: string;
  /** For the help. */
  what: string;
}

/** The keys that do something now; the first ones are the last to go when the room is short. */
export function keysOf(view: View, ui: Ui, deck: Deck, glyphs: Glyphs): Key[] {
  if (ui.typing) {
    const what = ui.typing.what === "filter" ? "keep the filter" : "send it";
    return [
      { key: glyphs.enter, word: what, what },
      { key: "Esc", word: "cancel", what: "cancel" },
    ];
  }
  if (ui.stopping) {
    return [
      { key: "y", word: "stop everything", what: "" },
      { key: "n", word: "no", what: "" },
    ];
  }
  const keys: (Key | false)[] = [
    { key: "q", word: "quit", what: "leave this screen; everything keeps running (Ctrl-C too)" },
    { key: "x", word: "stop", what: "stop everything, as airy down does; asks first" },
    { key: "?", word: "help", what: "show or hide this help" },
    (ui.detail !== null || ui.help) && { key: "Esc", word: "back", what: "close what is open; clear the filter" },
    { key: "Tab", word: "pane", what: "next pane; 1, 2 and 3 go to services, requests, logs" },
    { key: `${glyphs.up}${glyphs.down}`, word: "move", what: "move or scroll; Page Up and Page Down by a page, Home and End to the ends" },
    { key: glyphs.enter, word: "open", what: "of a request its details, of a service its log" },
    view.tunnel?.url !== undefined &&
      view.tunnel?.url !== null && { key: "c", word: "copy URL", what: "put the public URL on the clipboard" },
    !!deck.replay && { key: "r", word: "replay", what: "send the chosen request again, to the local service" },
    !!deck.trigger && view.sandbox && { key: "t", word: "trigger", what: "write as a customer; it arrives as a webhook" },
    !!deck.logs && { key: "l", word: "logs", what: "the logs of all services; Space in services picks several" },
    { key: "/", word: "filter", what: "show only log lines, or requests, with a text in them" },
    !!deck.restart && view.engine !== "embedded" && { key: "s", word: "restart", what: "restart the chosen service" },
    !!deck.open && { key: "o", word: "inbox", what: "open the inbox in the browser" },
  ];
  return keys.filter((key) => key !== false);
}

/** Keys packed into at most `rows` lines of a width; what does not fit is left to the help. */
export function packKeys(keys: readonly Key[], width: number, rows: number): Key[][] {
  const lines: Key[][] = [];
  let used = width;
  for (const key of keys) {
    const wide = key.key.length + 1 + key.word.length + 2;
    if (used + wide > width) {
      if (lines.length === rows) continue;
      lines.push([]);
      used = 1;
    }
    lines.at(-1)?.push(key);
    used += wide;
  }
  return lines;
}
