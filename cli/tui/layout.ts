/** Where there is room for what: counted in rows before anything is drawn. */
import type { Deck } from "./deck.ts";
import type { Frame } from "./frame.ts";
import { type Key, keysOf, packKeys } from "./keys.ts";
import { hasNews, type View } from "./state.ts";
import type { Ui } from "./ui.ts";

export interface Layout {
  /** `beside`: lists at the left, logs or details at the right. `stacked`: services above requests. `single`: one pane at a time. */
  panes: "beside" | "stacked" | "single";
  /** Rows of the body, of the services in it and of the requests. */
  body: number;
  services: number;
  requests: number;
  leftWidth: number;
  inbox: boolean;
  heard: boolean;
  pages: boolean;
  webhooks: number;
  notices: number;
  tabs: boolean;
  /** A blank line before the body and before the keys. */
  gaps: boolean;
  keys: Key[][];
}

/** From this width and height on, two columns are easier to read than one. */
const beside = { width: 99, body: 11 };
/** Heading and two requests. */
const leastRequests = 3;

export function layoutOf(view: View, ui: Ui, deck: Deck, frame: Frame): Layout {
  const { width, height } = frame;
  const low = height < 17;
  const keys = packKeys(keysOf(view, ui, deck, frame.glyphs), width, low ? 1 : 3);
  const held = view.tunnel?.held;
  const webhooks = Math.max(1, Math.min(view.webhooks.length, height < 12 ? 1 : 4));
  const inbox = height >= 14;
  const heard = height >= 14 && hasNews(view.heard);
  // That none is connected matters more than which ones are.
  const pages = view.pages !== null && (height >= 20 || (height >= 14 && view.pages.every(({ state }) => state !== "ok")));
  const gaps = height >= 32;
  // Headline, what is public and its URL, tunnel, the line for messages.
  const fixed = 1 + 2 + 1 + (low ? 0 : 1) + (held && (held.entries > 0 || held.dead > 0) ? 1 : 0) + (heard ? 1 : 0) + (pages ? 1 : 0);
  const aboveNotices = fixed + webhooks + (inbox ? 1 : 0) + keys.length + (gaps ? 3 : 0);
  // A heading and a row come before what is warned of.
  const notices = Math.max(0, Math.min(view.notices.length, low ? 1 : 3, height - aboveNotices - 3));
  const above = aboveNotices + notices;
  const wide = width >= beside.width && height - above >= beside.body;
  const body = Math.max(1, height - above - (wide ? 0 : 1));
  const services = 1 + Math.max(1, view.services.length);
  const stacked = body >= services + leastRequests;
  const panes = wide ? "beside" : stacked && ui.pane !== "logs" ? "stacked" : "single";
  const own = panes === "single" ? body : Math.min(services + (gaps ? 1 : 0), body - leastRequests);
  return {
    panes,
    body,
    services: Math.max(1, own),
    requests: panes === "single" ? body : body - Math.max(1, own),
    leftWidth: panes === "beside" ? Math.max(50, Math.floor(width * 0.45)) : width,
    inbox,
    heard,
    pages,
    webhooks,
    notices,
    tabs: !wide,
    gaps,
    keys,
  };
}
