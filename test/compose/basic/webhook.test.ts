import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { app, delivery, pageId, startTestPlatform, textEvent } from "./fixture.ts";

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

async function messages(): Promise<Json[]> {
  const answer = await platform.call("/messages.list", { conversation_id: conversationId, page_size: 1000 });
  return answer.status === 404 ? [] : answer.json.data;
}

describe("verification", () => {
  test("echoes the challenge as opaque text", async () => {
    const challenge = "1158201444<script>";
    const target = `/facebook?hub.mode=subscribe&hub.challenge=${encodeURIComponent(challenge)}&hub.verify_token=${app.verifyToken}`;
    const answer = await platform.request("GET", target, undefined, { host: "shop.tunnel.example" });
    expect(answer.status).toBe(200);
    expect(answer.text).toBe(challenge);
    expect(answer.headers["content-type"]).toMatch(/^text\/plain/);
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  });

  test.each([
    ["wrong token", "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=wrong", 403],
    ["empty token", "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=", 403],
    ["no token", "?hub.mode=subscribe&hub.challenge=1", 400],
    ["no challenge", `?hub.mode=subscribe&hub.verify_token=${app.verifyToken}`, 400],
    ["nothing", "", 400],
  ])("%s", async (_name, query, status) => {
    const answer = await platform.request("GET", `/facebook${query}`);
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain(app.verifyToken);
  });
});

describe("signature", () => {
  // The body of the vectors in Meta's own spelling: non-ASCII and slashes escaped. The secret is `app.appSecret`.
  const body =
    '{"object":"page","entry":[{"id":"1001","time":1700000000000,"messaging":[{"sender":{"id":"2002"},"recipient":{"id":"1001"},' +
    '"timestamp":1700000000000,"message":{"mid":"m_1","text":"\\u00e4\\u00f6\\u00e5 \\ud83d\\udc4b https:\\/\\/example.com"}}]}]}';
  const sha256 = "sha256=2478020ad91eb728a0616abd2165a1834dd9063bfb10442c017aaefc2499dd27";
  const sha1 = "sha1=a17ced7234aac1750fea9b9944de3f4d3b14f80d";

  test.each([
    ["sha256", { "x-hub-signature-256": sha256 }, 200],
    ["sha1 alone", { "x-hub-signature": sha1 }, 200],
    ["both", { "x-hub-signature-256": sha256, "x-hub-signature": sha1 }, 200],
    ["wrong sha256 beside a right sha1", { "x-hub-signature-256": `sha256=${"0".repeat(64)}`, "x-hub-signature": sha1 }, 401],
    ["right sha256 beside a wrong sha1", { "x-hub-signature-256": sha256, "x-hub-signature": `sha1=${"0".repeat(40)}` }, 200],
    ["SHA-1 of body and secret (Airy Core's formula)", { "x-hub-signature": "sha1=9aa149baebfad69b410498f2292179fae6fce6ea" }, 401],
    [
      "that of the re-serialised body",
      { "x-hub-signature-256": "sha256=8b1a220f792c1fc4a2415f54141a4c106aa955fba0425d696be7d47e51e09dae" },
      401,
    ],
    ["upper case", { "x-hub-signature-256": sha256.toUpperCase() }, 401],
    ["empty", { "x-hub-signature-256": "" }, 401],
    ["none", {}, 401],
  ])("%s", async (_name, headers, status) => {
    await platform.connect();
    const answer = await platform.request("POST", "/facebook", body, headers as Record<string, string>);
    expect(answer.status).toBe(status);
    const health = await platform.request("GET", "/health");
    expect(health.json).toMatchObject({ rejectedSignatures: status === 401 ? 1 : 0, deliveries: status === 200 ? 1 : 0 });
    expect((await messages()).map((message) => message.content.message.text)).toEqual(status === 200 ? ["äöå 👋 https://example.com"] : []);
  });

  test("nothing is taken when no app is configured", async () => {
    await platform.restart({ facebook: null });
    expect((await platform.request("POST", "/facebook", body, { "x-hub-signature-256": sha256 })).status).toBe(401);
    expect(await platform.sql("select 1 from delivery")).toEqual([]);
  });
});

