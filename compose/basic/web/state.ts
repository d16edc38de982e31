/** What the inbox knows: a pure reducer over answers of the API, live events and what the user does. */
import type { Channel, Conversation, ConversationPage, LiveEvent, Message, MessagePage } from "./shapes.ts";

/** A reply on its way, before the platform has given it an id, or one that it did not take. */
export interface Draft {
  key: string;
  text: string;
  at: string;
  /** Why it was not sent; null while it is on its way. */
  error: string | null;
}

export interface Thread {
  /** Oldest first. */
  messages: Message[];
  drafts: Draft[];
  /** Where older messages begin; null when there are none. */
  olderCursor: string | null;
  loading: boolean;
  error: string | null;
}

export interface Inbox {
  /** Whether live events arrive. */
  connection: "connecting" | "live" | "lost";
  /** Newest message first; null before the first answer. */
  conversations: Conversation[] | null;
  moreCursor: string | null;
  listError: string | null;
  threads: Record<string, Thread>;
}

export type Action =
  | { type: "connection"; state: Inbox["connection"] }
  /** `refresh`: the first page anew; it does not take away what further pages have brought. */
  | { type: "conversations"; page: ConversationPage; refresh: boolean }
  | { type: "conversation"; conversation: Conversation }
  | { type: "listFailed"; error: string }
  | { type: "threadLoading"; id: string }
  | { type: "threadLoaded"; id: string; page: MessagePage; older: boolean }
  | { type: "threadFailed"; id: string; error: string }
  | { type: "live"; event: LiveEvent }
  | { type: "drafted"; id: string; draft: Draft }
  | { type: "sent"; id: string; key: string; message: Message }
  | { type: "sendFailed"; id: string; key: string; error: string }
  | { type: "discarded"; id: string; key: string }
  | { type: "read"; id: string };

export const emptyInbox: Inbox = { connection: "connecting", conversations: null, moreCursor: null, listError: null, threads: {} };

/** Not opened yet, which it is about to be. */
const emptyThread: Thread = { messages: [], drafts: [], olderCursor: null, loading: true, error: null };

export function reduce(inbox: Inbox, action: Action): Inbox {
  switch (action.type) {
    case "connection":
      return { ...inbox, connection: action.state };
    case "conversations":
      return listed(inbox, action.page, action.refresh);
    case "conversation":
      return { ...inbox, conversations: newestFirst(merge(inbox.conversations ?? [], [action.conversation])) };
    case "listFailed":
      return { ...inbox, listError: action.error };
    case "threadLoading":
      return onThread(inbox, action.id, (thread) => ({ ...thread, loading: true, error: null }));
    case "threadLoaded":
      return onThread(inbox, action.id, (thread) => loaded(thread, action.page, action.older));
    case "threadFailed":
      return onThread(inbox, action.id, (thread) => ({ ...thread, loading: false, error: action.error }));
    case "live":
      return live(inbox, action.event);
    case "drafted":
      return onThread(inbox, action.id, (thread) => ({ ...thread, drafts: [...thread.drafts, action.draft] }));
    case "sent":
      return sent(inbox, action.id, action.key, action.message);
    case "sendFailed":
      return onThread(inbox, action.id, (thread) => ({
        ...thread,
        drafts: thread.drafts.map((draft) => (draft.key === action.key ? { ...draft, error: action.error } : draft)),
      }));
    case "discarded":
      return onThread(inbox, action.id, (thread) => without(thread, action.key));
    case "read":
      return onConversation(inbox, action.id, (old) => ({ ...old, metadata: { ...old.metadata, unread_count: 0 } }));
  }
}

export function threadOf(inbox: Inbox, id: string): Thread {
  return inbox.threads[id] ?? emptyThread;
}

export function unreadCount(conversation: Conversation): number {
  const count = conversation.metadata?.["unread_count"];
  return typeof count === "number" ? count : 0;
}

export function displayName(conversation: Conversation): string {
  const contact = conversation.metadata?.["contact"];
  const name = typeof contact === "object" && contact !== null && "display_name" in contact ? contact.display_name : null;
  return typeof name === "string" && name !== "" ? name : `Contact ${conversation.id.slice(0, 5)}`;
}

export function channelName(channel: Channel): string {
  const name = channel.metadata?.["name"];
  return typeof name === "string" && name !== "" ? name : channel.source;
}

function listed(inbox: Inbox, page: ConversationPage, refresh: boolean): Inbox {
  const known = inbox.conversations ?? [];
  const fresh = page.data.map((conversation) => {
    const before = find(known, conversation.id)?.last_message;
    // An event that came while the list was on its way may have told of a newer message.
    const newer = before && conversation.last_message && before.sent_at > conversation.last_message.sent_at;
    return newer ? { ...conversation, last_message: before } : conversation;
  });
  // After a refresh the next page begins where it did, unless nothing beyond the first was read yet.
  const readFurther = refresh && known.length > page.data.length;
  const moreCursor = readFurther ? inbox.moreCursor : page.pagination_data.next_cursor;
  return { ...inbox, conversations: newestFirst(merge(known, fresh)), moreCursor, listError: null };
}

