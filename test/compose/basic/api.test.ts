import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { app, delivery, eventually, pageId, pageToken, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
});
afterAll(() => postgres.close());
beforeEach(async () => {
  platform = await startTestPlatform(await postgres.createDatabase());
});
afterEach(() => platform.close());

const channelId = airyId("facebook", pageId);
const conversationId = airyId(channelId, "2002");
const unknownId = "00000000-0000-4000-8000-000000000000";

describe("channels", () => {
  test("connect subscribes the page, reads back, and answers with the channel", async () => {
    const answer = await platform.call("/channels.facebook.connect", { page_id: pageId, page_token: pageToken });
    const channel = {
      id: channelId,
      source: "facebook",
      source_channel_id: pageId,
      connected: true,
      metadata: { name: `facebook ${channelId.slice(-5)}`, page_id: pageId },
    };
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual(channel);
    expect((await platform.call("/channels.list")).json).toEqual({ data: [channel] });
    expect(platform.graph.calls.map((call) => [call.method, call.path, call.authorization])).toEqual([
      ["POST", "/v26.0/me/subscribed_apps", `Bearer ${pageToken}`],
      ["GET", "/v26.0/me/subscribed_apps", `Bearer ${pageToken}`],
    ]);
    expect(platform.graph.calls[0]!.body).toEqual({
      subscribed_fields: "messages,messaging_postbacks,message_echoes,message_reactions,message_edits,standby",
    });
  });

  test("connecting again keeps the id and the name, and takes the new token", async () => {
    await platform.connect();
    const again = await platform.call("/channels.facebook.connect", {
      page_id: pageId,
      page_token: "NEW",
      image_url: "https://cdn.example/p.png",
    });
    expect(again.json.metadata).toEqual({ name: "Test Page", page_id: pageId, image_url: "https://cdn.example/p.png" });
    expect((await platform.call("/channels.list", {})).json.data).toHaveLength(1);
    expect(await platform.sql("select token from channel")).toEqual([{ token: "NEW" }]);
  });

  test("list can be narrowed to a source", async () => {
    await platform.connect();
    expect((await platform.call("/channels.list", { source: "facebook" })).json.data).toHaveLength(1);
    expect((await platform.call("/channels.list", { source: "instagram" })).json.data).toHaveLength(0);
  });

  test("a page that Facebook does not list with all fields is not connected", async () => {
    platform.graph.subscribedFields = ["messages"];
    const answer = await platform.connect();
    expect(answer.status).toBe(500);
    expect(answer.json.message).toContain("messaging_postbacks");
    expect((await platform.call("/channels.list", {})).json.data).toEqual([]);
  });

  test("Facebook away: 503 and nothing connected", async () => {
    await platform.restart({ facebook: { ...app, graphUrl: "http://127.0.0.1:1" } });
    const answer = await platform.connect();
    expect(answer.status).toBe(503);
    expect((await platform.call("/channels.list", {})).json.data).toEqual([]);
  });

  test("the page token is in no answer and in no log line", async () => {
    const answers = [await platform.connect(), await platform.call("/channels.list", {})];
    await platform.deliver(delivery([textEvent("m_1", "hi")]));
    answers.push(
      await platform.call("/conversations.list", {}),
      await platform.call("/messages.list", { conversation_id: conversationId }),
    );
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
    for (const { text } of answers) expect(text).not.toContain(pageToken);
    expect(platform.logs.join("\n")).not.toMatch(new RegExp(`${pageToken}|${app.appSecret}|${app.verifyToken}`));
  });
});

