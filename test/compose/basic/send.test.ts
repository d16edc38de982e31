import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { delivery, eventually, pageId, pageToken, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
});
afterAll(() => postgres.close());
beforeEach(async () => {
  platform = await startTestPlatform(await postgres.createDatabase());
  await platform.connect();
  await platform.deliver(delivery([textEvent("m_1", "hi")]));
});
afterEach(() => platform.close());

const channelId = airyId("facebook", pageId);
const conversationId = airyId(channelId, "2002");

const reply = (text: string) => platform.call("/messages.send", { conversation_id: conversationId, message: { text } });

async function replies(): Promise<Json[]> {
  const answer = await platform.call("/messages.list", { conversation_id: conversationId, page_size: 1000 });
  return answer.json.data.filter((message: Json) => !message.from_contact).reverse();
}

/** The replies once none of them is pending. */
const settled = () =>
  eventually(async () => {
    const all = await replies();
    expect(all.map((message) => message.delivery_state)).not.toContain("pending");
    return all;
  });

test("a reply is pending, goes out with the channel's token, and is delivered", async () => {
  const before = Date.now();
  const answer = await reply("hello \u0000 back");
  expect(answer.status).toBe(200);
  expect(answer.json).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4/),
    content: { text: "hello \u0000 back" },
    sent_at: expect.stringMatching(/\.\d{3}Z$/),
    delivery_state: "pending",
    from_contact: false,
    source: "facebook",
    metadata: {},
    sender: { id: "airy-core-anonymous", name: null, avatar_url: null },
  });
  expect(Date.parse(answer.json.sent_at)).toBeGreaterThanOrEqual(before);
  const [message] = await settled();
  expect(message).toEqual({
    ...answer.json,
    delivery_state: "delivered",
    metadata: { source: { id: "m_sent_1", delivery_state: "delivered" } },
  });
  const call = platform.graph.calls.find((one) => one.path.endsWith("/me/messages"));
  expect(call).toMatchObject({
    method: "POST",
    path: "/v26.0/me/messages",
    authorization: `Bearer ${pageToken}`,
    body: { recipient: { id: "2002" }, messaging_type: "RESPONSE", message: { text: "hello \u0000 back" } },
  });
  const list = await platform.call("/conversations.list", {});
  expect(list.json.data[0].last_message.id).toBe(answer.json.id);
  expect(list.json.data[0].metadata.unread_count).toBe(1);
});

test("a reply can be addressed by channel and recipient", async () => {
  const answer = await platform.call("/messages.send", { channel_id: channelId, source_recipient_id: "2002", message: { text: "hi" } });
  expect(answer.status).toBe(200);
  expect((await settled()).map((message) => message.id)).toEqual([answer.json.id]);
});

