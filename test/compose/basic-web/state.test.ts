import { describe, expect, it } from "vitest";
import type { Conversation, LiveEvent, Message } from "../../../compose/basic/web/api/shapes.ts";
import { everything, filtersOf, matches, unreadCount, type View } from "../../../compose/basic/web/api/view.ts";
import { type Action, emptyInbox, type Inbox, reduce, unreadMessages } from "../../../compose/basic/web/state/inbox.ts";
import { nextCursor, shown } from "../../../compose/basic/web/state/list.ts";
import { threadOf } from "../../../compose/basic/web/state/thread.ts";

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

const at = (day: number) => `2026-01-${String(day).padStart(2, "0")}T00:00:00.000Z`;

function conversation(id: string, last: Message, metadata: Record<string, unknown> = {}): Conversation {
  const channel = { id: "ch", source: "facebook", connected: true, metadata: { name: "Page" } };
  return { id, channel, metadata: { contact: { display_name: id }, unread_count: 0, ...metadata }, last_message: last };
}

function play(...actions: Action[]): Inbox {
  return actions.reduce(reduce, emptyInbox);
}

const messages = (data: Message[], next: string | null = null, older = false): Action => ({
  type: "threadLoaded",
  id: "c",
  older,
  page: { data, pagination_data: { next_cursor: next, total: null } },
});
const asked = (view: View = everything): Action => ({ type: "listLoading", view });
const conversations = (data: Conversation[], more: { next?: string; refresh?: boolean; view?: View; total?: number } = {}): Action => ({
  type: "listLoaded",
  view: more.view ?? everything,
  refresh: more.refresh ?? true,
  page: { data, pagination_data: { next_cursor: more.next ?? null, total: more.total ?? data.length } },
});
const events = (...list: LiveEvent[]): Action => ({ type: "events", events: list });
const created = (m: Message, id = "c"): Action => events({ type: "message.created", payload: { conversation_id: id, message: m } });
const told = (identifier: string, metadata: Record<string, unknown>, subject = "conversation"): Action =>
  events({ type: "metadata.updated", payload: { subject, identifier, metadata } });
const ids = (inbox: Inbox) => threadOf(inbox, "c").messages.map((m) => m.id);
const listed = (inbox: Inbox) => shown(inbox.list, inbox.conversations).map((c) => c.id);

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

  it("begin anew at a first page that leaves a gap, without losing what came while it was on its way", () => {
    const inbox = play(
      messages([message("2"), message("1")]),
      created(message("100", { sent_at: at(3) })),
      messages([message("99", { sent_at: at(2) }), message("98", { sent_at: at(2) })], "97"),
    );
    expect(ids(inbox)).toEqual(["98", "99", "100"]);
    expect(threadOf(inbox, "c").olderCursor).toBe("97");
  });

  it("keep the place where older ones begin over a refresh", () => {
    const inbox = play(messages([message("3"), message("2")], "1"), messages([message("4"), message("3")], "2"));
    expect(ids(inbox)).toEqual(["2", "3", "4"]);
    expect(threadOf(inbox, "c").olderCursor).toBe("1");
  });

  it("far above are let go of at the newest, and read again from where that was", () => {
    const many = Array.from({ length: 250 }, (_, n) => message(String(n), { sent_at: new Date(1e12 + n).toISOString() }));
    const inbox = play(messages(many.toReversed()), { type: "atNewest", id: "c" });
    expect(ids(inbox)).toEqual(many.slice(150).map((m) => m.id));
    expect(threadOf(inbox, "c").olderCursor).toBe("149");
  });

  it("of a conversation that was not opened wait for it to be opened", () => {
    expect(play(created(message("1"))).threads).toEqual({});
  });

  it("are kept of the conversations that were opened last, and of those with a reply that was not sent", () => {
    const open = (id: string): Action[] => [
      { type: "threadLoading", id },
      { type: "threadLoaded", id, older: false, page: { data: [message(id)], pagination_data: { next_cursor: null, total: 1 } } },
    ];
    const draft: Action = { type: "drafted", id: "0", draft: { key: "k", content: {}, at: "", error: "no" } };
    const inbox = play(...open("0"), draft, ...Array.from({ length: 20 }, (_, n) => open(`t${n}`)).flat());
    expect(Object.keys(inbox.threads).length).toBeLessThanOrEqual(9);
    expect(Object.keys(inbox.threads)).toContain("0");
    expect(Object.keys(inbox.threads)).toContain("t19");
  });

  it("take over what changed of their metadata, in the list as well", () => {
    const inbox = play(
      asked(),
      conversations([conversation("c", message("1"))]),
      messages([message("1")]),
      told("1", { error: "why" }, "message"),
    );
    expect(threadOf(inbox, "c").messages[0]!.metadata).toEqual({ error: "why" });
    expect(inbox.conversations["c"]!.last_message!.metadata).toEqual({ error: "why" });
  });
});

