/** What Meta sends, however it is written; the shapes follow Meta's reference and public reports of other people's software. */
import { anything, array, assert, constantFrom, dictionary, oneof, property, record, string } from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { derive } from "../../../compose/basic/src/facebook/derive.ts";
import { parseKeepingDigits } from "../../../compose/basic/src/facebook/json.ts";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { app, delivery, pageId, startTestPlatform } from "./fixture.ts";

const received = new Date("2025-11-25T10:00:00.000Z");
const base = { sender: { id: "2002" }, recipient: { id: pageId }, timestamp: 1_764_060_000_000 };
const read = (body: unknown) => derive(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)), app.appId, received);
const one = (item: unknown) => read(delivery([item]));
const entry = (members: Json, object = "page") => ({ object, entry: [{ id: pageId, time: 1, ...members }] });
const text = (mid: string | null, words: string, more: Json = {}) => ({ ...base, ...more, message: { mid, text: words } });

describe("one message", () => {
  const plain = { mid: "m", text: "hi" };
  test.each<[string, Json]>([
    [
      "null members beside",
      {
        ...base,
        message: { ...plain, is_echo: null, is_deleted: null, app_id: null, attachments: null },
        postback: null,
        reaction: null,
        message_edit: null,
      },
    ],
    ["no mid", { ...base, message: { mid: null, text: "hi" } }],
    ["numbers as ids", { sender: { id: 2002 }, recipient: { id: 1001 }, message: plain }],
    ["no recipient", { sender: { id: "2002" }, message: plain }],
    ["flags in words", { ...base, message: { ...plain, is_echo: "false", is_deleted: "false" } }],
    ["odd attachments", { ...base, message: { ...plain, attachments: "none" } }],
    ["a postback", { ...base, postback: { title: "Start", payload: "START" } }],
    ["a postback without mid and payload", { ...base, message: null, postback: { mid: null, title: "Start" } }],
    ["an empty message", { ...base, message: {} }],
  ])("%s", (_name, item) => {
    const { items, note } = one(item);
    expect([items.length, note]).toEqual([1, null]);
    expect(items[0]).toMatchObject({ kind: "message", source_conversation_id: "2002", from_contact: true });
  });

  test.each<[unknown, string]>([
    [1_764_060_001_000, "2025-11-25T08:40:01.000Z"],
    ["1764060001000", "2025-11-25T08:40:01.000Z"],
    [1_764_060_001, "2025-11-25T08:40:01.000Z"],
    ["1764060001", "2025-11-25T08:40:01.000Z"],
    ["2025-11-25T08:40:01+0000", "2025-11-25T08:40:01.000Z"],
    ["2025-11-25T08:40:01Z", "2025-11-25T08:40:01.000Z"],
    [null, received.toISOString()],
    [undefined, received.toISOString()],
    [-1, received.toISOString()],
    [0, received.toISOString()],
    ["soon", received.toISOString()],
    [1e300, received.toISOString()],
    [9_999_999_999_999, received.toISOString()],
    [{}, received.toISOString()],
  ])("time %s", (timestamp, at) => {
    expect(one({ ...base, timestamp, message: plain }).items[0]?.sent_at).toBe(at);
  });

  test("ids that a double cannot hold keep their digits, in the content too", () => {
    const item = (id: string) =>
      `{"sender":{"id":${id}},"recipient":{"id":${pageId}},"message":{"mid":"m${id}","text":"12345678901234567890"}}`;
    const { items } = read(
      `{"object":"page","entry":[{"id":${pageId},"messaging":[${item("24012345678901233")},${item("24012345678901234")}]}]}`,
    );
    expect(items.map((found) => found.source_conversation_id)).toEqual(["24012345678901233", "24012345678901234"]);
    expect(items[0]?.content).toContain('"id":"24012345678901233"');
    expect(items[0]?.content).toContain('"text":"12345678901234567890"');
  });

  test("numbers that are no long integers stay what they are", () => {
    const odd = '[1234567890123456,0.12345678901234567890,1.2e300,-12345678901234567890,"a\\"12345678901234567890",9007199254740993,1e20]';
    expect(parseKeepingDigits(odd)).toEqual([
      1234567890123456,
      0.12345678901234568,
      1.2e300,
      "-12345678901234567890",
      'a"12345678901234567890',
      "9007199254740993",
      1e20,
    ]);
  });
});

test("messaging, standby and changes are all read, whatever is null or empty beside them", () => {
  const mids = (body: unknown) => read(body).items.map((item) => item.source_message_id);
  expect(mids(entry({ messaging: [], standby: [text("s", "x")] }))).toEqual(["s"]);
  expect(mids(entry({ messaging: null, standby: [text("s", "x")] }))).toEqual(["s"]);
  expect(mids(entry({ messaging: [text("m", "x")], standby: [text("s", "y")] }))).toEqual(["m", "s"]);
  const change = { field: "messaging_postbacks", value: { ...base, timestamp: "1764060001", postback: { mid: "p", title: "Buy" } } };
  expect(mids(entry({ changes: [change], messaging: [text("m", "x")] }))).toEqual(["m", "p"]);
});

