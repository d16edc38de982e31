import { describe, expect, it } from "vitest";
import { preview, readContent } from "../../../compose/basic/web/content.ts";
import type { Conversation, Message } from "../../../compose/basic/web/shapes.ts";
import { type Action, emptyInbox, type Inbox, reduce, threadOf, unreadCount } from "../../../compose/basic/web/state.ts";

function message(id: string, over: Partial<Message> = {}): Message {
  return {
    id,
    content: { text: id },
    sent_at: "2026-01-01T00:00:00.000Z",
    delivery_state: "delivered",
    from_contact: true,
    metadata: {},
    ...over,
  };
}

function conversation(id: string, last: Message, unread = 0): Conversation {
  const channel = { id: "ch", source: "facebook", connected: true, metadata: { name: "Page" } };
  return { id, channel, metadata: { contact: { display_name: id }, unread_count: unread }, last_message: last };
}

function play(...actions: Action[]): Inbox {
  return actions.reduce(reduce, emptyInbox);
}

const messages = (data: Message[], next: string | null = null, older = false): Action => ({
  type: "threadLoaded",
  id: "c",
  older,
  page: { data, pagination_data: { next_cursor: next } },
});
const conversations = (data: Conversation[], next: string | null = null, refresh = true): Action => ({
  type: "conversations",
  refresh,
  page: { data, pagination_data: { next_cursor: next } },
});
const created = (m: Message, id = "c"): Action => ({
  type: "live",
  event: { type: "message.created", payload: { conversation_id: id, message: m } },
});
const ids = (inbox: Inbox) => threadOf(inbox, "c").messages.map((m) => m.id);

describe("messages", () => {
  it("are turned from newest first to oldest first, also within a millisecond and over pages", () => {
    const inbox = play(
      messages([message("6"), message("5"), message("4")], "3"),
      messages([message("3"), message("2"), message("1")], null, true),
    );
    expect(ids(inbox)).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(threadOf(inbox, "c").olderCursor).toBeNull();
  });

  it("are upserted by id, and an event without metadata takes none away", () => {
    const inbox = play(
      messages([message("1", { delivery_state: "pending", metadata: { source: { id: "x" } } })]),
      created(message("1", { delivery_state: "delivered", metadata: null })),
    );
    expect(threadOf(inbox, "c").messages).toMatchObject([{ delivery_state: "delivered", metadata: { source: { id: "x" } } }]);
  });

  it("do not become pending again by an answer that an event has overtaken", () => {
    const failed = { delivery_state: "failed", metadata: { error: "no" } } as const;
    const pending = message("1", { delivery_state: "pending", from_contact: false });
    const inbox = play(
      messages([message("0")]),
      created(message("1", failed)),
      { type: "sent", id: "c", key: "k", message: pending },
      messages([pending, message("0")]),
    );
    expect(threadOf(inbox, "c").messages[1]).toMatchObject(failed);
  });

  it("do become pending again by an event: somebody sends again", () => {
    const inbox = play(
      messages([message("1", { delivery_state: "failed" })]),
      created(message("1", { delivery_state: "pending", metadata: null })),
    );
    expect(threadOf(inbox, "c").messages[0]!.delivery_state).toBe("pending");
  });

  it("begin anew at a first page that leaves a gap", () => {
    const inbox = play(messages([message("2"), message("1")]), messages([message("99"), message("98")], "97"));
    expect(ids(inbox)).toEqual(["98", "99"]);
    expect(threadOf(inbox, "c").olderCursor).toBe("97");
  });

  it("keep the place where older ones begin over a refresh", () => {
    const inbox = play(messages([message("3"), message("2")], "1"), messages([message("4"), message("3")], "2"));
    expect(ids(inbox)).toEqual(["2", "3", "4"]);
    expect(threadOf(inbox, "c").olderCursor).toBe("1");
  });

  it("of a conversation that was not opened wait for it to be opened", () => {
    expect(play(created(message("1"))).threads).toEqual({});
  });

  it("take over what changed of their metadata", () => {
    const inbox = play(messages([message("1")]), {
      type: "live",
      event: { type: "metadata.updated", payload: { subject: "message", identifier: "1", metadata: { error: "why" } } },
    });
    expect(threadOf(inbox, "c").messages[0]!.metadata).toEqual({ error: "why" });
  });
});