describe("a reply", () => {
  const draft: Action = { type: "drafted", id: "c", draft: { key: "k", content: { text: "hi" }, at: "", error: null } };
  it("becomes a message when the platform has it, in the list as well", () => {
    const inbox = play(asked(), conversations([conversation("c", message("0"))]), draft, {
      type: "sent",
      id: "c",
      key: "k",
      message: message("1", { sent_at: at(2) }),
    });
    expect(threadOf(inbox, "c")).toMatchObject({ drafts: [], messages: [{ id: "1" }] });
    expect(inbox.conversations["c"]!.last_message!.id).toBe("1");
  });

  it("stays with the reason when the platform did not take it", () => {
    expect(threadOf(play(draft, { type: "sendFailed", id: "c", key: "k", error: "why" }), "c").drafts).toMatchObject([
      { content: { text: "hi" }, error: "why" },
    ]);
  });
});

describe("conversations", () => {
  const [old, young] = [message("1"), message("2", { sent_at: at(2) })];
  const two = [asked(), conversations([conversation("a", young), conversation("b", old)])];

  it("move up with a new message, and not with an old one", () => {
    expect(listed(play(...two, created(message("3", { sent_at: at(3) }), "b")))).toEqual(["b", "a"]);
    const late = play(...two, created(message("0", { sent_at: "2025-01-01T00:00:00.000Z" }), "b"));
    expect(listed(late)).toEqual(["a", "b"]);
    expect(late.conversations["b"]!.last_message!.id).toBe("1");
  });

  it("keep what events told of while the list was on its way", () => {
    const inbox = play(
      ...two,
      asked(),
      asked(),
      told("a", { contact: { display_name: "a" }, unread_count: 7 }),
      created(message("9", { sent_at: at(9) }), "b"),
      { type: "conversation", conversation: conversation("new", message("10", { sent_at: at(10) })) },
      conversations([conversation("a", young), conversation("b", old)]),
      conversations([conversation("a", young), conversation("b", old)]),
    );
    expect(listed(inbox)).toEqual(["new", "b", "a"]);
    expect(unreadCount(inbox.conversations["a"]!)).toBe(7);
    expect(inbox.conversations["b"]!.last_message!.id).toBe("9");
    expect(inbox.list.pending).toBe(0);
  });

  it("that a refresh does not name any more are gone", () => {
    expect(listed(play(...two, asked(), conversations([conversation("b", old)])))).toEqual(["b"]);
  });

  it("go on behind what both lists have", () => {
    const first = play(asked(), conversations([conversation("a", young)], { next: "1", total: 3 }));
    expect(nextCursor(first.list, first.conversations)).toBe("1");
    const further = reduce(reduce(first, asked()), conversations([conversation("b", old)], { next: "2", refresh: false, total: 3 }));
    expect(listed(further)).toEqual(["a", "b"]);
    expect(nextCursor(further.list, further.conversations)).toBe("2");
    // One that moved up from further down is the platform's first now, too.
    const moved = reduce(further, { type: "conversation", conversation: conversation("c", message("5", { sent_at: at(5) })) });
    expect(nextCursor(moved.list, moved.conversations)).toBe("3");
  });

  it("of a part that was not read yet come with it", () => {
    const inbox = play(asked(), conversations([conversation("a", young)], { next: "1", total: 9 }), {
      type: "conversation",
      conversation: conversation("far", message("0", { sent_at: "2020-01-01T00:00:00.000Z" })),
    });
    expect(listed(inbox)).toEqual(["a"]);
    expect(inbox.conversations["far"]).toBeDefined();
  });

  it("leave a list that they do not belong to any more, and come when they begin to", () => {
    const view: View = { ...everything, state: "open" };
    const open = play({ type: "view", view }, asked(view), conversations([conversation("a", young), conversation("b", old)], { view }));
    const closed = reduce(open, told("a", { contact: { display_name: "a" }, state: "CLOSED" }));
    expect(listed(closed)).toEqual(["b"]);
    expect(listed(reduce(closed, { type: "changed", id: "a", metadata: { state: "OPEN" } }))).toEqual(["a", "b"]);
  });

  it("do not vanish from the unread while they are read, but do not count for where the platform's list goes on", () => {
    const view: View = { ...everything, unread: true };
    const inbox = play(
      { type: "view", view },
      asked(view),
      conversations([conversation("a", young, { unread_count: 2 }), conversation("b", old, { unread_count: 1 })], { view, next: "2" }),
      { type: "changed", id: "a", metadata: { unread_count: 0 } },
    );
    expect(listed(inbox)).toEqual(["a", "b"]);
    expect(nextCursor(inbox.list, inbox.conversations)).toBe("1");
  });

  it("of another list's answer are not shown", () => {
    const view: View = { ...everything, search: "x" };
    const inbox = play(asked(), { type: "view", view }, conversations([conversation("a", young)]));
    expect(inbox.list.ids).toBeNull();
  });

  it("keep the name of a channel that was disconnected", () => {
    const channel = { id: "ch", source: "facebook", connected: false, metadata: null };
    const inbox = play(...two, events({ type: "channel.updated", payload: channel }));
    expect(inbox.conversations["a"]!.channel).toMatchObject({ connected: false, metadata: { name: "Page" } });
  });

  it("are counted by their unread messages, and said to be more when they are not all known", () => {
    const inbox = play(asked(), conversations([conversation("a", young, { unread_count: 2 })], { next: "1" }), {
      type: "unread",
      page: {
        data: [conversation("a", young, { unread_count: 2 }), conversation("z", old, { unread_count: 3 })],
        pagination_data: { next_cursor: "2", total: 5 },
      },
    });
    expect(unreadMessages(inbox)).toEqual({ count: 5, more: true });
    expect(listed(inbox)).toEqual(["a"]);
  });
});