test("echoes: whose they are", () => {
  const echo = (more: Json) =>
    one({ sender: { id: pageId }, recipient: { id: "2002" }, message: { mid: "e", is_echo: true, ...more } }).items[0];
  expect(echo({ app_id: "987" })).toMatchObject({ kind: "message", from_contact: false, sender_id: "987", source_conversation_id: "2002" });
  expect(echo({ app_id: Number(app.appId) })).toMatchObject({ kind: "echo", from_contact: false });
  expect(echo({ app_id: null, is_echo: "true" })).toMatchObject({ kind: "echo", from_contact: false, sender_id: "2002" });
  const self = read(
    entry({ messaging: [{ sender: { id: pageId }, recipient: { id: pageId }, message: { mid: "n", is_echo: true } }] }, "instagram"),
  );
  expect(self.items[0]).toMatchObject({ from_contact: false, display_name: "Notes to self" });
});

test.each<[string, Json, string | null]>([
  ["emoji", { action: "react", emoji: "😆", reaction: "smile" }, "😆"],
  ["escaped", { action: "react", emoji: String.raw`\u{2764}\u{FE0F}` }, "❤️"],
  ["a word", { action: "react", reaction: "smile" }, "😆"],
  ["null and a word", { action: "react", reaction: "angry", emoji: null }, "😠"],
  ["an unknown word", { action: "react", reaction: "other" }, "👍"],
  ["taken back", { action: "unreact" }, null],
])("reaction: %s", (_name, reaction, emoji) => {
  expect(one({ ...base, reaction: { mid: "m", ...reaction } }).items[0]).toMatchObject({
    kind: "reaction",
    source_message_id: "m",
    body: emoji,
  });
});

test.each<[unknown, string]>([
  [true, "deletion"],
  ["true", "deletion"],
  [1, "deletion"],
  [{}, "deletion"],
  [false, "message"],
  [null, "message"],
  ["false", "message"],
])("is_deleted %j is a %s", (is_deleted, kind) => {
  expect(one({ ...base, message: { mid: "m", is_deleted } }).items[0]?.kind).toBe(kind);
});

test.each<[string, unknown, string]>([
  [
    "receipts",
    delivery([
      { ...base, read: { watermark: 1 } },
      { ...base, read: { watermark: 2 } },
      { ...base, delivery: { mids: [] } },
    ]),
    "2 x read, 1 x delivery",
  ],
  ["an opt-in without sender", delivery([{ recipient: { id: pageId }, optin: { user_ref: "x" } }]), "1 x optin"],
  ["roles", delivery([{ recipient: { id: pageId }, app_roles: { 1: ["primary_receiver"] } }]), "1 x app_roles"],
  ["enforcement", delivery([{ recipient: { id: pageId }, "policy-enforcement": { action: "block" } }]), "1 x policy-enforcement"],
  ["a referral", delivery([{ ...base, referral: { source: "SHORTLINK" } }]), "1 x referral"],
  ["feedback", delivery([{ ...base, messaging_feedback: {} }]), "1 x messaging_feedback"],
  ["another field", entry({ changes: [{ field: "feed", value: { item: "comment" } }] }), "1 x changes/feed"],
  [
    "the Test button",
    {
      object: "page",
      entry: [{ id: "0", changes: [{ field: "messages", value: { sender: { id: "12334" }, message: { mid: "test_message_id" } } }] }],
    },
    "1 x Facebook's test",
  ],
  [
    "the Test button in messaging",
    { object: "page", entry: [{ id: "0", messaging: [{ sender: { id: "12334" }, message: { mid: "random_mid", text: "x" } }] }] },
    "1 x Facebook's test",
  ],
  ["WhatsApp", { object: "whatsapp_business_account", entry: [{}] }, "1 x unknown object whatsapp_business_account"],
  ["something new", delivery([{ ...base, novelty: {} }]), "1 x unknown shape"],
])("no message, but named: %s", (_name, body, note) => {
  expect(read(body)).toMatchObject({ items: [], note });
});

