import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../cli/io/http.ts";
import { type Receiver, platformLike, startReceiver } from "./receiver.ts";
import { type Json, type StandIn, app, appToken, page, startStandIn } from "./stand-in.ts";

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

function subscriptions(): string {
  return `/v26.0/${app.id}/subscriptions`;
}

function registration(changes: Json = {}): Json {
  return { object: "page", callback_url: `${receiver.url}/facebook`, verify_token: "right-token", fields: "messages", ...changes };
}

async function rows(): Promise<Json[]> {
  return (await standIn.call("GET", subscriptions(), appToken)).json.data as Json[];
}

test("the app is described to its own token, at any version and without one", async () => {
  for (const path of ["/v26.0/app", "/v11.0/app", "/app", `/v26.0/${app.id}`]) {
    const { status, json } = await standIn.call("GET", path, appToken);
    expect({ status, id: json.id, name: json.name }).toEqual({ status: 200, id: app.id, name: app.name });
  }
});

test.each([
  ["no token", null, 104, undefined],
  ["a token that is none", "nonsense", 190, undefined],
  ["another app's id", `999|${app.secret}`, 101, undefined],
  ["a wrong secret", `${app.id}|wrong`, 190, undefined],
  ["the page's token", page.token, 15, undefined],
])("subscriptions refuse %s in Meta's error shape", async (_, token, code, subcode) => {
  const { status, json } = await standIn.call("GET", subscriptions(), token);
  expect(status).toBe(400);
  expect(json.error).toMatchObject({ code, type: "OAuthException", message: expect.any(String), fbtrace_id: expect.any(String) });
  expect(json.error.error_subcode).toBe(subcode);
});

test("page edges refuse the app's token, and unknown objects are named", async () => {
  const wrongToken = await standIn.call("GET", "/me/subscribed_apps", appToken);
  expect(wrongToken.json.error).toMatchObject({ code: 190, error_subcode: 2069032 });
  const unknown = await standIn.call("GET", "/v26.0/77/subscriptions", appToken);
  expect(unknown.json.error).toMatchObject({ code: 100, error_subcode: 33, type: "GraphMethodException" });
});

test("a registration runs the handshake before it is stored, and is read back without the verify token", async () => {
  expect(await rows()).toEqual([]);
  const { status, json } = await standIn.call(
    "POST",
    subscriptions(),
    appToken,
    registration({ callback_url: `${receiver.url}/facebook?a=b` }),
  );
  expect({ status, json }).toEqual({ status: 200, json: { success: true } });

  expect(receiver.requests).toHaveLength(1);
  const [handshake] = receiver.requests;
  expect(handshake!.method).toBe("GET");
  expect(handshake!.headers["user-agent"]).toBe("facebookplatform/1.0 (+http://developers.facebook.com)");
  expect(Object.fromEntries(handshake!.url.searchParams)).toMatchObject({
    a: "b",
    "hub.mode": "subscribe",
    "hub.verify_token": "right-token",
  });
  expect(Number(handshake!.url.searchParams.get("hub.challenge"))).toBeLessThan(2 ** 31);

  const fields = [{ name: "messages", version: "v26.0" }];
  expect(await rows()).toEqual([{ object: "page", callback_url: `${receiver.url}/facebook?a=b`, active: true, fields }]);
});

test("parameters and token are read from query, form and JSON, lists with commas, spaces or as arrays", async () => {
  const encoded = encodeURIComponent(`${receiver.url}/facebook`);
  const query = `object=page&callback_url=${encoded}&verify_token=right-token&access_token=${encodeURIComponent(appToken)}`;
  const json = { "content-type": "application/json" };
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const url = standIn.url + subscriptions();
  const requests = [
    { url: `${url}?${query}&fields=messages,%20messaging_postbacks`, headers: json, body: "" },
    { url, headers: form, body: `${query}&fields=message_echoes` },
    { url, headers: json, body: JSON.stringify({ ...registration({ fields: ["standby"] }), access_token: appToken, id: app.id }) },
    {
      url,
      headers: { ...form, authorization: `Bearer ${appToken}` },
      body: `${query.split("&access_token")[0]}&fields=["message_reactions"]`,
    },
  ];
  for (const request of requests) {
    const answer = await http({ method: "POST", ...request });
    expect({ status: answer.status, body: answer.body.toString() }).toEqual({ status: 200, body: '{"success":true}' });
  }
  const [row] = await rows();
  expect(row!.fields.map((field: Json) => field.name)).toEqual([
    "messages",
    "messaging_postbacks",
    "message_echoes",
    "standby",
    "message_reactions",
  ]);
});

