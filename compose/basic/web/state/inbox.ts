/** What the inbox knows: a pure reducer over answers of the API, live events and what the user does. */
import type { Channel, Conversation, ConversationPage, LiveEvent, Message, MessagePage, Metadata, Tag, Waiting } from "../api/shapes.ts";
import { everything, type View } from "../api/view.ts";
import { answered, asking, emptyList, enter, type List, loadedList, place, touched } from "./list.ts";
import { live } from "./live.ts";
import { type Draft, loadedThread, settled, type Thread, threadOf, trimmed, withThread } from "./thread.ts";

export interface Inbox {
  /** Whether live events arrive. */
  connection: "connecting" | "live" | "lost";
  workspace: string | null;
  /** null before the first answer. */
  channels: Channel[] | null;
  tags: Tag[];
  /** Deliveries of pages that are not connected. */
  waiting: Waiting[];
  /** All that is known, shown or not, by id. */
  conversations: Readonly<Record<string, Conversation>>;
  list: List;
  threads: Readonly<Record<string, Thread>>;
  /** Unread conversations beyond those that are known. */
  unreadBeyond: number;
  /** Conversations that the platform does not know. */
  missing: readonly string[];
  /** What the last action came to, for a moment. */
  notice: { text: string; undo: (() => void) | null } | null;
}

export type Action =
  | { type: "connection"; state: Inbox["connection"] }
  | { type: "workspace"; name: string | null }
  | { type: "channels"; channels: Channel[] }
  | { type: "tags"; tags: Tag[] }
  | { type: "waiting"; waiting: Waiting[] }
  | { type: "view"; view: View }
  | { type: "listLoading"; view: View }
  /** `refresh`: the list from its top anew. */
  | { type: "listLoaded"; view: View; page: ConversationPage; refresh: boolean }
  | { type: "listFailed"; view: View; error: string }
  | { type: "unread"; page: ConversationPage }
  | { type: "conversation"; conversation: Conversation }
  | { type: "missing"; id: string }
  /** The user's own change, before the platform has told of it. */
  | { type: "changed"; id: string; metadata: Metadata }
  | { type: "threadLoading"; id: string }
  | { type: "threadLoaded"; id: string; page: MessagePage; older: boolean }
  | { type: "threadFailed"; id: string; error: string }
  /** The newest message is in view: what lies far above need not be kept. */
  | { type: "atNewest"; id: string }
  | { type: "events"; events: LiveEvent[] }
  | { type: "drafted"; id: string; draft: Draft }
  | { type: "sent"; id: string; key: string; message: Message }
  | { type: "sendFailed"; id: string; key: string; error: string }
  | { type: "discarded"; id: string; key: string }
  | { type: "resending"; id: string; messageId: string }
  | { type: "notice"; notice: Inbox["notice"] };

export const emptyInbox: Inbox = {
  connection: "connecting",
  workspace: null,
  channels: null,
  tags: [],
  waiting: [],
  conversations: {},
  list: emptyList(everything),
  threads: {},
  unreadBeyond: 0,
  missing: [],
  notice: null,
};

/** Conversations whose messages are kept. */
const THREADS_KEPT = 8;

export function reduce(inbox: Inbox, action: Action): Inbox {
  switch (action.type) {
    case "connection":
      return { ...inbox, connection: action.state };
    case "workspace":
      return { ...inbox, workspace: action.name };
    case "channels":
      return { ...inbox, channels: action.channels };
    case "tags":
      return { ...inbox, tags: action.tags };
    case "waiting":
      return { ...inbox, waiting: action.waiting };
    case "view":
      return { ...inbox, list: emptyList(action.view) };
    case "listLoading":
      return onList(inbox, action.view, asking);
    case "listLoaded":
      return action.view === inbox.list.view ? listed(inbox, action.page, action.refresh) : inbox;
    case "listFailed":
      return onList(inbox, action.view, (list) => ({ ...list, ...answered(list), error: action.error }));
    case "unread":
      return unreadKnown(inbox, action.page);
    case "conversation":
      return introduced(inbox, action.conversation);
    case "missing":
      return { ...inbox, missing: [...inbox.missing.slice(-99), action.id] };
    case "changed":
      return changed(inbox, action.id, action.metadata);
    case "threadLoading":
      return opened(
        withThread(inbox, action.id, (thread) => ({ ...thread, loading: true, error: null })),
        action.id,
      );
    case "threadLoaded":
      return withThread(inbox, action.id, (thread) => loadedThread(thread, action.page, action.older));
    case "threadFailed":
      return withThread(inbox, action.id, (thread) => ({ ...thread, loading: false, error: action.error }));
    case "atNewest":
      return trimmed(threadOf(inbox, action.id)) ? withThread(inbox, action.id, (thread) => trimmed(thread) ?? thread) : inbox;
    case "events":
      return action.events.reduce((before, event) => live(before, event), inbox);
    case "drafted":
      return withThread(inbox, action.id, (thread) => ({ ...thread, drafts: [...thread.drafts, action.draft] }));
    case "sent":
      return sent(inbox, action.id, action.key, action.message);
    case "sendFailed":
      return withThread(inbox, action.id, (thread) => ({
        ...thread,
        drafts: thread.drafts.map((draft) => (draft.key === action.key ? { ...draft, error: action.error } : draft)),
      }));
    case "discarded":
      return withThread(inbox, action.id, (thread) => without(thread, action.key));
    case "resending":
      return withThread(inbox, action.id, (thread) => ({
        ...thread,
        messages: thread.messages.map((m) => (m.id === action.messageId ? { ...m, delivery_state: "pending" } : m)),
      }));
    case "notice":
      return { ...inbox, notice: action.notice };
  }
}