test("whatever is sent, the reader answers and never throws", () => {
  const odd = oneof(anything(), constantFrom(null, "", "1", 0, 1e21, true, [], {}, { id: "5" }, { mid: "m" }));
  const keys = constantFrom("sender", "recipient", "timestamp", "message", "postback", "reaction", "message_edit", "read", "optin");
  const item = oneof(
    odd,
    dictionary(keys, odd),
    record({ sender: record({ id: oneof(string(), constantFrom(1)) }), message: dictionary(string(), odd) }),
  );
  const body = record({
    object: constantFrom("page", "instagram", 7),
    entry: oneof(odd, array(record({ id: odd, messaging: oneof(odd, array(item)), changes: oneof(odd, array(odd)) }))),
  });
  assert(
    property(
      oneof(
        string(),
        body.map((value) => JSON.stringify(value) ?? ""),
      ),
      (sent) => {
        const { items, note } = read(sent);
        for (const found of items) {
          expect(found.source_conversation_id).not.toBe("");
          expect(Number.isNaN(Date.parse(found.sent_at))).toBe(false);
          JSON.parse(found.content);
        }
        expect(note === null || note.length > 0).toBe(true);
      },
    ),
    { numRuns: 3_000 },
  );
});

describe("changes of a message, in whatever order they come", () => {
  let postgres: TestPostgres;
  let platform: TestPlatform;
  let customer = 5_000;
  beforeAll(async () => {
    postgres = await startPostgres({ sync: false });
    platform = await startTestPlatform(await postgres.createDatabase());
    await platform.connect();
  });
  afterAll(async () => {
    await platform.close();
    await postgres.close();
  });
  beforeEach(() => {
    customer += 1;
  });

  const mid = () => `m_${customer}`;
  const item = (at: number, members: Json) => ({
    sender: { id: String(customer) },
    recipient: { id: pageId },
    timestamp: base.timestamp + at,
    ...members,
  });
  const message = () => item(0, { message: { mid: mid(), text: "3 people" } });
  const edit = (at: number, number: number, words: string) => item(at, { message_edit: { mid: mid(), text: words, num_edit: number } });
  const react = (at: number, emoji: string | null) =>
    item(at, { reaction: { mid: mid(), action: emoji === null ? "unreact" : "react", emoji } });
  const unsend = (at: number) => item(at, { message: { mid: mid(), is_deleted: "true" } });

  /** What the API shows after deliveries in this order. */
  async function after(...events: unknown[]): Promise<Json> {
    for (const event of events) expect((await platform.deliver(delivery([event]))).status).toBe(200);
    const { json } = await platform.call("/messages.list", { conversation_id: airyId(airyId("facebook", pageId), String(customer)) });
    expect(json.data).toHaveLength(1);
    const [found] = json.data;
    return { text: found.content.message.text, deleted: found.content.message.is_deleted, ...found.metadata };
  }

  test("a reaction before its message waits for it", async () => {
    expect((await after(react(9, "❤️"), message())).reaction).toEqual({ emoji: "❤️", sent_at: base.timestamp + 9 });
  });
  test("a take-back that is newer than a reaction wins, also when it comes first", async () => {
    expect(await after(message(), react(20, null), react(10, "❤️"))).not.toHaveProperty("reaction");
  });
  test("take-back and reaction before the message", async () => {
    expect(await after(react(20, null), react(10, "❤️"), message())).not.toHaveProperty("reaction");
  });
  test("a later reaction wins over an earlier take-back", async () => {
    expect((await after(message(), react(20, null), react(30, "😆"))).reaction.emoji).toBe("😆");
  });
  test.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 0, 2]], [[2, 0, 1]]])("the last edit is shown: order %j", async (order) => {
    const events = [message(), edit(10, 1, "4 people"), edit(20, 2, "5 people")];
    const shown = await after(...order.map((index) => events[index]));
    expect(shown).toMatchObject({ text: "5 people", edited: { text: "5 people", sent_at: base.timestamp + 20 } });
  });
  test.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 2, 0]], [[2, 0, 1]]])("unsent stays unsent: order %j", async (order) => {
    const events = [message(), edit(10, 1, "4 people"), unsend(5)];
    const shown = await after(...order.map((index) => events[index]));
    expect(shown).toMatchObject({ text: undefined, deleted: "true" });
    expect(shown).not.toHaveProperty("edited");
  });

  test("what has no message is named in the log and counted; what waits for a page is said", async () => {
    await platform.deliver({
      object: "page",
      entry: [{ id: "0", changes: [{ field: "messages", value: { message: { mid: "test_message_id" } } }] }],
    });
    await platform.deliver(delivery([{ recipient: { id: pageId }, policy_enforcement: { action: "block", reason: "x" } }]));
    for (const words of ["a", "b"]) await platform.deliver(delivery([{ ...text(words, words), recipient: { id: "777" } }], "777"));
    const { json } = await platform.request("GET", "/health");
    expect(json.kinds).toMatchObject({ "Facebook's test": 1, policy_enforcement: 1 });
    expect(json.lastTestAt).toEqual(expect.any(String));
    expect(json.waiting).toEqual([{ source: "facebook", source_channel_id: "777", deliveries: 2 }]);
    const log = platform.logs.join("\n");
    expect(log).toContain("Facebook's test arrived: the way is open");
    expect(log).toContain("policy_enforcement");
    expect(log).toContain("page 777 is not connected: 2 deliveries wait");
  });
});
