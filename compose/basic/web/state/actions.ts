/** What a user can do, each with what becomes of it. */
import * as api from "../api/client.ts";
import type { Metadata, Tag } from "../api/shapes.ts";
import { filtersOf, isClosed, type View } from "../api/view.ts";
import { displayName } from "../content/names.ts";
import { remember } from "../remember.ts";
import type { Action, Inbox } from "./inbox.ts";
import { nextCursor } from "./list.ts";
import { threadOf } from "./thread.ts";

export interface Actions {
  /** Reads the list from its top, as far as it was read. */
  reload: () => void;
  loadMore: () => void;
  setView: (view: View) => void;
  /** Reads the newest messages of a conversation. */
  open: (id: string) => void;
  loadOlder: (id: string) => void;
  atNewest: (id: string) => void;
  send: (id: string, content: unknown) => void;
  discard: (id: string, key: string) => void;
  /** `asPerson`: after the 24 hours. */
  resend: (id: string, messageId: string, asPerson: boolean) => void;
  /** Closed becomes open, open closed; can be undone. */
  toggleState: (id: string) => void;
  rename: (id: string, name: string) => void;
  tag: (id: string, tag: Tag) => void;
  untag: (id: string, tag: Tag) => void;
  createTag: (name: string, color: string, conversation: string | null) => void;
  updateTag: (tag: Tag) => void;
  deleteTag: (tag: Tag) => void;
  dismiss: () => void;
}

const PAGE = 50;
const MOST_AT_ONCE = 500;

export function createActions(dispatch: (action: Action) => void, current: () => Inbox): Actions {
  const say = (text: string, undo: (() => void) | null = null) => dispatch({ type: "notice", notice: { text, undo } });
  const reading = createReading(dispatch, current);

  /** Shows the change at once; when the platform does not take it, says so and shows what is true. */
  function change(id: string, metadata: Metadata, work: Promise<void>, failed: string): Promise<boolean> {
    dispatch({ type: "changed", id, metadata });
    return work.then(
      () => true,
      async (error: unknown) => {
        say(`${failed} ${textOf(error)}`);
        const conversation = await api.conversationInfo(id).catch(() => null);
        if (conversation !== null) dispatch({ type: "conversation", conversation });
        return false;
      },
    );
  }

  function setState(id: string, state: "OPEN" | "CLOSED", undo: boolean): void {
    const conversation = current().conversations[id];
    if (!conversation) return;
    const verb = state === "CLOSED" ? "closed" : "opened again";
    void change(id, { state }, api.setState(id, state), `The conversation was not ${verb}.`).then((done) => {
      const back = state === "CLOSED" ? "OPEN" : "CLOSED";
      if (done && undo) say(`${displayName(conversation)}: ${verb}.`, () => setState(id, back, false));
    });
  }

  function setTag(id: string, tag: Tag, on: boolean): void {
    const { [tag.id]: _, ...others } = (current().conversations[id]?.metadata?.["tags"] ?? {}) as Record<string, string>;
    const tags = on ? { ...others, [tag.id]: "" } : others;
    const work = on ? api.tagConversation(id, tag.id) : api.untagConversation(id, tag.id);
    void change(id, { tags }, work, `The tag was not ${on ? "added" : "removed"}.`);
  }

  function changeTags(work: Promise<unknown>, failed: string): void {
    void work
      .catch((error: unknown) => say(`${failed} ${textOf(error)}`))
      .then(() => api.listTags())
      .then(
        (tags) => dispatch({ type: "tags", tags }),
        () => {},
      );
  }

  let drafts = 0;
  return {
    ...reading,
    atNewest: (id) => dispatch({ type: "atNewest", id }),
    send: (id, content) => {
      const key = `draft-${(drafts += 1)}`;
      dispatch({ type: "drafted", id, draft: { key, content, at: new Date().toISOString(), error: null } });
      api.sendMessage(id, content).then(
        (message) => dispatch({ type: "sent", id, key, message }),
        (error: unknown) => dispatch({ type: "sendFailed", id, key, error: textOf(error) }),
      );
    },
    discard: (id, key) => dispatch({ type: "discarded", id, key }),
    resend: (id, messageId, asPerson) => {
      dispatch({ type: "resending", id, messageId });
      api.resend(messageId, asPerson).catch((error: unknown) => {
        say(`The reply was not sent again. ${textOf(error)}`);
        reading.open(id);
      });
    },
    toggleState: (id) => {
      const conversation = current().conversations[id];
      if (conversation) setState(id, isClosed(conversation) ? "OPEN" : "CLOSED", true);
    },
    rename: (id, name) => {
      const contact = (current().conversations[id]?.metadata?.["contact"] ?? {}) as Record<string, unknown>;
      void change(id, { contact: { ...contact, display_name: name } }, api.rename(id, name), "The name was not changed.");
    },
    tag: (id, tag) => setTag(id, tag, true),
    untag: (id, tag) => setTag(id, tag, false),
    createTag: (name, color, conversation) => {
      const work = api.createTag(name, color).then((tag) => {
        if (conversation !== null) setTag(conversation, tag, true);
      });
      changeTags(work, "The tag was not created.");
    },
    updateTag: ({ id, name, color }) => changeTags(api.updateTag(id, name, color), "The tag was not changed."),
    deleteTag: ({ id }) => changeTags(api.deleteTag(id), "The tag was not deleted."),
    dismiss: () => dispatch({ type: "notice", notice: null }),
  };
}

function createReading(dispatch: (action: Action) => void, current: () => Inbox) {
  function read(view: View, cursor: string | null, size: number): void {
    dispatch({ type: "listLoading", view });
    api.listConversations(filtersOf(view), cursor, size).then(
      (page) => dispatch({ type: "listLoaded", view, page, refresh: cursor === null }),
      (error: unknown) => dispatch({ type: "listFailed", view, error: textOf(error) }),
    );
  }
  function readThread(id: string, cursor: string | null): void {
    dispatch({ type: "threadLoading", id });
    api.listMessages(id, cursor).then(
      (page) => dispatch({ type: "threadLoaded", id, page, older: cursor !== null }),
      (error: unknown) => dispatch({ type: "threadFailed", id, error: textOf(error) }),
    );
  }
  return {
    reload: () => {
      const { view, ids } = current().list;
      read(view, null, Math.min(MOST_AT_ONCE, Math.max(PAGE, ids?.length ?? 0)));
    },
    loadMore: () => {
      const { list, conversations } = current();
      const cursor = nextCursor(list, conversations);
      if (cursor !== null && list.pending === 0) read(list.view, cursor, PAGE);
    },
    setView: (view: View) => {
      remember("state", view.state === "all" ? null : view.state);
      dispatch({ type: "view", view });
      read(view, null, PAGE);
    },
    open: (id: string) => readThread(id, null),
    loadOlder: (id: string) => {
      const { olderCursor, loading } = threadOf(current(), id);
      if (olderCursor !== null && !loading) readThread(id, olderCursor);
    },
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : "Something went wrong.";
}
