import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../cli/io/http.ts";
import { metaJson, signatureHeaders, verifySignature } from "../../../compose/facebook/contract.ts";
import { type Received, type Receiver, platformLike, startReceiver } from "./receiver.ts";
import { type Json, type StandIn, app, appToken, commandToken, page, startStandIn } from "./stand-in.ts";

const http = createHttpClient();
let standIn: StandIn;
let receiver: Receiver;

beforeEach(async () => {
  standIn = await startStandIn();
  receiver = await startReceiver(platformLike("right-token"));
});

afterEach(async () => {
  await standIn.close();
  await receiver.close();
});

const posted = (request: Received) => request.method === "POST";

function subscribe(fields?: string[]): Promise<void> {
  return standIn.subscribe(`${receiver.url}/facebook`, "right-token", fields);
}

function write(body: Json): Promise<{ status: number; json: Json }> {
  return standIn.command("POST", "/sandbox/messages", body);
}

test("signatures are those of Meta's receivers (vectors made with other tools)", () => {
  const value = {
    object: "page",
    entry: [
      {
        id: "1001",
        time: 1700000000000,
        messaging: [
          {
            sender: { id: "2002" },
            recipient: { id: "1001" },
            timestamp: 1700000000000,
            message: { mid: "m_1", text: "äöå 👋 https://example.com" },
          },
        ],
      },
    ],
  };
  const body = metaJson(value);
  expect(body).toHaveLength(240);
  expect(signatureHeaders("test_app_secret", body)).toEqual({
    "x-hub-signature-256": "sha256=2478020ad91eb728a0616abd2165a1834dd9063bfb10442c017aaefc2499dd27",
    "x-hub-signature": "sha1=a17ced7234aac1750fea9b9944de3f4d3b14f80d",
  });
  expect(signatureHeaders("FAKE_SECRET", Buffer.from("{}"))["x-hub-signature"]).toBe("sha1=1c99183cb7c44ea27fb834746086b65b89800db8");
});

test("a customer writes: one signed, escaped delivery reaches the callback", async () => {
  await subscribe();
  const { status, json } = await write({ text: "grüße 👋 a/b", senderId: "2002" });
  expect(status).toBe(200);
  expect(json).toMatchObject({ senderId: "2002", pageId: page.id, status: 200 });
  expect(json.deliveries).toEqual([{ mid: json.mid, status: 200, attempts: 1, durationMs: expect.any(Number), held: false }]);

  const delivery = await receiver.nth(0, posted);
  expect(delivery.url.pathname).toBe("/facebook");
  expect(delivery.headers).toMatchObject({ "content-type": "application/json", "user-agent": "facebookexternalua" });
  const raw = delivery.body.toString("latin1");
  expect(raw).toContain("gr\\u00fc\\u00dfe \\ud83d\\udc4b a\\/b");
  expect(verifySignature(app.secret, delivery.body, { "x-hub-signature-256": delivery.headers["x-hub-signature-256"] as string })).toBe(
    "valid",
  );
  expect(verifySignature(app.secret, delivery.body, { "x-hub-signature": delivery.headers["x-hub-signature"] as string })).toBe("valid");
  expect(JSON.parse(raw)).toEqual({
    object: "page",
    entry: [
      {
        id: page.id,
        time: expect.any(Number),
        messaging: [
          {
            sender: { id: "2002" },
            recipient: { id: page.id },
            timestamp: expect.any(Number),
            message: { mid: json.mid, text: "grüße 👋 a/b" },
          },
        ],
      },
    ],
  });
});

test("the unnamed customer is always the same one; count writes that many messages, in order", async () => {
  await subscribe();
  const first = await write({ text: "one" });
  const { json } = await write({ text: "more", count: 3 });
  expect(json.senderId).toBe(first.json.senderId);
  expect(json.deliveries).toHaveLength(3);
  expect(json.mid).toBe(json.deliveries[2].mid);
  const mids = receiver.requests.filter(posted).map((request) => JSON.parse(request.body.toString()).entry[0].messaging[0].message.mid);
  expect(mids.slice(1)).toEqual(json.deliveries.map((delivery: Json) => delivery.mid));
  expect(new Set(mids).size).toBe(4);
});