describe("conversations", () => {
  beforeEach(async () => {
    await platform.connect();
  });

  test("list and info show a conversation as Airy Core does", async () => {
    const first = textEvent("m_1", "one", { at: 1_700_000_000_000 });
    const second = textEvent("m_2", "two", { at: 1_700_000_005_678 });
    await platform.deliver(delivery([second]));
    await platform.deliver(delivery([first]));
    const conversation = {
      id: conversationId,
      created_at: "2023-11-14T22:13:20.000Z",
      channel: {
        id: channelId,
        source: "facebook",
        source_channel_id: pageId,
        connected: true,
        metadata: { name: "Test Page", page_id: pageId },
      },
      metadata: { contact: { display_name: `Facebook ${conversationId.slice(31)}`, fetch_state: "failed" }, unread_count: 2 },
      last_message: {
        id: airyId(channelId, JSON.stringify(second)),
        content: second,
        sent_at: "2023-11-14T22:13:25.678Z",
        delivery_state: "delivered",
        from_contact: true,
        source: "facebook",
        metadata: {},
        sender: { id: "2002", name: null, avatar_url: null },
      },
    };
    // The name was asked for in the background, and is refused here.
    await eventually(async () => expect((await platform.call("/conversations.list")).text).toContain("fetch_state"));
    expect((await platform.call("/conversations.list")).json).toEqual({
      data: [conversation],
      pagination_data: { previous_cursor: "0", next_cursor: null, total: 1 },
    });
    expect((await platform.call("/conversations.info", { conversation_id: conversationId })).json).toEqual(conversation);
  });

  test("pages follow each other, latest message first", async () => {
    for (let index = 0; index < 5; index += 1) {
      await platform.deliver(delivery([textEvent(`m_${index}`, `${index}`, { from: `psid-${index}`, at: 1_700_000_000_000 + index })]));
    }
    const seen: string[] = [];
    const cursors: unknown[] = [];
    let cursor: string | null = null;
    do {
      const page: Json = (await platform.call("/conversations.list", { page_size: 2, cursor })).json;
      seen.push(...page.data.map((conversation: Json) => conversation.last_message.content.message.text));
      cursors.push(page.pagination_data);
      cursor = page.pagination_data.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(["4", "3", "2", "1", "0"]);
    expect(cursors).toEqual([
      { previous_cursor: "0", next_cursor: "2", total: 5 },
      { previous_cursor: "2", next_cursor: "4", total: 5 },
      { previous_cursor: "4", next_cursor: null, total: 5 },
    ]);
  });

  test("mark-read sets the unread count to 0 and answers 204 for any id", async () => {
    await platform.deliver(delivery([textEvent("m_1", "hi")]));
    const unread = async () => (await platform.call("/conversations.info", { conversation_id: conversationId })).json.metadata.unread_count;
    expect(await unread()).toBe(1);
    for (const conversation_id of [conversationId, unknownId]) {
      const answer = await platform.call("/conversations.mark-read", { conversation_id });
      expect([answer.status, answer.text]).toEqual([204, ""]);
    }
    expect(await unread()).toBe(0);
    await platform.deliver(delivery([textEvent("m_2", "again")]));
    expect(await unread()).toBe(1);
  });

  test("an unknown conversation is 404 with an empty body", async () => {
    const answer = await platform.call("/conversations.info", { conversation_id: unknownId });
    expect([answer.status, answer.text]).toEqual([404, ""]);
  });
});

describe("messages.list", () => {
  beforeEach(async () => {
    await platform.connect();
    // Three share a time: their order is that of arrival.
    const at = [0, 1, 1, 1, 2].map((offset) => 1_700_000_000_000 + offset);
    for (const [index, time] of at.entries()) await platform.deliver(delivery([textEvent(`m_${index}`, `${index}`, { at: time })]));
  });

  test("goes back in time page by page", async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Json = (await platform.call("/messages.list", { conversation_id: conversationId, page_size: 2, cursor })).json;
      expect(page.pagination_data.previous_cursor).toBe(cursor);
      expect(page.pagination_data.total).toBe(5);
      seen.push(...page.data.map((message: Json) => message.content.message.text));
      cursor = page.pagination_data.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(["4", "3", "2", "1", "0"]);
  });

  test("an unknown conversation is 404, an unknown cursor 400", async () => {
    expect((await platform.call("/messages.list", { conversation_id: unknownId })).status).toBe(404);
    expect((await platform.call("/messages.list", { conversation_id: conversationId, cursor: unknownId })).status).toBe(400);
  });
});

