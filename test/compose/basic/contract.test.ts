/** Every endpoint against what `/openapi.json` says of it, with sensible and with senseless bodies; who may call; another page. */
import { anything, array, assert, asyncProperty, constantFrom, dictionary, integer, oneof, string, uint8Array } from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { delivery, eventually, pageId, pageToken, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;
let described: Json;

const channel = airyId("facebook", pageId);
const conversation = airyId(channel, "2002");

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
  platform = await startTestPlatform(await postgres.createDatabase());
  described = (await platform.request("GET", "/openapi.json")).json;
  await platform.connect();
  await platform.deliver(delivery([textEvent("m_1", "hi")]));
});
afterAll(async () => {
  await platform.close();
  await postgres.close();
});

/** The answer is one that the description names, in the shape it gives. */
function expectDescribed(path: string, answer: { status: number; text: string; json: Json }): void {
  const responses = described.paths[path].post.responses;
  expect(Object.keys(responses), `${path} answered ${answer.status} ${answer.text.slice(0, 200)}`).toContain(String(answer.status));
  const schema = responses[String(answer.status)].content?.["application/json"]?.schema;
  if (schema === undefined) return expect(answer.text).toBe("");
  const parsed = z.fromJSONSchema(schema).safeParse(answer.json);
  expect(parsed.success ? null : `${path} ${answer.status}: ${parsed.error.message} in ${answer.text.slice(0, 500)}`).toBeNull();
}

test("every endpoint answers what it describes", async () => {
  const tag = (await platform.call("/tags.create", { name: "t", color: "tag-blue" })).json;
  const template = (await platform.call("/templates.create", { name: "t", source: "facebook", content: {} })).json;
  const hook = (await platform.call("/webhooks.subscribe", { url: "http://127.0.0.1:9/", events: ["none"] })).json;
  const contact = (await platform.call("/contacts.info", { conversation_id: conversation })).json;
  const message = (await platform.call("/messages.list", { conversation_id: conversation })).json.data[0];
  const of = { conversation_id: conversation };
  const bodies: Record<string, unknown> = {
    "/conversations.info": of,
    "/conversations.mark-read": of,
    "/conversations.tag": { ...of, tag_id: tag.id },
    "/conversations.untag": { ...of, tag_id: tag.id },
    "/conversations.set-state": { ...of, state: "OPEN" },
    "/conversations.remove-state": of,
    "/conversations.update-contact": { ...of, display_name: "Ada" },
    "/conversations.refetch": of,
    "/messages.list": of,
    "/messages.send": { ...of, message: { text: "x" } },
    "/messages.resend": { message_id: message.id },
    "/messages.suggest-replies": { message_id: message.id, suggestions: { one: { content: { text: "yes" } } } },
    "/channels.info": { channel_id: channel },
    "/channels.update": { channel_id: channel, name: "n" },
    "/channels.facebook.connect": { page_id: pageId, page_token: pageToken },
    "/channels.instagram.connect": { page_id: pageId, account_id: "5", page_token: pageToken },
    "/channels.facebook.disconnect": { channel_id: airyId("facebook", "none") },
    "/channels.instagram.disconnect": { channel_id: airyId("instagram", "5") },
    "/channels.facebook.explore": { auth_token: "t" },
    "/contacts.info": { id: contact.id },
    "/contacts.create": { display_name: "Bob", conversations: {} },
    "/contacts.import": [{ display_name: "Eve" }],
    "/contacts.update": { id: contact.id, title: "Dr" },
    "/contacts.merge": { source_id: contact.id, destination_id: contact.id },
    "/contacts.delete": { id: airyId("no", "contact") },
    "/contacts.recent-messages": { id: contact.id },
    "/tags.create": { name: "u", color: "tag-red" },
    "/tags.update": { id: tag.id, name: "w" },
    "/tags.delete": { id: tag.id },
    "/templates.create": { name: "u", source: "facebook", content: "x" },
    "/templates.info": { id: template.id },
    "/templates.list": { source: "facebook" },
    "/templates.update": { id: template.id, content: { a: 1 } },
    "/templates.delete": { id: template.id },
    "/metadata.upsert": { subject: "channel", id: channel, data: { a: 1 } },
    "/webhooks.subscribe": { url: "http://127.0.0.1:9/", events: ["none"] },
    "/webhooks.update": { id: hook.id, name: "x", events: ["none"] },
    "/webhooks.info": { id: hook.id },
    "/webhooks.unsubscribe": { id: hook.id },
    "/components.update": { components: [{ name: "sources-facebook", enabled: true, data: {} }] },
  };
  expect(Object.keys(described.paths).length).toBeGreaterThan(45);
  expect(Object.keys(bodies).filter((path) => !(path in described.paths))).toEqual([]);
  for (const path of Object.keys(described.paths)) {
    const answer = await platform.call(path, bodies[path]);
    if (path in bodies) expect([path, answer.status, answer.text]).not.toEqual([path, 400, expect.stringContaining("timestamp")]);
    expectDescribed(path, answer);
  }
});