describe("what Postgres or a parser might choke on", () => {
  beforeEach(async () => {
    await platform.connect();
  });

  const text = (value: string) => delivery([textEvent("odd", value), textEvent("good", "good", { at: 1_700_000_000_001 })]);

  test.each([
    ["NUL in the text", "a\u0000b"],
    ["a lone high surrogate", "a\ud83d"],
    ["a lone low surrogate", "\udc4bb"],
    ["a backslash and quotes", '\\u0000 "quoted" \\'],
    ["an emoji", "👋"],
  ])("%s comes out as it went in, beside its batch", async (_name, value) => {
    expect((await platform.deliver(text(value))).status).toBe(200);
    expect(await platform.texts(conversationId)).toEqual([value, "good"]);
  });

  test("NUL and lone surrogates in ids, and ids of absurd length", async () => {
    const odd = ["nul\u0000id", "half\ud83d", "x".repeat(20_000)];
    const events = odd.flatMap((id, index) => [textEvent(id, "by mid"), textEvent(`m_${index}`, "by sender", { from: id })]);
    const unknownApp = { ...textEvent("echo", "echo"), message: { mid: "echo", is_echo: true, app_id: "app\u0000" } };
    const reaction = {
      ...textEvent("r", ""),
      message: undefined,
      reaction: { mid: "nul\u0000id", action: "react", emoji: "\u0000\ud83d" },
    };
    for (let round = 0; round < 2; round += 1) {
      expect((await platform.deliver(delivery([...events, unknownApp, reaction]))).status).toBe(200);
    }
    const [row] = await platform.sql("select count(*)::int as messages from message");
    expect(row).toEqual({ messages: odd.length * 2 + 1 });
    expect((await platform.call("/conversations.list", {})).status).toBe(200);
  });

  test.each([
    ["not JSON", "not json", "not JSON"],
    ["an empty body", "", "not JSON"],
    ["invalid UTF-8", Buffer.from([0x7b, 0xff, 0xfe]), "not JSON"],
    ["a number", "42", "1 x unknown shape"],
    ["an array", "[]", "1 x unknown shape"],
    ["null", "null", "1 x unknown shape"],
    ["no entry", '{"object":"page"}', "1 x unknown shape"],
    ["an unknown object", '{"object":"user","entry":[]}', "1 x unknown object user"],
    ["deep nesting", `{"object":"page","entry":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, null],
    ["entries that are no objects", '{"object":"page","entry":[1,null,"x",{"id":"1001","messaging":"no"}]}', "3 x unknown shape"],
    [
      "a change of the dashboard's Test button",
      '{"object":"page","entry":[{"id":"0","time":1,"changes":[{"field":"messages","value":{}}]}]}',
      null,
    ],
    ["nothing", '{"object":"page","entry":[]}', null],
  ])("%s is kept and answered 200", async (_name, body, note) => {
    expect((await platform.deliver(Buffer.from(body))).status).toBe(200);
    const rows = await platform.sql<{ body: Buffer; note: string | null }>("select body, note from delivery");
    expect(rows).toHaveLength(1);
    expect(rows[0]!.body).toEqual(Buffer.from(body));
    if (note !== null) expect(rows[0]!.note).toBe(note);
  });

  test.each([
    ["a sender without id", { sender: {}, recipient: { id: pageId }, message: { mid: "x" } }, "1 x without a sender"],
    ["no sender", { recipient: { id: pageId }, message: { mid: "x" } }, "1 x without a sender"],
    ["a message that is text", { ...textEvent("x", ""), message: "text" }, "1 x unknown shape"],
    ["null", null, "1 x unknown shape"],
    ["a number", 7, "1 x unknown shape"],
  ])("one event that is %s does not take its siblings along", async (_name, odd, note) => {
    expect((await platform.deliver(delivery([odd, textEvent("good", "good")]))).status).toBe(200);
    expect(await platform.texts(conversationId)).toEqual(["good"]);
    expect(await platform.sql("select note from delivery")).toEqual([{ note }]);
  });

  test.each([
    ["missing", undefined],
    ["negative", -1],
    ["beyond the calendar", 9e15],
    ["a fraction", 1_700_000_000_000.5],
  ])("a timestamp that is %s still makes a readable message", async (_name, at) => {
    const event = { ...textEvent("m_1", "hi"), timestamp: at };
    expect((await platform.deliver(delivery([event]))).status).toBe(200);
    expect((await messages())[0]!.sent_at).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test("a body of any size is never answered 413 or 500", async () => {
    const answer = await platform.deliver(Buffer.alloc(33 * 1024 * 1024, " "));
    expect(answer.status).toBe(503);
    expect((await platform.deliver(text("after"))).status).toBe(200);
  });
});
