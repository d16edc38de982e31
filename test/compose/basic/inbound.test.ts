import { createHash } from "node:crypto";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { app, delivery, eventually, pageId, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;
let databaseUrl: string;

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
});
afterAll(() => postgres.close());
beforeEach(async () => {
  databaseUrl = await postgres.createDatabase();
  platform = await startTestPlatform(databaseUrl);
});
afterEach(() => platform.close());

const channelId = airyId("facebook", pageId);
const conversationId = airyId(channelId, "2002");

async function messages(): Promise<Json[]> {
  const answer = await platform.call("/messages.list", { conversation_id: conversationId, page_size: 1000 });
  return answer.status === 404 ? [] : answer.json.data;
}

describe("messages of a delivery", () => {
  beforeEach(async () => {
    expect((await platform.connect()).status).toBe(200);
  });

  test("are committed with the bytes they came in", async () => {
    const event = textEvent("m_1", "hello");
    expect((await platform.deliver(delivery([event]), { "airy-delivery": "d-17" })).status).toBe(200);
    const [message] = await messages();
    expect(message).toEqual({
      id: airyId(channelId, JSON.stringify(event)),
      content: event,
      sent_at: "2023-11-14T22:13:20.000Z",
      delivery_state: "delivered",
      from_contact: true,
      source: "facebook",
      metadata: {},
      sender: { id: "2002", name: null, avatar_url: null },
    });
    const [row] = await platform.sql<{ body: Buffer; airy_delivery: string; sha256: Buffer }>("select * from delivery");
    expect(JSON.parse(row!.body.toString())).toEqual(delivery([event]));
    expect(row!.airy_delivery).toBe("d-17");
    expect(row!.sha256).toEqual(createHash("sha256").update(row!.body).digest());
  });

  test("several entries and events arrive, each in its conversation", async () => {
    const body = {
      object: "page",
      entry: [
        { id: pageId, time: 1, messaging: [textEvent("a", "one"), textEvent("b", "two", { at: 1_700_000_000_001 })] },
        { id: pageId, time: 1, messaging: [textEvent("c", "other", { from: "3003" })] },
      ],
    };
    await platform.deliver(body);
    expect(await platform.texts(conversationId)).toEqual(["one", "two"]);
    const list = await platform.call("/conversations.list", {});
    expect(list.json.pagination_data.total).toBe(2);
    const unread = list.json.data.map((conversation: Json) => [conversation.id, conversation.metadata.unread_count]);
    expect(new Map(unread)).toEqual(
      new Map([
        [conversationId, 2],
        [airyId(channelId, "3003"), 1],
      ]),
    );
  });

  test.each([
    ["the same bytes", [delivery([textEvent("m_1", "once")]), delivery([textEvent("m_1", "once")])]],
    ["the same mid in other bytes", [delivery([textEvent("m_1", "once")]), delivery([{ ...textEvent("m_1", "once"), extra: 1 }])]],
    ["the same mid within one delivery", [delivery([textEvent("m_1", "once"), { ...textEvent("m_1", "once"), extra: 1 }])]],
    [
      "the same postback without mid in another batch",
      [
        delivery([{ sender: { id: "2002" }, recipient: { id: pageId }, timestamp: 5, postback: { title: "Go", payload: "GO" } }]),
        delivery([
          { sender: { id: "2002" }, recipient: { id: pageId }, timestamp: 5, postback: { title: "Go", payload: "GO" } },
          { sender: { id: "2002" }, recipient: { id: pageId }, timestamp: 5, read: { watermark: 5 } },
        ]),
      ],
    ],
  ])("%s creates nothing twice", async (_name, deliveries) => {
    for (const body of [...deliveries, ...deliveries]) expect((await platform.deliver(body)).status).toBe(200);
    expect(await messages()).toHaveLength(1);
    const list = await platform.call("/conversations.list", {});
    expect(list.json.data[0].metadata.unread_count).toBe(1);
  });

  test("the same delivery many times at once creates nothing twice", async () => {
    const events = Array.from({ length: 20 }, (_, index) => textEvent(`m_${index}`, `text ${index}`, { from: `${index % 5}` }));
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => platform.deliver(delivery(index % 2 ? events : events.toReversed()))),
    );
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    const [row] = await platform.sql(
      "select (select count(*)::int from message) as messages, (select sum(unread_count)::int from conversation) as unread",
    );
    expect(row).toEqual({ messages: 20, unread: 20 });
  });

  test("echoes count as the page's, also those of our own app that came from elsewhere", async () => {
    const echo = (mid: string, appId?: string | number) => ({
      sender: { id: pageId },
      recipient: { id: "2002" },
      timestamp: 1_700_000_000_000,
      message: { mid, text: mid, is_echo: true, ...(appId === undefined ? {} : { app_id: appId }) },
    });
    await platform.deliver(delivery([echo("own", Number(app.appId)), echo("own-text", app.appId), echo("other", 987), echo("page-inbox")]));
    const found = (await messages()).map((message) => [message.content.message.mid, message.from_contact, message.sender.id]);
    expect(new Set(found.map((row) => JSON.stringify(row)))).toEqual(
      new Set(
        [
          ["own", false, app.appId],
          ["own-text", false, app.appId],
          ["other", false, "987"],
          ["page-inbox", false, "2002"],
        ].map((row) => JSON.stringify(row)),
      ),
    );
    expect((await platform.call("/conversations.list", {})).json.data[0].metadata.unread_count).toBe(0);
  });

  test("postbacks and standby events are messages; receipts are not", async () => {
    const base = { sender: { id: "2002" }, recipient: { id: pageId }, timestamp: 1_700_000_000_000 };
    await platform.deliver(
      delivery([
        { ...base, postback: { title: "Start", payload: "START" } },
        { ...base, read: { watermark: 1 } },
      ]),
    );
    await platform.deliver({
      object: "page",
      entry: [{ id: pageId, time: 1, standby: [textEvent("s", "standby", { at: 1_700_000_000_001 })] }],
    });
    await platform.deliver(delivery([{ sender: { id: "2002" }, recipient: { id: pageId }, delivery: { mids: ["s"], watermark: 1 } }]));
    expect((await messages()).map((message) => message.content.postback?.title ?? message.content.message.text)).toEqual([
      "standby",
      "Start",
    ]);
  });

  test("a reaction is kept with its message, and taken back", async () => {
    const react = (action: string, at: number) =>
      delivery([
        {
          sender: { id: "2002" },
          recipient: { id: pageId },
          timestamp: at,
          reaction: { mid: "m_1", action, reaction: "love", emoji: "❤️" },
        },
      ]);
    await platform.deliver(delivery([textEvent("m_1", "hi")]));
    await platform.deliver(react("react", 1_700_000_000_500));
    expect((await messages())[0]!.metadata).toEqual({ reaction: { emoji: "❤️", sent_at: 1_700_000_000_500 } });
    await platform.deliver(react("unreact", 1_700_000_000_600));
    expect((await messages())[0]!.metadata).toEqual({});
  });

  test("an unsent message stays unsent, in whichever order the two arrive", async () => {
    const unsent = (mid: string) => ({ ...textEvent(mid, ""), message: { mid, is_deleted: true } });
    await platform.deliver(delivery([textEvent("m_1", "first")]));
    await platform.deliver(delivery([unsent("m_1")]));
    await platform.deliver(delivery([unsent("m_2")]));
    await platform.deliver(delivery([textEvent("m_2", "second")]));
    expect((await messages()).map((message) => message.content.message)).toEqual([
      { mid: "m_2", is_deleted: true },
      { mid: "m_1", is_deleted: true },
    ]);
  });

  test("a batch of 1000 updates with large texts is taken at once", async () => {
    const events = Array.from({ length: 1000 }, (_, index) =>
      textEvent(`m_${index}`, "x".repeat(8_000), { at: 1_700_000_000_000 + index }),
    );
    expect((await platform.deliver(delivery(events))).status).toBe(200);
    expect(await messages()).toHaveLength(1000);
  });
});