test("a second POST amends: the callback is replaced, fields are added, none is lost", async () => {
  await standIn.call("POST", subscriptions(), appToken, registration());
  const second = registration({ callback_url: `${receiver.url}/other`, fields: "standby" });
  await standIn.call("POST", subscriptions(), appToken, second);
  const [row] = await rows();
  expect(row!.callback_url).toBe(`${receiver.url}/other`);
  expect(row!.fields.map((field: Json) => field.name)).toEqual(["messages", "standby"]);
  expect(receiver.requests.map((request) => request.url.pathname)).toEqual(["/facebook", "/other"]);
});

test("DELETE takes fields, an object, or everything", async () => {
  await standIn.call("POST", subscriptions(), appToken, registration({ fields: "messages,standby" }));
  await standIn.call("POST", subscriptions(), appToken, registration({ object: "instagram" }));
  await standIn.call("DELETE", `${subscriptions()}?object=page&fields=standby`, appToken);
  expect((await rows())[0]!.fields).toHaveLength(1);
  await standIn.call("DELETE", subscriptions(), appToken, { object: "page" });
  expect((await rows()).map((row) => row.object)).toEqual(["instagram"]);
  await standIn.call("DELETE", subscriptions(), appToken);
  expect(await rows()).toEqual([]);
});

test.each([
  ["object", { object: undefined }],
  ["object", { object: "cat" }],
  ["callback_url", { callback_url: undefined }],
  ["callback_url", { callback_url: "ftp://x" }],
  ["verify_token", { verify_token: undefined }],
  ["fields[1]", { fields: ["messages", "gossip"] }],
])("a wrong or missing %s is refused with code 100 before any handshake", async (name, change) => {
  const { status, json } = await standIn.call("POST", subscriptions(), appToken, registration(change));
  expect({ status, code: json.error.code }).toEqual({ status: 400, code: 100 });
  expect(json.error.message).toContain(name);
  expect(receiver.requests).toEqual([]);
});

test("2200: the callback answers something else than 2xx; the earlier registration stays", async () => {
  await standIn.call("POST", subscriptions(), appToken, registration());
  receiver.react((_, res) => res.writeHead(404).end());
  const { status, json } = await standIn.call("POST", subscriptions(), appToken, registration({ callback_url: `${receiver.url}/wrong` }));
  expect(status).toBe(400);
  expect(json.error.code).toBe(2200);
  expect(json.error.message).toBe(
    "(#2200) Callback verification failed with the following errors: HTTP Status Code = 404; HTTP Message = Not Found",
  );
  expect((await rows())[0]!.callback_url).toBe(`${receiver.url}/facebook`);
});

test("2200: nobody listens at the callback", async () => {
  const gone = await startReceiver(platformLike("right-token"));
  await gone.close();
  const { json } = await standIn.call("POST", subscriptions(), appToken, registration({ callback_url: `${gone.url}/facebook` }));
  expect(json.error.code).toBe(2200);
  expect(json.error.message).toContain("curl_errno = 7; curl_error = Failed to connect to 127.0.0.1 port");
});

test("2200: a server without TLS behind an https URL", async () => {
  const url = receiver.url.replace("http:", "https:");
  const { json } = await standIn.call("POST", subscriptions(), appToken, registration({ callback_url: `${url}/facebook` }));
  expect(json.error.code).toBe(2200);
  expect(json.error.message).toContain("curl_errno = 35; curl_error = Unknown SSL protocol error");
});