test("a delivery that is not answered 200 is repeated at once, byte for byte", async () => {
  await subscribe();
  let posts = 0;
  receiver.react((request, res) => {
    posts += 1;
    res.writeHead(posts < 3 ? 503 : 200).end();
  });
  const { json } = await write({ text: "again" });
  expect(json.deliveries[0]).toMatchObject({ status: 200, attempts: 3 });
  const bodies = receiver.requests.filter(posted).map((request) => request.body.toString());
  expect(bodies).toHaveLength(3);
  expect(new Set(bodies).size).toBe(1);
});

test("a webhook that keeps refusing, or is gone, is reported with its last status", async () => {
  await subscribe();
  receiver.react((_, res) => res.writeHead(401).end());
  expect((await write({ text: "no" })).json).toMatchObject({ status: 401, deliveries: [{ status: 401, attempts: 3 }] });
  await receiver.close();
  expect((await write({ text: "no" })).json).toMatchObject({ status: 0, deliveries: [{ status: 0, attempts: 3 }] });
});

test("a webhook has 5 seconds for its answer, and none counts as a failure", async () => {
  await standIn.close();
  const limits: number[] = [];
  standIn = await startStandIn({
    http: (request) => {
      if (request.method === "GET") return http(request);
      limits.push(request.timeoutMs);
      return http({ ...request, timeoutMs: 50 });
    },
  });
  await subscribe();
  receiver.react(() => {});
  expect((await write({ text: "hello?" })).json.deliveries).toMatchObject([{ status: 0, attempts: 3 }]);
  expect(limits).toEqual([5_000, 5_000, 5_000]);
});

test("409 names the layer that is missing, one after the other", async () => {
  const layer = async () => {
    const { status, json } = await write({ text: "hello" });
    return status === 409 ? (json.error.layer as string) : `${status}`;
  };
  const subscriptions = `/v26.0/${app.id}/subscriptions`;
  const registration = { object: "page", callback_url: `${receiver.url}/facebook`, verify_token: "right-token" };
  expect(await layer()).toBe("app");
  await standIn.call("POST", subscriptions, appToken, { ...registration, fields: "standby" });
  expect(await layer()).toBe("app-field");
  await standIn.call("POST", subscriptions, appToken, { ...registration, fields: "messages" });
  expect(await layer()).toBe("page");
  await standIn.call("POST", "/me/subscribed_apps", page.token, { subscribed_fields: "standby" });
  expect(await layer()).toBe("page-field");
  await standIn.call("POST", "/me/subscribed_apps", page.token, { subscribed_fields: "messages" });
  expect(await layer()).toBe("200");
  await standIn.call("DELETE", "/me/subscribed_apps", page.token);
  expect(await layer()).toBe("page");
  expect(receiver.requests.filter(posted)).toHaveLength(1);
});

test("the page replies: the Send API answers ids, the reply is kept, the echo carries the app's id", async () => {
  await subscribe();
  await write({ text: "hello", senderId: "2002" });
  const { status, json } = await standIn.call("POST", "/v11.0/me/messages", page.token, {
    recipient: { id: "2002" },
    message: { text: "hello back" },
  });
  expect({ status, json }).toEqual({ status: 200, json: { recipient_id: "2002", message_id: expect.stringMatching(/^m_/) } });
  const replies = await standIn.command("GET", "/sandbox/replies");
  expect(replies.json).toEqual([{ recipientId: "2002", text: "hello back", messageId: json.message_id, at: expect.any(String) }]);

  const echo = await receiver.nth(1, posted);
  expect(JSON.parse(echo.body.toString()).entry[0].messaging[0]).toEqual({
    sender: { id: page.id },
    recipient: { id: "2002" },
    timestamp: expect.any(Number),
    message: { mid: json.message_id, is_echo: true, app_id: Number(app.id), text: "hello back" },
  });
});

