/** The list of conversations: which are shown, in which order, and how far the platform's own list was read. */
import type { Conversation, ConversationPage } from "../api/shapes.ts";
import { matches, matchesButForUnread, type View } from "../api/view.ts";

export interface List {
  view: View;
  /** Newest message first; null before the first answer. */
  ids: readonly string[] | null;
  /** Whether the platform has more. */
  more: boolean;
  /** How many there are, as the platform counted. */
  total: number | null;
  /** Answers that are awaited. */
  pending: number;
  error: string | null;
  /** What events told of while answers are awaited, which may not know of it. */
  touched: readonly string[];
}

type Known = Readonly<Record<string, Conversation>>;

export function emptyList(view: View): List {
  return { view, ids: null, more: false, total: null, pending: 0, error: null, touched: [] };
}

/** What the list shows. */
export function shown(list: List, known: Known): Conversation[] {
  return (list.ids ?? []).map((id) => known[id]).filter((conversation) => conversation !== undefined);
}

/** A refresh replaces what was there, but for what happened since it was asked for. */
export function loadedList(list: List, known: Known, page: ConversationPage, refresh: boolean): List {
  const fresh = page.data.map((conversation) => conversation.id);
  const stay = refresh ? list.touched.filter((id) => known[id] && matches(list.view, known[id])) : (list.ids ?? []);
  return {
    ...list,
    ids: newestFirst([...new Set([...stay, ...fresh])], known),
    more: page.pagination_data.next_cursor !== null && page.data.length > 0,
    total: page.pagination_data.total,
    ...answered(list),
    error: null,
  };
}

/**
 * Where the platform's list goes on, as its cursor, which is an offset: behind all that is in both lists. What is only here (read
 * meanwhile, in a list of the unread) does not count there.
 */
export function nextCursor(list: List, known: Known): string | null {
  if (!list.more) return null;
  return String(shown(list, known).filter((conversation) => matches(list.view, conversation)).length);
}

/** An answer is asked for. */
export function asking(list: List): List {
  return { ...list, pending: list.pending + 1, error: null };
}

/** It came, or never will. */
export function answered(list: List): Pick<List, "pending" | "touched"> {
  const pending = Math.max(0, list.pending - 1);
  return { pending, touched: pending === 0 ? [] : list.touched };
}

/** Remembers, while an answer is awaited, that an event has told of this conversation. */
export function touched(list: List, id: string): List {
  return list.pending > 0 ? { ...list, touched: [...list.touched, id] } : list;
}

/** One conversation is new or has a new message. */
export function enter(list: List, known: Known, id: string): List {
  const conversation = known[id];
  if (!conversation || list.ids === null) return list;
  if (list.ids.includes(id)) return place(list, known, id);
  if (!matches(list.view, conversation) || beyond(list, known, conversation)) return list;
  return { ...list, ids: newestFirst([...list.ids, id], known), total: list.total === null ? null : list.total + 1 };
}

/** What is known of a conversation has changed: it may not belong here any more, or stand elsewhere. */
export function place(list: List, known: Known, id: string): List {
  const conversation = known[id];
  if (!conversation || list.ids === null) return list;
  if (!list.ids.includes(id)) return matches(list.view, conversation) ? enter(list, known, id) : list;
  if (matchesButForUnread(list.view, conversation)) return { ...list, ids: newestFirst(list.ids, known) };
  return { ...list, ids: list.ids.filter((each) => each !== id), total: list.total === null ? null : Math.max(0, list.total - 1) };
}

/** It stands in a part of the list that was not read yet, and comes with it. */
function beyond(list: List, known: Known, conversation: Conversation): boolean {
  if (!list.more) return false;
  const last = known[list.ids?.at(-1) ?? ""];
  return last !== undefined && timeOf(conversation) < timeOf(last);
}

function newestFirst(ids: readonly string[], known: Known): readonly string[] {
  const time = (id: string) => (known[id] ? timeOf(known[id]) : "");
  return ids.toSorted((a, b) => (time(a) === time(b) ? 0 : time(a) < time(b) ? 1 : -1));
}

function timeOf(conversation: Conversation): string {
  return conversation.last_message?.sent_at ?? "";
}