describe("a page that is not connected yet", () => {
  test("its messages are kept and appear at connect, once", async () => {
    await platform.deliver(delivery([textEvent("m_1", "early")]));
    await platform.deliver(delivery([textEvent("m_2", "bird", { at: 1_700_000_000_001 }), textEvent("m_1", "early")]));
    await platform.deliver({
      object: "page",
      entry: [
        ...delivery([textEvent("m_3", "mixed", { at: 1_700_000_000_002 })]).entry,
        ...delivery([textEvent("o_1", "other", { page: "1002" })], "1002").entry,
      ],
    });
    expect((await platform.call("/conversations.list", {})).json.data).toEqual([]);
    await platform.connect();
    expect(await platform.texts(conversationId)).toEqual(["early", "bird", "mixed"]);
    expect((await platform.call("/conversations.list", {})).json.pagination_data.total).toBe(1);
    expect(await platform.sql("select channel_id from waiting_delivery")).toEqual([{ channel_id: airyId("facebook", "1002") }]);
    await platform.connect("1002");
    await platform.connect();
    expect((await platform.call("/conversations.list", {})).json.pagination_data.total).toBe(2);
    expect(await platform.texts(conversationId)).toEqual(["early", "bird", "mixed"]);
    expect(await platform.sql("select 1 from waiting_delivery")).toEqual([]);
  });

  test("nothing falls between when deliveries arrive while the page is being connected", async () => {
    const deliveries = Array.from({ length: 200 }, (_, index) => platform.deliver(delivery([textEvent(`m_${index}`, `text ${index}`)])));
    const connected = platform.connect();
    expect(new Set((await Promise.all(deliveries)).map((answer) => answer.status))).toEqual(new Set([200]));
    await connected;
    expect(await messages()).toHaveLength(200);
    expect(await platform.sql("select 1 from waiting_delivery")).toEqual([]);
  });

  test("a delivery that is being stored as waiting when the connect comes is not forgotten", async () => {
    // Stops the delivery between its decision that the page is not connected and its commit.
    await platform.sql(
      "create function hold() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock_shared(42); return new; end $$",
    );
    await platform.sql("create trigger hold after insert on waiting_delivery for each row execute function hold()");
    const holder = new Client({ connectionString: databaseUrl });
    await holder.connect();
    await holder.query("select pg_advisory_lock(42)");
    const blocked = (query: string) =>
      eventually(async () =>
        expect(await platform.sql("select 1 from pg_stat_activity where wait_event = 'advisory' and query like $1", [query])).toHaveLength(
          1,
        ),
      );
    const delivered = platform.deliver(delivery([textEvent("m_1", "between")]));
    await blocked("%store_deliveries%");
    const connected = platform.connect();
    await blocked("%pg_advisory_xact_lock(%");
    await holder.end();
    expect([(await delivered).status, (await connected).status]).toEqual([200, 200]);
    expect(await platform.texts(conversationId)).toEqual(["between"]);
  });

  test("a drain cut short by a crash is finished at the next start", async () => {
    await platform.deliver(delivery([textEvent("m_1", "early")]));
    await platform.sql(
      "insert into channel (id, source, source_channel_id, connected, metadata, token) values ($1, 'facebook', $2, true, '{}', 't')",
      [channelId, pageId],
    );
    await platform.restart();
    expect(await platform.texts(conversationId)).toEqual(["early"]);
  });
});