test("no body whatever brings anything but a described answer", async () => {
  const ids = [conversation, channel, "00000000-0000-4000-8000-000000000000", "x", "", null, 7];
  const names = [
    "conversation_id",
    "channel_id",
    "message_id",
    "id",
    "tag_id",
    "message",
    "state",
    "display_name",
    "name",
    "color",
    "filters",
    "cursor",
    "page_size",
    "source",
    "content",
    "subject",
    "data",
    "url",
    "headers",
    "events",
    "suggestions",
    "conversations",
    "via",
    "address",
    "source_recipient_id",
    "page_id",
    "page_token",
    "account_id",
    "auth_token",
    "components",
    "__proto__",
    "constructor",
  ];
  const value = oneof(
    anything({ maxDepth: 3 }),
    constantFrom(...ids),
    string({ unit: "binary" }),
    integer(),
    constantFrom("a\u0000b", "\ud800"),
  );
  const body = oneof({ weight: 8, arbitrary: dictionary(constantFrom(...names), value) }, { weight: 1, arbitrary: array(value) });
  await assert(
    asyncProperty(constantFrom(...Object.keys(described.paths)), body, async (path, given) => {
      let text: string | undefined;
      try {
        text = JSON.stringify(given);
      } catch {
        return;
      }
      const answer = await platform.request("POST", path, text, { "content-type": "application/json" });
      expect(answer.status, `${path} ${text} ${answer.text}`).not.toBe(403);
      if (answer.status !== 503) expectDescribed(path, answer);
    }),
    { numRuns: 600 },
  );
  expect((await platform.request("GET", "/health")).json.status).toBe("ok");
  expect(platform.logs.filter((line) => /internal|TypeError|RangeError/.test(line))).toEqual([]);
});

