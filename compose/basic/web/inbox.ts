/** The inbox at work: reads, sends and listens, and feeds the reducer. */
import { useEffect, useMemo, useReducer, useRef } from "react";
import { ApiError, conversationInfo, listConversations, listMessages, markRead, sendText } from "./api.ts";
import { connectLive } from "./live.ts";
import { type Action, emptyInbox, type Inbox, reduce, threadOf, unreadCount } from "./state.ts";

export interface Actions {
  reload: () => void;
  loadMore: () => void;
  /** Reads the newest messages of a conversation, and it as read. */
  open: (id: string) => void;
  loadOlder: (id: string) => void;
  send: (id: string, text: string) => void;
  discard: (id: string, key: string) => void;
}

/** A conversation can be told of before the API lists it. */
const infoAttempts = 6;

/** @param selected the conversation that is looked at, if any. */
export function useInbox(selected: string | null): [Inbox, Actions] {
  const [inbox, dispatch] = useReducer(reduce, emptyInbox);
  const latest = useRef({ inbox, selected });
  latest.current = { inbox, selected };
  const actions = useMemo(() => createActions(dispatch, () => latest.current.inbox), []);

  useEffect(() => {
    const asked = new Set<string>();
    return connectLive({
      onLive: () => {
        dispatch({ type: "connection", state: "live" });
        actions.reload();
        if (latest.current.selected !== null) actions.open(latest.current.selected);
      },
      onLost: () => dispatch({ type: "connection", state: "lost" }),
      onEvent: (event) => {
        dispatch({ type: "live", event });
        if (event.type !== "message.created" && event.type !== "message.updated") return;
        const id = event.payload.conversation_id;
        const known = latest.current.inbox.conversations?.some((conversation) => conversation.id === id);
        if (known || asked.has(id)) return;
        asked.add(id);
        void introduce(id, dispatch).finally(() => asked.delete(id));
      },
    });
  }, [actions]);

  // The first reading does not wait for the WebSocket: the API may answer where it cannot be reached.
  useEffect(() => actions.reload(), [actions]);

  useEffect(() => {
    if (selected !== null) actions.open(selected);
  }, [actions, selected]);

  // A link may lead to a conversation that is further down than what was read.
  const listed = inbox.conversations !== null;
  useEffect(() => {
    if (!listed || selected === null || latest.current.inbox.conversations?.some((c) => c.id === selected)) return;
    conversationInfo(selected).then(
      (conversation) => dispatch({ type: "conversation", conversation }),
      () => {},
    );
  }, [listed, selected]);

  useMarkRead(inbox, selected, dispatch);
  return [inbox, actions];
}

function createActions(dispatch: (action: Action) => void, current: () => Inbox): Actions {
  const read = (cursor: string | null) =>
    listConversations(cursor).then(
      (page) => dispatch({ type: "conversations", page, refresh: cursor === null }),
      (error: unknown) => dispatch({ type: "listFailed", error: textOf(error) }),
    );
  const readThread = (id: string, cursor: string | null) => {
    dispatch({ type: "threadLoading", id });
    return listMessages(id, cursor).then(
      (page) => dispatch({ type: "threadLoaded", id, page, older: cursor !== null }),
      (error: unknown) => dispatch({ type: "threadFailed", id, error: textOf(error) }),
    );
  };
  let readingMore = false;
  let drafts = 0;
  return {
    reload: () => void read(null),
    loadMore: () => {
      const cursor = current().moreCursor;
      if (cursor === null || readingMore) return;
      readingMore = true;
      void read(cursor).finally(() => (readingMore = false));
    },
    open: (id) => void readThread(id, null),
    loadOlder: (id) => {
      const { olderCursor, loading } = threadOf(current(), id);
      if (olderCursor !== null && !loading) void readThread(id, olderCursor);
    },
    send: (id, text) => {
      const key = `draft-${(drafts += 1)}`;
      dispatch({ type: "drafted", id, draft: { key, text, at: new Date().toISOString(), error: null } });
      sendText(id, text).then(
        (message) => dispatch({ type: "sent", id, key, message }),
        (error: unknown) => dispatch({ type: "sendFailed", id, key, error: sendErrorText(error) }),
      );
    },
    discard: (id, key) => dispatch({ type: "discarded", id, key }),
  };
}

/** A message of a conversation that is not in the list: asks for it, and reads the list again when it cannot be had alone. */
async function introduce(id: string, dispatch: (action: Action) => void): Promise<void> {
  for (let attempt = 1; attempt <= infoAttempts; attempt++) {
    try {
      return dispatch({ type: "conversation", conversation: await conversationInfo(id) });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  const page = await listConversations(null).catch(() => null);
  if (page !== null) dispatch({ type: "conversations", page, refresh: true });
}

/** What is looked at in a visible window is read. */
function useMarkRead(inbox: Inbox, selected: string | null, dispatch: (action: Action) => void): void {
  const conversation = inbox.conversations?.find((c) => c.id === selected);
  const unread = conversation ? unreadCount(conversation) : 0;
  useEffect(() => {
    if (selected === null || unread === 0) return;
    const mark = () => {
      if (document.visibilityState !== "visible") return;
      dispatch({ type: "read", id: selected });
      markRead(selected).catch(() => {});
    };
    mark();
    document.addEventListener("visibilitychange", mark);
    return () => document.removeEventListener("visibilitychange", mark);
  }, [selected, unread, dispatch]);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : "Something went wrong.";
}

function sendErrorText(error: unknown): string {
  if (error instanceof ApiError && error.status === 403) return "The channel of this conversation is not connected any more.";
  return textOf(error);
}