test("an error of Facebook is kept with the message", async () => {
  const error = { error: { message: "(#10) outside the allowed window", type: "OAuthException", code: 10, error_subcode: 2018278 } };
  platform.graph.onSend = () => ({ status: 400, body: error });
  await reply("late");
  const [message] = await settled();
  expect(message!.delivery_state).toBe("failed");
  expect(message!.metadata.error).toMatch(/^\(#10\) outside the allowed window; .*24 hours.*Human Agent/);
  expect(JSON.parse(message!.metadata.source.error)).toEqual(error);
});

test("a dropped connection fails the message and says that the outcome is not known; it is not sent twice", async () => {
  platform.graph.onSend = () => "drop";
  await reply("lost");
  const [message] = await settled();
  expect(message!.delivery_state).toBe("failed");
  expect(message!.metadata.error).toContain("not known");
  expect(platform.graph.calls.filter((call) => call.path.endsWith("/me/messages"))).toHaveLength(1);
});

test("replies of one conversation go out in their order", async () => {
  const texts = Array.from({ length: 10 }, (_, index) => `reply ${index}`);
  for (const text of texts) await reply(text);
  await settled();
  const sent = platform.graph.calls.filter((call) => call.path.endsWith("/me/messages"));
  expect(sent.map((call) => (call.body as Json).message.text)).toEqual(texts);
});

test("the echo of a reply makes no second message, also when it comes before Facebook's answer", async () => {
  const echo = (at: number) => ({
    sender: { id: pageId },
    recipient: { id: "2002" },
    timestamp: at,
    message: { mid: "m_sent", text: "hello", is_echo: true },
  });
  platform.graph.onSend = async () => {
    await platform.deliver(delivery([echo(Date.now())]));
    // It waits until it is known whose it is.
    expect(await replies()).toHaveLength(1);
    return { status: 200, body: { recipient_id: "2002", message_id: "m_sent" } };
  };
  const { json } = await reply("hello");
  const [message, ...others] = await settled();
  expect(others).toEqual([]);
  expect([message!.id, message!.delivery_state]).toEqual([json.id, "delivered"]);
  await platform.deliver(delivery([echo(Date.now() + 1)]));
  expect(await replies()).toHaveLength(1);
});

test("closing gives up a call that hangs, and the next start sends what was behind it", async () => {
  platform.graph.onSend = () => "hang";
  const called = platform.graph.next("/me/messages");
  await reply("hangs");
  await called;
  await reply("waits");
  platform.graph.onSend = () => ({ status: 200, body: { recipient_id: "2002", message_id: "m_sent" } });
  await platform.restart();
  const outcome = (await settled()).map((message) => [message.content.text, message.delivery_state]);
  expect(outcome).toEqual([
    ["hangs", "failed"],
    ["waits", "delivered"],
  ]);
});

test("after a crash the ones never attempted are sent, the ones in doubt fail", async () => {
  const insert = `insert into message (id, conversation_id, channel_id, sent_at, from_contact, sender_id, delivery_state, attempted_at, content)
    values ($1, $2, $3, $4, false, 'airy-core-anonymous', 'pending', $5, $6)`;
  const rows: [string, Date, Date | null][] = [
    ["never attempted", new Date(), null],
    ["in doubt", new Date(), new Date()],
    ["too old", new Date(Date.now() - 6 * 60_000), null],
  ];
  for (const [index, [text, at, attempted]] of rows.entries()) {
    const id = `00000000-0000-4000-8000-00000000000${index}`;
    await platform.sql(insert, [id, conversationId, channelId, at, attempted, JSON.stringify({ text })]);
  }
  await platform.restart();
  const outcome = Object.fromEntries(
    (await settled()).map((message) => [message.content.text, [message.delivery_state, message.metadata.error]]),
  );
  expect(outcome["never attempted"]).toEqual(["delivered", undefined]);
  expect(outcome["in doubt"]).toEqual(["failed", expect.stringContaining("not known")]);
  expect(outcome["too old"]).toEqual(["failed", expect.stringContaining("too long")]);
  const sent = platform.graph.calls.filter((call) => call.path.endsWith("/me/messages"));
  expect(sent.map((call) => (call.body as Json).message.text)).toEqual(["never attempted"]);
});

test("after the 24 hours a person may answer, where Facebook allows it", async () => {
  const error = { error: { message: "(#10) outside the allowed window", type: "OAuthException", code: 10, error_subcode: 2018278 } };
  platform.graph.onSend = () => ({ status: 400, body: error });
  const { json } = await reply("late");
  await settled();
  platform.graph.onSend = () => ({ status: 200, body: { recipient_id: "2002", message_id: "m_sent" } });
  expect((await platform.call("/messages.resend", { message_id: json.id, tag: "PROMOTION" })).status).toBe(400);
  expect((await platform.call("/messages.resend", { message_id: json.id, tag: "HUMAN_AGENT" })).status).toBe(200);
  expect((await settled())[0]).toMatchObject({ delivery_state: "delivered", metadata: { source: { id: "m_sent" } } });
  const kinds = platform.graph.calls.filter((call) => call.path.endsWith("/me/messages")).map((call) => call.body as Json);
  expect(kinds.map((body) => [body.messaging_type, body.tag])).toEqual([
    ["RESPONSE", undefined],
    ["MESSAGE_TAG", "HUMAN_AGENT"],
  ]);
});

const unknown = "00000000-0000-4000-8000-000000000000";

test("a message to nobody yet fails after half a minute, which is told, and is there when the customer writes", async () => {
  const early = airyId(channelId, "7007");
  expect((await platform.call("/messages.send", { conversation_id: unknown, message: { text: "never" } })).status).toBe(202);
  const kept = await platform.call("/messages.send", { conversation_id: early, message: { text: "too early" } });
  expect([kept.status, kept.json.delivery_state, kept.json.metadata]).toEqual([202, "pending", {}]);
  await platform.sql("update early_message set sent_at = now() - interval '29 seconds' where conversation_id = $1", [early]);
  await eventually(() => expect(platform.logs.join("\n")).toContain(`message ${kept.json.id} failed: no customer wrote`));
  expect(platform.logs.join("\n")).not.toContain(unknown);
  await platform.deliver(delivery([textEvent("m_late", "here I am", { from: "7007" })]));
  const { json } = await platform.call("/messages.list", { conversation_id: early });
  const failed = (json.data as Json[]).find((message) => message.id === kept.json.id);
  expect(failed).toMatchObject({ delivery_state: "failed", metadata: { error: expect.stringContaining("had not written") } });
  expect(platform.graph.calls.filter((call) => call.path.endsWith("/me/messages"))).toEqual([]);
});

test("a message that was faster than the customer's first one is sent once that is there, also after a restart", async () => {
  const early = airyId(channelId, "7008");
  await platform.call("/messages.send", { conversation_id: early, message: { text: "fast" } });
  await platform.restart();
  await platform.deliver(delivery([textEvent("m_first", "hi", { from: "7008" })]));
  await eventually(async () => {
    const { json } = await platform.call("/messages.list", { conversation_id: early });
    expect((json.data as Json[]).map((message) => [message.content.text, message.delivery_state])).toContainEqual(["fast", "delivered"]);
  });
});

test("nothing is sent for a channel that is not connected any more", async () => {
  await platform.sql("update channel set connected = false");
  const answer = await reply("hi");
  expect(answer.status).toBe(409);
  expect(answer.json.message).toContain("not connected");
  expect(await replies()).toEqual([]);
});
