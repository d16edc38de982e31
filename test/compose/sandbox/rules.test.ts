/** The rest of the Graph API: tokens and scopes, versions, headers, planted errors, rows that nobody registered, WhatsApp's overrides. */
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../cli/io/http.ts";
import { fill, readTemplate, wireText } from "../../../compose/facebook/fill.ts";
import { type FixtureName, fixtureTexts, fixtures } from "../../../compose/facebook/fixtures.ts";
import { type Received, type Receiver, platformLike, startReceiver } from "./receiver.ts";
import { type Json, type StandIn, app, appToken, commandToken, page, startStandIn } from "./stand-in.ts";

const http = createHttpClient();
const posted = (request: Received) => request.method === "POST";
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

const subscribe = (fields?: string[]) => standIn.subscribe(`${receiver.url}/facebook`, "right-token", fields);
const makeToken = async (body: Json): Promise<string> => (await standIn.command("POST", "/sandbox/tokens", body)).json.token as string;
const plant = (body: Json) => standIn.command("POST", "/sandbox/faults", body);
const errorOf = ({ status, json }: { status: number; json: Json }) => [status, json.error?.code, json.error?.error_subcode];

test("a user's token lists the pages, with tokens of the same rights; scopes are frozen in a token", async () => {
  await standIn.command("POST", "/sandbox/pages", { id: "2002", name: "Second Page" });
  const user = await makeToken({ type: "user", scopes: ["pages_show_list", "pages_manage_metadata"] });
  const first = await standIn.call("GET", "/v26.0/me/accounts?fields=id,name,access_token,is_webhooks_subscribed&limit=1", user);
  expect(first.json.data).toMatchObject([{ id: page.id, name: page.name, is_webhooks_subscribed: false }]);
  const next = await standIn.call("GET", `/me/accounts?limit=1&after=${first.json.paging.cursors.after}`, user);
  expect(next.json.data).toMatchObject([{ id: "2002" }]);
  const weak = first.json.data[0].access_token as string;
  expect(weak).not.toBe(page.token);
  const refused = await standIn.call("POST", "/me/subscribed_apps", weak, { subscribed_fields: ["feed", "messages"] });
  expect([refused.status, refused.json.error.message]).toEqual([
    403,
    "(#200) To subscribe to the messages field, one of these permissions is needed: pages_messaging",
  ]);
  expect((await standIn.call("GET", "/me/subscribed_apps", weak)).json).toEqual({ data: [] });
  expect((await standIn.call("POST", "/me/subscribed_apps", weak, { subscribed_fields: ["feed"] })).json).toEqual({ success: true });
  expect((await standIn.call("GET", "/me/permissions", user)).json.data).toContainEqual({
    permission: "pages_messaging",
    status: "declined",
  });
  expect(errorOf(await standIn.call("GET", "/me/permissions", page.token))[0]).toBe(400);
  const unlisted = await makeToken({ type: "user", scopes: [] });
  expect((await standIn.call("GET", "/me/accounts", unlisted)).json).toEqual({ data: [] });
});

test("debug_token tells apart valid, expired and broken tokens, and those break every call with their subcode", async () => {
  const short = await makeToken({ type: "user", expiresInSeconds: 3_600 });
  const debug = async (token: string) =>
    (await standIn.call("GET", `/debug_token?input_token=${encodeURIComponent(token)}`, appToken)).json.data as Json;
  expect(await debug(short)).toMatchObject({ app_id: app.id, type: "USER", is_valid: true, user_id: "100000000000001" });
  expect(await debug(page.token)).toMatchObject({ type: "PAGE", is_valid: true, expires_at: 0, profile_id: page.id });
  expect(await debug(appToken)).toMatchObject({ type: "APP", is_valid: true });
  expect(await debug("nonsense")).toMatchObject({ is_valid: false, error: { code: 190 } });
  const client = { client_id: app.id, client_secret: app.secret };
  const exchange = `/oauth/access_token?${new URLSearchParams({ grant_type: "fb_exchange_token", ...client })}`;
  const long = (await standIn.call("GET", `${exchange}&fb_exchange_token=${short}`, null)).json;
  expect(long).toMatchObject({ expires_in: 60 * 24 * 3_600 });
  await standIn.command("POST", "/sandbox/clock", { advanceMinutes: 61 });
  expect(await debug(short)).toMatchObject({ is_valid: false, error: { code: 190, subcode: 463 } });
  expect(errorOf(await standIn.call("GET", "/me", short))).toEqual([401, 190, 463]);
  for (const [why, subcode] of [
    ["password", 460],
    ["removed", 458],
    ["invalid", 467],
  ] as const) {
    await standIn.command("POST", "/sandbox/tokens/break", { token: long.access_token, why });
    expect(errorOf(await standIn.call("GET", "/me", long.access_token as string))).toEqual([401, 190, subcode]);
  }
});

