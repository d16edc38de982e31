/** The messages of one conversation, as far as they were read. */
import type { Message, MessagePage } from "../api/shapes.ts";

/** A reply on its way, before the platform has given it an id, or one that it did not take. */
export interface Draft {
  key: string;
  /** What is sent. */
  content: unknown;
  at: string;
  /** Why it was not sent; null while it is on its way. */
  error: string | null;
}

export interface Thread {
  /** Oldest first. */
  messages: readonly Message[];
  drafts: readonly Draft[];
  /** Where older messages begin; null when there are none. */
  olderCursor: string | null;
  loading: boolean;
  error: string | null;
}

interface Threads {
  threads: Readonly<Record<string, Thread>>;
}

/** Messages beyond these are let go of when the newest is in view. */
const KEPT = 100;

/** Not opened yet, which it is about to be. */
const emptyThread: Thread = { messages: [], drafts: [], olderCursor: null, loading: true, error: null };

export function threadOf({ threads }: Threads, id: string): Thread {
  return threads[id] ?? emptyThread;
}

export function withThread<State extends Threads>(state: State, id: string, change: (thread: Thread) => Thread): State {
  return { ...state, threads: { ...state.threads, [id]: change(threadOf(state, id)) } };
}

export function loadedThread(thread: Thread, page: MessagePage, older: boolean): Thread {
  const next = page.pagination_data.next_cursor;
  const fresh = page.data.toReversed().map((message) => settled(find(thread.messages, message.id), message));
  const others = thread.messages.filter((known) => !find(fresh, known.id));
  // A first page that does not touch what is known leaves a gap; what is older is then read again from this page on.
  const gap = !older && others.length === thread.messages.length;
  if (gap) {
    // What is newer than the page came by an event while the page was on its way.
    const since = others.filter((known) => known.sent_at > (fresh.at(-1)?.sent_at ?? ""));
    return { ...thread, messages: [...fresh, ...since], olderCursor: next, loading: false, error: null };
  }
  // Messages of the same millisecond keep the order of the platform.
  const messages = oldestFirst(older ? [...fresh, ...others] : [...others, ...fresh]);
  return { ...thread, messages, olderCursor: older ? next : thread.olderCursor, loading: false, error: null };
}

/** A cursor is the id of the first message of the next page, so that any message can be where older ones begin. null: nothing to let go. */
export function trimmed(thread: Thread): Thread | null {
  if (thread.loading || thread.messages.length < KEPT * 2) return null;
  const messages = thread.messages.slice(-KEPT);
  return { ...thread, messages, olderCursor: thread.messages.at(-KEPT - 1)?.id ?? thread.olderCursor };
}

/** Known messages replaced in place, new ones added in the order of their times. */
export function mergeMessages(thread: Thread, fresh: readonly Message[]): Thread {
  const byId = new Map(thread.messages.map((message) => [message.id, message]));
  for (const message of fresh) byId.set(message.id, keepMetadata(byId.get(message.id), message));
  return { ...thread, messages: oldestFirst([...byId.values()]) };
}

/**
 * What an answer of the API says of a message, in the light of events that may have overtaken it: a message that was delivered or has
 * failed does not become pending again.
 */
export function settled(known: Message | undefined, message: Message): Message {
  if (!known || known.delivery_state === "pending" || message.delivery_state !== "pending") return keepMetadata(known, message);
  return { ...message, delivery_state: known.delivery_state, metadata: known.metadata };
}

/** A message event carries no metadata; what is known of it stays. */
export function keepMetadata<T extends { metadata: Message["metadata"] }>(old: T | undefined, item: T): T {
  return { ...item, metadata: item.metadata ?? old?.metadata ?? null };
}

function find(messages: readonly Message[], id: string): Message | undefined {
  return messages.find((message) => message.id === id);
}

function oldestFirst(messages: readonly Message[]): Message[] {
  return messages.toSorted((a, b) => (a.sent_at === b.sent_at ? 0 : a.sent_at < b.sent_at ? -1 : 1));
}