describe("a reply", () => {
  const draft: Action = { type: "drafted", id: "c", draft: { key: "k", text: "hi", at: "", error: null } };
  it("becomes a message when the platform has it", () => {
    const thread = threadOf(play(draft, { type: "sent", id: "c", key: "k", message: message("1") }), "c");
    expect(thread).toMatchObject({ drafts: [], messages: [{ id: "1" }] });
  });

  it("stays with the reason when the platform did not take it", () => {
    expect(threadOf(play(draft, { type: "sendFailed", id: "c", key: "k", error: "why" }), "c").drafts).toMatchObject([
      { text: "hi", error: "why" },
    ]);
  });
});

describe("conversations", () => {
  const [old, young] = [message("1"), message("2", { sent_at: "2026-01-02T00:00:00.000Z" })];

  it("move up with a new message, and not with an old one", () => {
    const two = conversations([conversation("a", young), conversation("b", old)]);
    const later = message("3", { sent_at: "2026-01-03T00:00:00.000Z" });
    expect(play(two, created(later, "b")).conversations!.map((c) => c.id)).toEqual(["b", "a"]);
    expect(
      play(two, created(message("0", { sent_at: "2025-01-01T00:00:00.000Z" }), "b")).conversations!.map((c) => c.last_message!.id),
    ).toEqual(["2", "1"]);
  });

  it("keep a newer last message over a list that was on its way", () => {
    const inbox = play(conversations([conversation("a", young)]), conversations([conversation("a", old, 5)]));
    expect(inbox.conversations![0]!.last_message!.id).toBe("2");
  });

  it("take over what changed of their metadata, and nothing when it is unknown", () => {
    const update = (identifier: string): Action => ({
      type: "live",
      event: { type: "metadata.updated", payload: { subject: "conversation", identifier, metadata: { unread_count: 7 } } },
    });
    const inbox = play(conversations([conversation("a", old)]), update("a"), update("nobody"));
    expect(inbox.conversations!.map(unreadCount)).toEqual([7]);
  });

  it("of further pages survive a refresh of the first", () => {
    const inbox = play(
      conversations([conversation("a", young)], "1"),
      conversations([conversation("b", old)], "2", false),
      conversations([conversation("a", young)], "1"),
    );
    expect(inbox.conversations!.map((c) => c.id)).toEqual(["a", "b"]);
    expect(inbox.moreCursor).toBe("2");
  });

  it("keep the name of a channel that was disconnected", () => {
    const channel = { id: "ch", source: "facebook", connected: false, metadata: null };
    const inbox = play(conversations([conversation("a", old)]), { type: "live", event: { type: "channel.updated", payload: channel } });
    expect(inbox.conversations![0]!.channel).toMatchObject({ connected: false, metadata: { name: "Page" } });
  });
});

describe("content", () => {
  it.each<[string, unknown, string]>([
    ["a Facebook message", { message: { mid: "m", text: "hello" } }, "hello"],
    ["what was sent", { text: "reply" }, "reply"],
    ["plain text", "just text", "just text"],
    ["a pressed button", { postback: { title: "Get started", payload: "GO" } }, "Get started"],
    ["a pressed button without a title", { postback: { payload: "GO" } }, "GO"],
    ["a picture", { message: { attachments: [{ type: "image", payload: { url: "https://x/y.png" } }] } }, "[image]"],
    ["a picture that was sent", { attachment: { type: "image", payload: { url: "https://x/y.png" } } }, "[image]"],
    ["a deleted message", { message: { is_deleted: true, text: "secret" } }, "Message deleted"],
    ["nonsense", { message: { text: 5, attachments: ["x", null] } }, "[unsupported message]"],
    ["nothing", null, "[unsupported message]"],
  ])("of %s", (_, content, expected) => {
    expect(preview(content)).toBe(expected);
  });

  it.each(["javascript:alert(1)", "data:text/html,x", "//host/x", " https://x", "", undefined])("makes no link of %j", (url) => {
    expect(readContent({ message: { attachments: [{ type: "file", payload: { url } }] } }).attachments).toEqual([
      { kind: "link", url: null, title: "file" },
    ]);
  });
});