/** What the tab's title counts. */
export function unreadMessages(inbox: Inbox): { count: number; more: boolean } {
  let count = 0;
  for (const { metadata } of Object.values(inbox.conversations)) {
    const unread = metadata?.["unread_count"];
    if (typeof unread === "number" && unread > 0) count += unread;
  }
  return { count, more: inbox.unreadBeyond > 0 };
}

function onList(inbox: Inbox, view: View, change: (list: List) => List): Inbox {
  return view === inbox.list.view ? { ...inbox, list: change(inbox.list) } : inbox;
}

function listed(inbox: Inbox, page: ConversationPage, refresh: boolean): Inbox {
  const conversations = { ...(refresh ? worthKeeping(inbox) : inbox.conversations) };
  for (const conversation of page.data) {
    const known = inbox.conversations[conversation.id];
    const fresh = newer(known, conversation);
    conversations[conversation.id] = known && inbox.list.touched.includes(known.id) ? { ...fresh, metadata: known.metadata } : fresh;
  }
  return { ...inbox, conversations, list: loadedList(inbox.list, conversations, page, refresh) };
}

/** Nothing is kept for ever only because it was once scrolled past. */
function worthKeeping({ conversations, threads, list }: Inbox): Record<string, Conversation> {
  const seen = new Set([...(list.ids ?? []), ...Object.keys(threads)]);
  return Object.fromEntries(Object.entries(conversations).filter(([id, { metadata }]) => seen.has(id) || metadata?.["unread_count"] !== 0));
}

/** An event that came while an answer was on its way may have told of a newer message. */
function newer(before: Conversation | undefined, fresh: Conversation): Conversation {
  const last = before?.last_message;
  if (!last || (fresh.last_message !== null && last.sent_at <= fresh.last_message.sent_at)) return fresh;
  return { ...fresh, last_message: last };
}

function unreadKnown(inbox: Inbox, page: ConversationPage): Inbox {
  const told = new Set(page.data.map((conversation) => conversation.id));
  const conversations = { ...inbox.conversations };
  for (const conversation of page.data) conversations[conversation.id] = newer(conversations[conversation.id], conversation);
  const total = page.pagination_data.total ?? page.data.length;
  const known = Object.values(conversations).filter((each) => each.metadata?.["unread_count"] && !told.has(each.id)).length;
  return { ...inbox, conversations, unreadBeyond: Math.max(0, total - told.size - known) };
}

function introduced(inbox: Inbox, conversation: Conversation): Inbox {
  const conversations = { ...inbox.conversations, [conversation.id]: newer(inbox.conversations[conversation.id], conversation) };
  const missing = inbox.missing.filter((id) => id !== conversation.id);
  return { ...inbox, conversations, missing, list: touched(enter(inbox.list, conversations, conversation.id), conversation.id) };
}

function changed(inbox: Inbox, id: string, metadata: Metadata): Inbox {
  const old = inbox.conversations[id];
  if (!old) return inbox;
  const conversations = { ...inbox.conversations, [id]: { ...old, metadata: { ...old.metadata, ...metadata } } };
  return { ...inbox, conversations, list: place(inbox.list, conversations, id) };
}

/** Moves the thread to the end of those that are kept, and lets go of the one that was not looked at for the longest. */
function opened(inbox: Inbox, id: string): Inbox {
  const { [id]: thread, ...others } = inbox.threads;
  if (!thread) return inbox;
  const kept = Object.entries(others).filter(([, { drafts }], at, all) => drafts.length > 0 || at >= all.length - THREADS_KEPT + 1);
  return { ...inbox, threads: { ...Object.fromEntries(kept), [id]: thread } };
}

function sent(inbox: Inbox, id: string, key: string, message: Message): Inbox {
  const known = threadOf(inbox, id).messages.find((each) => each.id === message.id);
  const next = withThread(inbox, id, (thread) => without(thread, key));
  return live(next, { type: "message.created", payload: { conversation_id: id, message: settled(known, message) } }, true);
}

function without(thread: Thread, key: string): Thread {
  return { ...thread, drafts: thread.drafts.filter((draft) => draft.key !== key) };
}