test("client.config tells what the inbox needs", async () => {
  const { status, json } = await platform.call("/client.config");
  expect(status).toBe(200);
  expect(Object.keys(json).sort()).toEqual(["cluster_version", "services", "tag_config", "user_profile", "workspace"]);
  expect(json.user_profile).toBeNull();
  expect(Object.keys(json.tag_config.colors)).toEqual(["tag-blue", "tag-red", "tag-green", "tag-purple"]);
  for (const service of Object.values<Json>(json.services)) {
    expect(service).toEqual({ enabled: true, healthy: true, component: expect.any(String) });
  }
});

describe("bad input", () => {
  test.each<[string, string | undefined, number]>([
    ["/channels.list", "{", 400],
    ["/channels.list", "[]", 400],
    ["/channels.list", "null", 400],
    ["/channels.list", undefined, 200],
    ["/channels.list", '{"source":"\\u0000"}', 200],
    ["/channels.list", '{"unknown":1}', 200],
    ["/channels.facebook.connect", undefined, 400],
    ["/channels.facebook.connect", '{"page_id":"1"}', 400],
    ["/channels.facebook.connect", '{"page_id":"","page_token":"t"}', 400],
    ["/channels.facebook.connect", '{"page_id":"1","page_token":"t\\r\\nx: y"}', 400],
    ["/channels.facebook.connect", '{"page_id":"1","page_token":"t","name":"a\\u0000b"}', 200],
    ["/conversations.list", '{"cursor":"abc"}', 400],
    ["/conversations.list", '{"cursor":"-1"}', 400],
    ["/conversations.list", '{"cursor":"999999999"}', 200],
    ["/conversations.list", '{"cursor":5}', 400],
    ["/conversations.list", '{"page_size":0}', 400],
    ["/conversations.list", '{"page_size":1e9}', 400],
    ["/conversations.list", '{"filters":"unread_count:0"}', 200],
    ["/conversations.list", '{"filters":""}', 200],
    ["/conversations.info", "{}", 400],
    ["/conversations.info", '{"conversation_id":"not-a-uuid"}', 400],
    ["/conversations.info", `{"conversation_id":"${unknownId}' or '1'='1"}`, 400],
    ["/conversations.mark-read", '{"conversation_id":7}', 400],
    ["/messages.list", '{"conversation_id":null}', 400],
    ["/messages.send", "{}", 400],
    ["/messages.send", `{"conversation_id":"${unknownId}"}`, 400],
    ["/messages.send", `{"conversation_id":"${unknownId}","message":{"text":"x"}}`, 202],
    ["/messages.send", `{"channel_id":"${unknownId}","source_recipient_id":"1","message":{"text":"x"}}`, 409],
    ["/no.such.path", "{}", 404],
    ["/facebook/x", "{}", 404],
    ["/%66acebook", "{}", 404],
    ["/x/../channels.list", "{}", 404],
    ["//channels.list", "{}", 404],
  ])("POST %s %s is answered %d", async (path, body, status) => {
    const answer = await platform.request("POST", path, body, { "content-type": "application/json" });
    expect(answer.status).toBe(status);
    if (status >= 400) expect(answer.json.message).toEqual(expect.any(String));
    expect((await platform.request("GET", "/health")).status).toBe(200);
  });

  test("a body over 1 MB is 413, and other methods are 405", async () => {
    expect((await platform.call("/messages.send", { message: "x".repeat(1024 * 1024) })).status).toBe(413);
    const get = await platform.request("GET", "/channels.list");
    expect([get.status, get.headers.allow]).toEqual([405, "POST"]);
    expect((await platform.request("DELETE", "/facebook")).status).toBe(405);
    expect((await platform.request("OPTIONS", "/channels.list", undefined, { origin: platform.url })).status).toBe(405);
  });
});