test("versions: the one asked for, the oldest usable for an expired one, none that never existed", async () => {
  const version = async (asked: string) => {
    const answer = await http({ url: `${standIn.url}${asked}/app`, headers: { authorization: `Bearer ${appToken}` } });
    return answer.status === 200 ? answer.headers["facebook-api-version"] : answer.status;
  };
  expect(await version("/v25.0")).toBe("v25.0");
  expect(await version("")).toBe("v26.0");
  for (const expired of ["/v2.6", "/v11.0", "/v3.3"]) expect(await version(expired)).toMatch(/^v2[1-6]\.0$/);
  for (const never of ["/v99.0", "/v2.99", "/v26.1", "/v27.0"]) expect(await version(never)).toBe(400);
});

test("usage is told in headers, and a limit ends in error 4; errors name the realm", async () => {
  const ask = () => http({ url: `${standIn.url}/me`, headers: { authorization: `Bearer ${page.token}` } });
  await standIn.command("PATCH", "/sandbox/settings", { callsPerHour: 4 });
  const first = await ask();
  expect(JSON.parse(String(first.headers["x-app-usage"]))).toEqual({ call_count: 25, total_cputime: 0, total_time: 0 });
  expect(first.headers["x-page-usage"]).toBeDefined();
  for (let n = 0; n < 3; n += 1) await ask();
  const last = await ask();
  expect([last.status, JSON.parse(last.body.toString()).error.code]).toEqual([403, 4]);
  expect(last.headers["www-authenticate"]).toContain('OAuth "Facebook Platform" "invalid_request"');
  await standIn.command("POST", "/sandbox/clock", { advanceMinutes: 61 });
  expect((await ask()).status).toBe(200);
});

test("every planted error answers so often as asked, where it was asked, and then Facebook is well again", async () => {
  const { presets } = (await standIn.command("GET", "/sandbox/faults")).json as { presets: Record<string, string> };
  expect(Object.keys(presets).length).toBeGreaterThan(60);
  for (const preset of Object.keys(presets).filter((name) => name !== "hang" && name !== "reset")) {
    await plant({ preset, path: "app" });
    const answer = await http({ url: `${standIn.url}/v26.0/app`, headers: { authorization: `Bearer ${appToken}` } });
    if (!/^(success-|html-200|odd-row|no-rows|redirect)/.test(preset))
      expect([preset, answer.status]).toEqual([preset, expect.toSatisfy((status: number) => status >= 400)]);
  }
  expect((await standIn.call("GET", "/app", appToken)).status).toBe(200);
  await plant({ path: "*/subscriptions", method: "POST", preset: "unavailable", times: 2, after: 1 });
  const registration = { object: "page", callback_url: `${receiver.url}/facebook`, verify_token: "right-token", fields: "messages" };
  const register = async () => (await standIn.call("POST", `/${app.id}/subscriptions`, appToken, registration)).status;
  expect([await register(), await register(), await register(), await register()]).toEqual([200, 503, 503, 200]);
  await plant({ preset: "reset" });
  await expect(http({ url: `${standIn.url}/app` })).rejects.toThrow();
  await plant({ error: { code: 1234, message: "my own", subcode: 5, status: 418 } });
  expect(errorOf(await standIn.call("GET", "/app", appToken))).toEqual([418, 1234, 5]);
  expect((await plant({ preset: "nonsense" })).status).toBe(400);
});