function loaded(thread: Thread, page: MessagePage, older: boolean): Thread {
  const next = page.pagination_data.next_cursor;
  const fresh = page.data.toReversed().map((message) => answered(find(thread.messages, message.id), message));
  const others = thread.messages.filter((known) => !find(fresh, known.id));
  // A first page that does not touch what is known leaves a gap; what is older is then read again from this page on.
  const gap = !older && others.length === thread.messages.length;
  if (gap) return { ...thread, messages: fresh, olderCursor: next, loading: false, error: null };
  // Messages of the same millisecond keep the order of the platform.
  const messages = oldestFirst(older ? [...fresh, ...others] : [...others, ...fresh]);
  return { ...thread, messages, olderCursor: older ? next : thread.olderCursor, loading: false, error: null };
}

function sent(inbox: Inbox, id: string, key: string, message: Message): Inbox {
  const known = find(threadOf(inbox, id).messages, message.id);
  return withMessage(
    onThread(inbox, id, (thread) => without(thread, key)),
    id,
    answered(known, message),
    false,
  );
}

function live(inbox: Inbox, event: LiveEvent): Inbox {
  switch (event.type) {
    case "message.created":
    case "message.updated":
      return withMessage(inbox, event.payload.conversation_id, event.payload.message, true);
    case "metadata.updated":
      return withMetadata(inbox, event.payload);
    case "channel.updated":
      return onChannel(inbox, event.payload.id, (old) => ({ ...event.payload, metadata: event.payload.metadata ?? old.metadata }));
  }
}

/** @param stranger the message may belong to a thread that nobody has opened; then only the list needs it. */
function withMessage(inbox: Inbox, id: string, message: Message, stranger: boolean): Inbox {
  const next = onConversation(inbox, id, (old) => {
    const last = old.last_message;
    if (last !== null && last.id !== message.id && last.sent_at > message.sent_at) return old;
    return { ...old, last_message: last?.id === message.id ? keepMetadata(last, message) : message };
  });
  if (stranger && !(id in inbox.threads)) return next;
  return onThread(next, id, (thread) => ({ ...thread, messages: oldestFirst(merge(thread.messages, [message])) }));
}

function withMetadata(inbox: Inbox, update: Extract<LiveEvent, { type: "metadata.updated" }>["payload"]): Inbox {
  const { subject, identifier: id, metadata } = update;
  if (subject === "conversation") return onConversation(inbox, id, (old) => ({ ...old, metadata: metadata ?? old.metadata }));
  if (subject === "channel") return onChannel(inbox, id, (old) => ({ ...old, metadata: metadata ?? old.metadata }));
  if (subject !== "message") return inbox;
  const threads = Object.entries(inbox.threads).map(([key, thread]): [string, Thread] => {
    if (!thread.messages.some((message) => message.id === id)) return [key, thread];
    return [key, { ...thread, messages: thread.messages.map((m) => (m.id === id ? { ...m, metadata } : m)) }];
  });
  return { ...inbox, threads: Object.fromEntries(threads) };
}

function onThread(inbox: Inbox, id: string, change: (thread: Thread) => Thread): Inbox {
  return { ...inbox, threads: { ...inbox.threads, [id]: change(threadOf(inbox, id)) } };
}

function onConversation(inbox: Inbox, id: string, change: (old: Conversation) => Conversation): Inbox {
  if (!inbox.conversations?.some((conversation) => conversation.id === id)) return inbox;
  return { ...inbox, conversations: newestFirst(inbox.conversations.map((old) => (old.id === id ? change(old) : old))) };
}

function onChannel(inbox: Inbox, id: string, change: (old: Channel) => Channel): Inbox {
  const conversations = inbox.conversations?.map((old) => (old.channel.id === id ? { ...old, channel: change(old.channel) } : old));
  return conversations ? { ...inbox, conversations } : inbox;
}

function without(thread: Thread, key: string): Thread {
  return { ...thread, drafts: thread.drafts.filter((draft) => draft.key !== key) };
}

/** Known items replaced in place, new ones added at the end. A message event carries no metadata; what is known of it stays. */
function merge<T extends { id: string; metadata: Message["metadata"] }>(known: T[], fresh: T[]): T[] {
  const byId = new Map(known.map((item) => [item.id, item]));
  for (const item of fresh) byId.set(item.id, keepMetadata(byId.get(item.id), item));
  return [...byId.values()];
}

/**
 * What an answer of the API says of a message, in the light of events that may have overtaken it: a message that was delivered or has
 * failed does not become pending again.
 */
function answered(known: Message | undefined, message: Message): Message {
  if (!known || known.delivery_state === "pending" || message.delivery_state !== "pending") return keepMetadata(known, message);
  return { ...message, delivery_state: known.delivery_state, metadata: known.metadata };
}

function find<T extends { id: string }>(items: T[], id: string): T | undefined {
  return items.find((item) => item.id === id);
}

function keepMetadata<T extends { metadata: Message["metadata"] }>(old: T | undefined, item: T): T {
  return { ...item, metadata: item.metadata ?? old?.metadata ?? null };
}

function oldestFirst(messages: Message[]): Message[] {
  return messages.toSorted((a, b) => compare(a.sent_at, b.sent_at));
}

function newestFirst(conversations: Conversation[]): Conversation[] {
  return conversations.toSorted((a, b) => compare(b.last_message?.sent_at ?? "", a.last_message?.sent_at ?? ""));
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