describe("a view", () => {
  it.each<[Partial<View>, string | null]>([
    [{}, null],
    [{ state: "closed" }, "metadata.state:CLOSED"],
    [{ state: "open" }, "id:* AND NOT metadata.state:CLOSED"],
    [{ unread: true }, "unread_count:[1 TO *]"],
    [{ search: "  Ada   L." }, "display_name:*Ada* AND display_name:*L.*"],
    [{ search: 'a"b OR *' }, String.raw`display_name:*a\"b* AND display_name:*OR* AND display_name:*\**`],
    [{ tags: ["t", "u"], channels: ["c", "d"] }, "tag_ids:(t AND u) AND channel_id:(c OR d)"],
    [{ state: "open", unread: true }, "id:* AND NOT metadata.state:CLOSED AND unread_count:[1 TO *]"],
  ])("%j is asked for as %j", (view, filters) => {
    expect(filtersOf({ ...everything, ...view })).toBe(filters);
  });

  it("means the same here as there", () => {
    const ada = conversation("Ada Lovelace", message("1"), { tags: { t: "" }, unread_count: 1 });
    const fits = (view: Partial<View>) => matches({ ...everything, ...view }, ada);
    expect([fits({}), fits({ search: "LOVE ada" }), fits({ tags: ["t"] }), fits({ unread: true }), fits({ state: "open" })]).not.toContain(
      false,
    );
    expect([fits({ search: "bob" }), fits({ tags: ["t", "u"] }), fits({ state: "closed" }), fits({ channels: ["x"] })]).not.toContain(true);
  });
});