test("nor do bytes and addresses of any kind, on the paths that are no JSON endpoints and on those", async () => {
  const types = [
    "application/json",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    "text/plain",
    "",
    "\u00e9/;;",
  ];
  const part = `--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n`;
  const bytes = oneof(
    uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
    string({ unit: "binary" }).map((text) => Buffer.from(part + text)),
    constantFrom(...["", "{", "null", "[[", "--x--\r\n", `${part}y\r\n--x--\r\n`, "token=%ff"].map((text) => Buffer.from(text))),
  );
  const unlisted = ["/facebook", "/media.upload", "/media.uploadFile", "/login", "/admin.restore", "/health", "/nothing"];
  const query = oneof(
    string({ unit: "binary" }).map(encodeURIComponent),
    string().map((text) => text.replaceAll(/[^!-~]|#/g, "%")),
    constantFrom("id=%", "%%%", "id=&id=", "url=http://[::1&message=x", "hub.challenge=%00&hub.verify_token"),
  );
  await assert(
    asyncProperty(
      constantFrom(...unlisted, ...Object.keys(described.paths)),
      bytes,
      constantFrom(...types),
      query,
      async (path, body, type, given) => {
        const posted = await platform.request("POST", path, body, { "content-type": Buffer.from(type).toString("latin1") });
        expect(posted.status, `POST ${path} ${type} ${body.toString("hex")} ${posted.text}`).not.toBe(500);
        for (const target of ["/media", "/media.file", "/facebook", "/login", "/", path]) {
          const got = await platform.request("GET", `${target}?${given}`);
          expect(got.status, `GET ${target}?${given} ${got.text}`).toBeLessThan(500);
        }
      },
    ),
    { numRuns: 150 },
  );
  expect((await platform.request("GET", "/health")).json.status).toBe("ok");
  expect(platform.logs.filter((line) => /internal|TypeError|RangeError/.test(line))).toEqual([]);
});

test.each([
  ["invalid UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), 400],
  ["not JSON", "{", 400],
  ["deep nesting", `{"message":${"[".repeat(5_000)}${"]".repeat(5_000)}}`, 400],
  ["10 MB", `{"x":"${"x".repeat(10 * 1024 * 1024)}"}`, 413],
  ["an own __proto__", '{"__proto__":{"page_size":1},"constructor":{}}', 200],
])("%s is answered", async (_name, body, status) => {
  expect((await platform.request("POST", "/conversations.list", body)).status).toBe(status);
});

test("a client that asks in a tight loop is borne", async () => {
  const statuses = await Promise.all(Array.from({ length: 1_000 }, async () => (await platform.call("/webhooks.list")).status));
  expect(new Set(statuses)).toEqual(new Set([200]));
});

describe("with a token", () => {
  let closed: TestPlatform;
  beforeAll(async () => {
    closed = await startTestPlatform(await postgres.createDatabase(), { apiToken: "let-me-in", allowedOrigins: ["http://localhost:*"] });
  });
  afterAll(() => closed.close());

  const post = (path: string, headers: Record<string, string>) => closed.request("POST", path, "{}", headers);

  test("calls need it, with or without the word Bearer; the webhook and health do not", async () => {
    const refused = await post("/channels.list", {});
    expect([refused.status, refused.json]).toMatchObject([403, { status: 403, error: "Forbidden", path: "/channels.list" }]);
    expect((await post("/channels.list", { authorization: "Bearer wrong" })).status).toBe(403);
    for (const authorization of ["Bearer let-me-in", "let-me-in"])
      expect((await post("/channels.list", { authorization })).status).toBe(200);
    expect((await closed.request("GET", "/health")).status).toBe(200);
    expect((await closed.request("POST", "/facebook", "{}", { host: "public.example" })).status).toBe(401);
  });

  test("a browser signs in once", async () => {
    const opened = await closed.request("GET", "/");
    expect([opened.status, opened.headers.location]).toEqual([303, "/login"]);
    expect((await closed.request("GET", "/login")).text).toContain('type="password"');
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect((await closed.request("POST", "/login", "token=wrong", form)).headers).not.toHaveProperty("set-cookie");
    const signedIn = await closed.request("POST", "/login", "token=let-me-in", form);
    expect(signedIn.status).toBe(303);
    const [cookie] = signedIn.headers["set-cookie"]!;
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
    expect(cookie).not.toContain("let-me-in");
    expect((await post("/channels.list", { cookie: cookie!.split(";")[0]! })).status).toBe(200);
    expect((await closed.request("GET", "/", undefined, { cookie: cookie!.split(";")[0]! })).status).toBe(200);
  });

  test("another page that the configuration names may use it, others may not", async () => {
    const origin = "http://localhost:3000";
    const ask = { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type,authorization" };
    const preflight = await closed.request("OPTIONS", "/channels.list", undefined, ask);
    expect([preflight.status, preflight.headers]).toMatchObject([
      200,
      {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-allow-headers": "content-type,authorization",
        "access-control-allow-methods": "GET,POST",
      },
    ]);
    const answer = await post("/channels.list", { origin, authorization: "let-me-in" });
    expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([200, origin]);
    for (const foreign of ["http://localhost.evil.example", "https://evil.example", "http://localhost:3000/x", "null"]) {
      const refused = await post("/channels.list", { origin: foreign, authorization: "let-me-in" });
      expect([refused.status, refused.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
    }
  });
});

test("events wait for nobody: the health of a platform whose database is away is told at once", async () => {
  const other = await startTestPlatform(await postgres.createDatabase());
  await postgres.stop();
  const { status, json } = await other.request("GET", "/health");
  expect([status, json.status]).toEqual([503, "unavailable"]);
  expect((await other.call("/channels.list")).status).toBe(503);
  await postgres.start();
  await eventually(async () => expect((await other.request("GET", "/health")).status).toBe(200));
  await other.close();
});