test("rows that nobody registered can be planted, and unknown fields are named as Facebook names them", async () => {
  await standIn.command("POST", "/sandbox/subscriptions", {
    object: "page",
    callbackUrl: "https://production.example/hook",
    active: false,
    fields: ["feed"],
  });
  await standIn.command("POST", "/sandbox/subscriptions", { object: "user", callbackUrl: null });
  expect((await standIn.call("GET", `/${app.id}/subscriptions`, appToken)).json.data).toMatchObject([
    { object: "page", callback_url: "https://production.example/hook", active: false, fields: [{ name: "feed" }] },
    { object: "user", callback_url: null },
  ]);
  const wrong = await standIn.call("POST", "/me/subscribed_apps", page.token, { subscribed_fields: "messages, ratings, gossip" });
  expect(wrong.json.error.message).toMatch(/^\(#100\) Param subscribed_fields\[2\] must be one of \{affiliation, attire, .*website\}$/);
  expect(errorOf(await standIn.call("POST", "/me/subscribed_apps?subscribed_fields[]=", page.token))).toEqual([500, 1, undefined]);
  const gone = await http({
    method: "POST",
    url: `${standIn.url}/${app.id}/subscriptions?method=delete&access_token=${encodeURIComponent(appToken)}`,
  });
  expect([gone.status, (await standIn.call("GET", `/${app.id}/subscriptions`, appToken)).json.data]).toEqual([200, []]);
});

test("WhatsApp: accounts subscribe one by one, overrides go before the app's callback, and are taken back", async () => {
  const other = await startReceiver(platformLike("override-token"));
  const { whatsapp } = (await standIn.command("GET", "/sandbox/state")).json;
  const [account] = whatsapp as Json[];
  const fields = ["messages"];
  await standIn.call("POST", `/${app.id}/subscriptions`, appToken, {
    object: "whatsapp_business_account",
    callback_url: `${receiver.url}/wa`,
    verify_token: "right-token",
    fields,
  });
  const edge = `/${account!.id}/subscribed_apps`;
  expect((await standIn.call("POST", edge, appToken)).json).toEqual({ success: true });
  const long = { override_callback_uri: `${other.url}/${"x".repeat(200)}`, verify_token: "override-token" };
  expect(errorOf(await standIn.call("POST", edge, appToken, long))).toEqual([400, 100, undefined]);
  await standIn.call("POST", edge, appToken, { override_callback_uri: `${other.url}/wa`, verify_token: "override-token" });
  expect((await standIn.call("GET", edge, appToken)).json.data).toMatchObject([
    { whatsapp_business_api_data: { id: app.id }, override_callback_uri: `${other.url}/wa` },
  ]);
  const text = fixtureTexts("whatsapp-text");
  expect((await standIn.command("POST", "/sandbox/deliveries", { templates: text })).json.status).toBe(200);
  expect(JSON.parse((await other.nth(0, posted)).body.toString()).entry[0].changes[0].value.messages[0]).toMatchObject({
    type: "text",
    timestamp: expect.any(String),
  });
  await standIn.call("POST", edge, appToken);
  await standIn.command("POST", "/sandbox/deliveries", { templates: text });
  expect((await receiver.nth(0, posted)).url.pathname).toBe("/wa");
  const phone = account!.phones[0].id as string;
  await standIn.call("POST", `/${phone}`, appToken, {
    webhook_configuration: { override_callback_uri: `${other.url}/phone`, verify_token: "override-token" },
  });
  const read = async () =>
    (await standIn.call("GET", `/${phone}?fields=webhook_configuration`, appToken)).json.webhook_configuration as Json;
  expect(await read()).toEqual({ phone_number: `${other.url}/phone`, application: `${receiver.url}/wa` });
  await standIn.call("POST", `/${phone}`, appToken, { webhook_configuration: { override_callback_uri: "" } });
  expect(await read()).toEqual({ application: `${receiver.url}/wa` });
  await other.close();
});

test("WhatsApp's messages of every kind are answered as Meta answers, others refused; read marks as well", async () => {
  const { whatsapp } = (await standIn.command("GET", "/sandbox/state")).json;
  const phone = (whatsapp as Json[])[0]!.phones[0].id as string;
  const send = (message: Json) =>
    standIn.call("POST", `/v26.0/${phone}/messages`, appToken, { messaging_product: "whatsapp", to: "+49 151 0000000", ...message });
  for (const message of [
    { type: "text", text: { body: "hi" } },
    { text: { body: "without a type" } },
    { type: "image", image: { link: "https://x.example/a.png", caption: "a" } },
    { type: "document", document: { id: "77" } },
    { type: "location", location: { latitude: "1", longitude: "2" } },
    { type: "contacts", contacts: [{ name: { formatted_name: "A" } }] },
    { type: "template", template: { name: "hello_world", language: { code: "en_US" } } },
    { type: "interactive", interactive: { type: "button", body: { text: "?" }, action: { buttons: [] } } },
    { type: "reaction", reaction: { message_id: "wamid.1", emoji: "👍" } },
  ]) {
    expect((await send(message)).json).toMatchObject({
      contacts: [{ wa_id: "491510000000" }],
      messages: [{ id: expect.stringMatching(/^wamid\./) }],
    });
  }
  expect((await send({ status: "read", message_id: "wamid.1" })).json).toEqual({ success: true });
  for (const wrong of [
    { type: "hologram" },
    { type: "image", image: {} },
    { type: "text" },
    { type: "text", text: { body: "x".repeat(4_097) } },
    { type: "contacts", contacts: [] },
    { type: "text", text: { body: "x" }, to: "somebody" },
  ]) {
    expect(errorOf(await send(wrong))).toEqual([400, 100, undefined]);
  }
});

test("Instagram: its customers write to its account, with its names of fields; it can be refused by API", async () => {
  await standIn.call("POST", "/me/subscribed_apps", page.token, { subscribed_fields: ["feed"] });
  const fields = ["messages", "message_edit", "messaging_seen"];
  const registration = { object: "instagram", callback_url: `${receiver.url}/facebook`, verify_token: "right-token", fields };
  await standIn.command("PATCH", "/sandbox/settings", { instagramByApi: "refused" });
  expect(errorOf(await standIn.call("POST", `/${app.id}/subscriptions`, appToken, registration))).toEqual([400, 100, undefined]);
  await standIn.command("PATCH", "/sandbox/settings", { instagramByApi: "works" });
  await standIn.call("POST", `/${app.id}/subscriptions`, appToken, registration);
  for (const event of [
    { kind: "message", text: "salut" },
    { kind: "edit", text: "salut!" },
  ]) {
    expect((await standIn.command("POST", "/sandbox/events", { from: "iris", ...event })).json.status).toBe(200);
  }
  const account = (await standIn.command("GET", "/sandbox/state")).json.pages[0].instagram.id as string;
  const { body } = await receiver.nth(1, posted);
  expect(JSON.parse(body.toString())).toMatchObject({
    object: "instagram",
    entry: [{ id: account, messaging: [{ recipient: { id: account }, message_edit: { text: "salut!" } }] }],
  });
  await standIn.command("POST", "/sandbox/apps", { id: app.id, name: app.name, mode: "development" });
  expect((await standIn.command("POST", "/sandbox/events", { kind: "message", text: "?", from: "iris" })).json.error.layer).toBe(
    "unpublished",
  );
});

test("conversations and messages can be read back by the page", async () => {
  await subscribe();
  await standIn.command("POST", "/sandbox/events", { kind: "message", text: "first" });
  await standIn.call("POST", "/me/messages", page.token, { recipient: { id: "24000000000000001" }, message: { text: "answer" } });
  const { json } = await standIn.call(
    "GET",
    "/me/conversations?fields=participants,messages.limit(1){message,from}&user_id=24000000000000001",
    page.token,
  );
  expect(json.data).toMatchObject([
    { participants: { data: [{ name: "Ada Berg" }, { id: page.id }] }, messages: { data: [{ message: "answer", from: { id: page.id } }] } },
  ]);
  const message = await standIn.call("GET", `/${json.data[0].messages.data[0].id}?fields=message,created_time`, page.token);
  expect(message.json).toMatchObject({ message: "answer", created_time: expect.stringMatching(/\+0000$/) });
});

test("pages of other origins and foreign names get nothing from the command channel; uploads do nothing in a browser", async () => {
  const ask = (headers: Record<string, string>) =>
    http({ url: `${standIn.url}/sandbox/people`, headers: { authorization: `Bearer ${commandToken}`, ...headers } }).then(
      ({ status }) => status,
    );
  const { host, origin } = new URL(standIn.url);
  expect(await ask({ origin })).toBe(200);
  expect(await ask({ origin: "http://evil.example" })).toBe(403);
  expect(await ask({ origin: "null" })).toBe(403);
  expect(await ask({ origin: `https://${host}` })).toBe(403);
  expect(await ask({ host: "evil.example" })).toBe(421);
  const form = new FormData();
  form.append("filedata", new Blob(["<script>alert(1)</script>"], { type: "text/html" }), "../../evil.html");
  const uploaded = (await (
    await fetch(`${standIn.url}/sandbox/files`, { method: "POST", body: form, headers: { authorization: `Bearer ${commandToken}` } })
  ).json()) as Json;
  const file = await http({ url: uploaded.url });
  expect(file.headers).toMatchObject({
    "content-type": "application/octet-stream",
    "content-disposition": "attachment",
    "x-content-type-options": "nosniff",
  });
  expect(path.posix.basename(uploaded.url)).toBe("evil.html");
  for (const bad of ["/files/..%2f..%2fetc%2fpasswd/x", "/pictures/..%2f..%2fetc%2fpasswd", "/chat/..%2fconfig.json"]) {
    expect((await http({ url: standIn.url + bad })).status).toBe(404);
  }
});

test.each(Object.keys(fixtures) as FixtureName[])("the sample %s is what Meta would put on the wire", async (name) => {
  const texts = fixtureTexts(name).flatMap((text) => readTemplate(text).bodies);
  const filling = { pageId: "1001", instagramId: "1784", appId: "55", customerId: "2002", at: 1_764_060_000_000 };
  const mids = new Map<string, string>();
  for (const text of texts) {
    const filled = fill(text, filling, mids);
    expect(filled).not.toContain("{{");
    const wire = wireText(filled);
    expect(wire).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(wire)).toEqual(JSON.parse(filled));
    expect(JSON.parse(wire)).toMatchObject({ object: expect.any(String), entry: expect.any(Array) });
  }
});

test("samples and files reach the webhook as written, signed; what nobody subscribed to is said", async () => {
  await subscribe(["messages"]);
  const odd =
    '{"object":"page","entry":[{"id":{{PAGE}},"time":{{TIME}},"messaging":[{"sender":{"id":24012345678901233},' +
    '"recipient":{"id":"{{PAGE}}"},"timestamp":null,"read":{"watermark":1}}]}]}';
  const { json } = await standIn.command("POST", "/sandbox/deliveries", { templates: [odd, ...fixtureTexts("edit")] });
  expect(json).toMatchObject({ status: 200, unsubscribed: ["message_reads", "message_edits"] });
  const bodies = receiver.requests.filter(posted).map(({ body }) => body.toString());
  expect(bodies[0]).toContain('"sender":{"id":24012345678901233},"recipient":{"id":"1001"},"timestamp":null');
  const [first, second] = bodies.slice(1).map((body) => JSON.parse(body).entry[0].messaging[0] as Json);
  expect(second!.message_edit.mid).toBe(first!.message.mid);
  expect((await standIn.command("POST", "/sandbox/deliveries", { templates: ["{ half"] })).json.error.message).toContain("not JSON");
});
