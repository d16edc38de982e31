/** The inbox at work: reads and listens, and feeds the reducer. */
import { useEffect, useMemo, useReducer, useRef } from "react";
import { conversationInfo, listChannels, listConversations, listTags, listWaiting, markRead, workspaceName } from "../api/client.ts";
import { connectLive } from "../api/live.ts";
import type { LiveEvent } from "../api/shapes.ts";
import { everything, filtersOf, unreadCount } from "../api/view.ts";
import { remembered } from "../remember.ts";
import { type Actions, createActions } from "./actions.ts";
import { type Action, emptyInbox, type Inbox, reduce } from "./inbox.ts";
import { emptyList } from "./list.ts";

/** A conversation can be told of before the API lists it. */
const INFO_ATTEMPTS = 6;
/** More new conversations than these at once are read with the list. */
const ASKED_ONE_BY_ONE = 10;
const WAITING_EVERY_MS = 60_000;
/** Unread conversations that are counted message by message. */
const UNREAD_READ = 100;

/** @param selected the conversation that is looked at, if any. */
export function useInbox(selected: string | null): [Inbox, Actions] {
  const [inbox, dispatch] = useReducer(reduce, null, inboxAsLeft);
  const latest = useRef({ inbox, selected });
  latest.current = { inbox, selected };
  const actions = useMemo(() => createActions(dispatch, () => latest.current.inbox), []);

  useEffect(() => {
    const strangers = createStrangers(dispatch, actions.reload);
    const catchUp = () => {
      actions.reload();
      void readAround(dispatch);
      if (latest.current.selected !== null) actions.open(latest.current.selected);
    };
    // The first reading does not wait for the WebSocket: the API may answer where it cannot be reached.
    catchUp();
    const end = connectLive({
      onLive: () => {
        dispatch({ type: "connection", state: "live" });
        catchUp();
      },
      onLost: () => dispatch({ type: "connection", state: "lost" }),
      onEvents: (events) => {
        dispatch({ type: "events", events });
        for (const id of spokenOf(events)) if (!(id in latest.current.inbox.conversations)) strangers.meet(id);
      },
    });
    const looking = setInterval(() => document.visibilityState === "visible" && void readWaiting(dispatch), WAITING_EVERY_MS);
    return () => {
      clearInterval(looking);
      strangers.stop();
      end();
    };
  }, [actions]);

  useEffect(() => {
    if (selected !== null) actions.open(selected);
  }, [actions, selected]);

  // A link may lead to a conversation that is further down than what was read.
  const unknown = selected !== null && inbox.list.ids !== null && !(selected in inbox.conversations) ? selected : null;
  useEffect(() => {
    if (unknown === null) return;
    conversationInfo(unknown).then(
      (conversation) => dispatch({ type: "conversation", conversation }),
      () => dispatch({ type: "missing", id: unknown }),
    );
  }, [unknown]);

  useMarkRead(inbox, selected, dispatch);
  return [inbox, actions];
}

/** Open, closed or all, as this browser showed it last. */
function inboxAsLeft(): Inbox {
  const state = remembered("state");
  return state === "open" || state === "closed" ? { ...emptyInbox, list: emptyList({ ...everything, state }) } : emptyInbox;
}

/** What stands around the list. An older platform does not have all of it; what does not answer is left out. */
async function readAround(dispatch: (action: Action) => void): Promise<void> {
  const ignore = () => {};
  await Promise.all([
    workspaceName().then((name) => dispatch({ type: "workspace", name }), ignore),
    listChannels().then((channels) => dispatch({ type: "channels", channels }), ignore),
    readWaiting(dispatch),
    listTags().then((tags) => dispatch({ type: "tags", tags }), ignore),
    listConversations(filtersOf({ ...everything, unread: true }), null, UNREAD_READ).then(
      (page) => dispatch({ type: "unread", page }),
      ignore,
    ),
  ]);
}

/** Told by nobody, so asked for from time to time. */
function readWaiting(dispatch: (action: Action) => void): Promise<void> {
  return listWaiting().then(
    (waiting) => dispatch({ type: "waiting", waiting }),
    () => {},
  );
}

function spokenOf(events: LiveEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "message.created" || event.type === "message.updated" ? [event.payload.conversation_id] : [],
  );
}

/** Conversations of which an event told first: asks for each, or for the list again when there are many at once. */
function createStrangers(dispatch: (action: Action) => void, reload: () => void) {
  const asked = new Set<string>();
  const met = new Set<string>();
  const stop = new AbortController();
  let later: ReturnType<typeof setTimeout> | null = null;

  async function introduce(id: string): Promise<void> {
    for (let attempt = 1; attempt <= INFO_ATTEMPTS && !stop.signal.aborted; attempt++) {
      try {
        return dispatch({ type: "conversation", conversation: await conversationInfo(id) });
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
    if (!stop.signal.aborted) reload();
  }

  function greet(): void {
    later = null;
    const ids = [...met];
    met.clear();
    if (ids.length > ASKED_ONE_BY_ONE) return reload();
    for (const id of ids) {
      if (asked.has(id)) continue;
      asked.add(id);
      void introduce(id).finally(() => asked.delete(id));
    }
  }

  return {
    meet(id: string) {
      met.add(id);
      later ??= setTimeout(greet, 100);
    },
    stop() {
      stop.abort();
      if (later !== null) clearTimeout(later);
    },
  };
}

/** What is looked at in a visible window is read. */
function useMarkRead(inbox: Inbox, selected: string | null, dispatch: (action: Action) => void): void {
  const conversation = selected === null ? undefined : inbox.conversations[selected];
  const unread = conversation ? unreadCount(conversation) : 0;
  useEffect(() => {
    if (selected === null || unread === 0) return;
    const mark = () => {
      if (document.visibilityState !== "visible") return;
      dispatch({ type: "changed", id: selected, metadata: { unread_count: 0 } });
      markRead(selected).catch(() => {});
    };
    mark();
    document.addEventListener("visibilitychange", mark);
    return () => document.removeEventListener("visibilitychange", mark);
  }, [selected, unread, dispatch]);
}