test.each([
  ["a page of HTML", "<!DOCTYPE html><p>hello", 'received="<!DOCTYPE html><p>hello"'],
  ["nothing", "", 'received=""'],
  ["Airy's answer to a wrong token", "0", 'received="0"'],
])("2201: the callback answers %s", async (_, body, received) => {
  receiver.react((__, res) => res.writeHead(200).end(body));
  const { json } = await standIn.call("POST", subscriptions(), appToken, registration());
  expect(json.error.code).toBe(2201);
  expect(json.error.message).toMatch(/^\(#2201\) response does not match challenge, expected value="\d+", /);
  expect(json.error.message).toContain(received);
  expect(await rows()).toEqual([]);
});

test("2201: the challenge as a quoted JSON string", async () => {
  receiver.react(({ url }, res) => res.writeHead(200).end(JSON.stringify(url.searchParams.get("hub.challenge"))));
  const { json } = await standIn.call("POST", subscriptions(), appToken, registration());
  expect(json.error.code).toBe(2201);
});

test("the page subscribes to the app, is read back with its fields, and unsubscribes", async () => {
  for (const path of ["/v26.0/me/subscribed_apps", `/v26.0/${page.id}/subscribed_apps`]) {
    expect((await standIn.call("GET", path, page.token)).json).toEqual({ data: [] });
    await standIn.call("POST", `${path}?subscribed_fields=messages,%20standby`, page.token);
    const { json } = await standIn.call("GET", path, page.token);
    expect(json.data).toMatchObject([{ id: app.id, name: app.name, subscribed_fields: ["messages", "standby"] }]);
    expect((await standIn.call("DELETE", path, page.token)).json).toEqual({ success: true });
  }
  const missing = await standIn.call("POST", "/me/subscribed_apps", page.token);
  expect(missing.json.error).toMatchObject({ code: 100, message: "(#100) The parameter subscribed_fields is required." });
});

test("tokens can be had and exchanged", async () => {
  const client = `client_id=${app.id}&client_secret=${app.secret}`;
  const own = await standIn.call("GET", `/oauth/access_token?grant_type=client_credentials&${client}`, null);
  expect(own.json).toEqual({ access_token: appToken, token_type: "bearer" });
  const exchange = `/v11.0/oauth/access_token?grant_type=fb_exchange_token&${client}&fb_exchange_token=${page.token}`;
  expect((await standIn.call("GET", exchange, null)).json.access_token).toBe(page.token);
  const wrong = await standIn.call("GET", `/oauth/access_token?grant_type=client_credentials&client_id=${app.id}&client_secret=x`, null);
  expect(wrong.json.error.message).toBe("Error validating client secret.");
});

test("page and customers can be looked up with the page's token", async () => {
  const { json } = await standIn.call("GET", `/v11.0/${page.id}?fields=id,name,access_token`, page.token);
  expect(json).toEqual({ id: page.id, name: page.name, access_token: page.token });
  const customer = await standIn.call("GET", "/24000000000000001?fields=first_name,last_name,profile_pic", page.token);
  expect(customer.json).toEqual({
    id: "24000000000000001",
    first_name: "Ada",
    last_name: "Berg",
    profile_pic: `${standIn.url}/pictures/24000000000000001.svg`,
  });
  const picture = await http({ url: customer.json.profile_pic });
  expect({ status: picture.status, type: picture.headers["content-type"] }).toEqual({ status: 200, type: "image/svg+xml" });
  const unknown = await standIn.call("GET", "/24000000000000001?fields=shoe_size", page.token);
  expect(unknown.json.error).toMatchObject({
    code: 100,
    message: "(#100) Tried accessing nonexisting field (shoe_size) on node type (User)",
  });
  expect((await standIn.call("GET", "/24000000000000001", appToken)).status).toBe(400);
});

test("a body that is not JSON or too large is refused, and the stand-in lives on", async () => {
  const url = standIn.url + subscriptions();
  const headers = { "content-type": "application/json", authorization: `Bearer ${appToken}` };
  expect((await http({ method: "POST", url, headers, body: "{" })).status).toBe(400);
  expect((await http({ method: "POST", url, headers, body: Buffer.alloc(2_000_000, 32) })).status).toBe(400);
  expect((await standIn.call("GET", "/health", null)).json).toEqual({ status: "ok" });
});

test("the log names what happened and no secret", async () => {
  await standIn.subscribe(`${receiver.url}/facebook`, "right-token");
  expect(standIn.logs.join("\n")).toContain(`${receiver.url}/facebook`);
  for (const secret of [app.secret, page.token, "right-token"]) expect(standIn.logs.join("\n")).not.toContain(secret);
});
