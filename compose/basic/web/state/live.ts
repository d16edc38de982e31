/** What a live event changes. */
import type { Channel, Conversation, LiveEvent, Message, Tag } from "../api/shapes.ts";
import { enter, type List, place, touched } from "./list.ts";
import { keepMetadata, mergeMessages, type Thread, withThread } from "./thread.ts";

interface Told {
  channels: Channel[] | null;
  tags: Tag[];
  conversations: Readonly<Record<string, Conversation>>;
  list: List;
  threads: Readonly<Record<string, Thread>>;
}

/** @param own the message is this user's, whose thread is open for sure. */
export function live<State extends Told>(state: State, event: LiveEvent, own = false): State {
  switch (event.type) {
    case "message.created":
    case "message.updated":
      return withMessage(state, event.payload.conversation_id, event.payload.message, own);
    case "metadata.updated":
      return withMetadata(state, event.payload);
    case "channel.updated":
      return withChannel(state, event.payload);
    case "tag.updated":
      return { ...state, tags: [...state.tags.filter((tag) => tag.id !== event.payload.id), event.payload].toSorted(byName) };
  }
}

function byName(a: Tag, b: Tag): number {
  return a.name.localeCompare(b.name);
}

function withMessage<State extends Told>(state: State, id: string, message: Message, own: boolean): State {
  const next = onConversation(state, id, (old) => {
    const last = old.last_message;
    if (last !== null && last.id !== message.id && last.sent_at > message.sent_at) return old;
    return { ...old, last_message: last?.id === message.id ? keepMetadata(last, message) : message };
  });
  // The messages of a thread that nobody has opened are read when somebody does.
  if (!own && !(id in state.threads)) return next;
  return withThread(next, id, (thread) => mergeMessages(thread, [message]));
}

function withMetadata<State extends Told>(state: State, update: Extract<LiveEvent, { type: "metadata.updated" }>["payload"]): State {
  const { subject, identifier: id, metadata } = update;
  if (metadata === null) return state;
  if (subject === "conversation") return onConversation(state, id, (old) => ({ ...old, metadata }));
  if (subject === "channel") return onChannel(state, id, (old) => ({ ...old, metadata }));
  return subject === "message" ? withMessageMetadata(state, id, metadata) : state;
}

function withMessageMetadata<State extends Told>(state: State, id: string, metadata: Message["metadata"]): State {
  const holds = Object.entries(state.threads).find(([, { messages }]) => messages.some((message) => message.id === id));
  const listed = Object.values(state.conversations).find((conversation) => conversation.last_message?.id === id);
  let next = state;
  if (holds) {
    const messages = holds[1].messages.map((message) => (message.id === id ? { ...message, metadata } : message));
    next = withThread(next, holds[0], (thread) => ({ ...thread, messages }));
  }
  if (!listed?.last_message) return next;
  const last = { ...listed.last_message, metadata };
  return onConversation(next, listed.id, (old) => ({ ...old, last_message: last }));
}

function onConversation<State extends Told>(state: State, id: string, change: (old: Conversation) => Conversation): State {
  const old = state.conversations[id];
  if (!old) return state;
  const changed = change(old);
  const conversations = { ...state.conversations, [id]: changed };
  const step = changed.last_message?.id === old.last_message?.id ? place : enter;
  return { ...state, conversations, list: touched(step(state.list, conversations, id), id) };
}

/** Events of a channel carry no metadata; what is known of it stays. */
function withChannel<State extends Told>(state: State, channel: Channel): State {
  const known = (state.channels ?? []).find((each) => each.id === channel.id);
  const others = (state.channels ?? []).filter((each) => each.id !== channel.id);
  const channels = channel.connected ? [...others, keepMetadata(known, channel)] : others;
  return onChannel({ ...state, channels: state.channels === null ? null : channels }, channel.id, (old) => keepMetadata(old, channel));
}

function onChannel<State extends Told>(state: State, id: string, change: (old: Channel) => Channel): State {
  const conversations = Object.fromEntries(
    Object.entries(state.conversations).map(([key, old]) => [key, old.channel.id === id ? { ...old, channel: change(old.channel) } : old]),
  );
  return { ...state, conversations, channels: state.channels?.map((old) => (old.id === id ? change(old) : old)) ?? null };
}