test("no echo where the field is not subscribed; token and form body as query parameters work too", async () => {
  await subscribe(["messages"]);
  await write({ text: "before", senderId: "2002" });
  const answer = await http({
    method: "POST",
    url: `${standIn.url}/v26.0/${page.id}/messages?access_token=${page.token}`,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({
      recipient: '{"id":"2002"}',
      message: '{"attachment":{"type":"image","payload":{"url":"https://x.example/a.png"}}}',
    }).toString(),
  });
  expect(answer.status).toBe(200);
  expect((await standIn.command("GET", "/sandbox/replies")).json).toMatchObject([{ recipientId: "2002", text: null }]);
  await write({ text: "after" });
  expect(receiver.requests.filter(posted)).toHaveLength(2);
});

test.each([
  ["no recipient", { message: { text: "x" } }],
  ["no message", { recipient: { id: "1" } }],
  ["an empty message", { recipient: { id: "1" }, message: {} }],
])("the Send API refuses %s and keeps nothing", async (_, body) => {
  const { status, json } = await standIn.call("POST", "/me/messages", page.token, body);
  expect({ status, code: json.error.code }).toEqual({ status: 400, code: 100 });
  expect((await standIn.command("GET", "/sandbox/replies")).json).toEqual([]);
});

test("the command channel wants its token and a local Host", async () => {
  const state = `${standIn.url}/sandbox/state`;
  const ask = (headers: Record<string, string>) => http({ url: state, headers }).then((answer) => answer.status);
  const authorization = `Bearer ${commandToken}`;
  expect(await ask({})).toBe(401);
  expect(await ask({ authorization: "Bearer wrong" })).toBe(401);
  expect(await ask({ authorization: `Bearer ${appToken}` })).toBe(401);
  expect(await ask({ authorization, host: "attacker.example.com" })).toBe(421);
  expect(await ask({ authorization, host: "127.0.0.1.attacker.example" })).toBe(421);
  for (const host of ["localhost:80", "127.0.0.1:9", "[::1]:9", "facebook:8080", "facebook.localhost"]) {
    expect(await ask({ authorization, host })).toBe(200);
  }
});

test.each([
  ["not JSON", "{"],
  ["no text", JSON.stringify({})],
  ["an empty text", JSON.stringify({ text: "" })],
  ["a strange sender", JSON.stringify({ text: "x", senderId: "a b" })],
  ["too many", JSON.stringify({ text: "x", count: 100000 })],
  ["an unknown member", JSON.stringify({ text: "x", sender: "1" })],
])("a command with %s is refused with 400", async (_, body) => {
  await subscribe();
  const url = `${standIn.url}/sandbox/messages`;
  const answer = await http({ method: "POST", url, headers: { authorization: `Bearer ${commandToken}` }, body });
  expect(answer.status).toBe(400);
  expect(receiver.requests.filter(posted)).toEqual([]);
});

test("the state shows every layer and no secret", async () => {
  await subscribe();
  const { json } = await standIn.command("GET", "/sandbox/state");
  expect(json).toMatchObject({
    app: { id: app.id },
    page: { id: page.id, subscribedFields: ["messages", "message_echoes"] },
    subscriptions: [{ object: "page", callbackUrl: `${receiver.url}/facebook`, active: true, includeValues: true }],
    replies: 0,
  });
  for (const secret of [app.secret, page.token, commandToken, "right-token"]) expect(JSON.stringify(json)).not.toContain(secret);
  expect((await standIn.command("GET", "/sandbox/nothing")).status).toBe(404);
});

test("close waits for the delivery under way and makes no further attempt", async () => {
  await subscribe();
  let finish = () => {};
  receiver.react((_, res) => {
    finish = () => res.writeHead(503).end();
  });
  const answer = write({ text: "slow" }).catch(() => null);
  await receiver.nth(0, posted);
  const closed = standIn.close();
  finish();
  await closed;
  await answer;
  expect(receiver.requests.filter(posted)).toHaveLength(1);
  standIn = await startStandIn();
});
