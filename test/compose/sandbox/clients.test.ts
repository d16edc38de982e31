/** The stand-in against clients and receivers that others wrote for Meta's own API: none of them knows of it. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { MessengerClient } from "messaging-api-messenger";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePorts } from "../../cli/platform/compose/spec.ts";
import { type Receiver, platformLike, startReceiver } from "./receiver.ts";
import { type Json, type StandIn, app, appToken, page, startStandIn } from "./stand-in.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- these packages come without types
const require = createRequire(import.meta.url) as (name: string) => any;
const ADA = "24000000000000001";
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

const write = (text: string) => standIn.command("POST", "/sandbox/events", { kind: "message", text });

function messenger(accessToken = page.token): MessengerClient {
  return new MessengerClient({ accessToken, appId: app.id, appSecret: app.secret, version: "25.0", origin: standIn.url });
}

test("messaging-api-messenger (bottender's): registers, reads back, checks tokens, with a proof in every call", async () => {
  const client = messenger();
  await client.createSubscription({
    accessToken: appToken,
    object: "page",
    callbackUrl: `${receiver.url}/hook`,
    verifyToken: "right-token",
    fields: ["messages", "message_echoes"],
  });
  expect(await client.getSubscriptions()).toMatchObject([
    {
      object: "page",
      active: true,
      callbackUrl: `${receiver.url}/hook`,
      fields: [{ name: "messages", version: "v25.0" }, { name: "message_echoes" }],
    },
  ]);
  expect(await client.debugToken()).toMatchObject({ appId: app.id, type: "PAGE", isValid: true, profileId: page.id });
  expect(await client.getPageInfo()).toMatchObject({ id: page.id, name: page.name });
  const wrong = new MessengerClient({ accessToken: page.token, appId: app.id, appSecret: "another", origin: standIn.url });
  await expect(wrong.getPageInfo()).rejects.toThrow(/appsecret_proof/);
});

test("messaging-api-messenger: plays a bot", async () => {
  await standIn.subscribe(`${receiver.url}/hook`, "right-token");
  await write("hello");
  const client = messenger();
  await client.typingOn(ADA);
  await client.markSeen(ADA);
  expect(await client.sendText(ADA, "hi there")).toMatchObject({ recipientId: ADA, messageId: expect.stringMatching(/^m_/) });
  await client.sendButtonTemplate(ADA, "What next?", [{ type: "postback", title: "Order", payload: "ORDER" }]);
  const { attachmentId } = await client.uploadImage(Buffer.from("png"), { filename: "a.png", isReusable: true });
  expect(attachmentId).toMatch(/^\d+$/);
  await client.sendImage(ADA, { attachmentId });
  expect(await client.getUserProfile(ADA, { fields: ["first_name", "profile_pic"] as never })).toMatchObject({ firstName: "Ada" });
  await client.setGetStarted("GET_STARTED");
  await client.setPersistentMenu([{ type: "postback", title: "Restart", payload: "RESTART" }]);
  expect(await client.getGetStarted()).toEqual({ payload: "GET_STARTED" });
  const persona = await client.createPersona({ name: "Kim", profilePictureUrl: "https://x.example/kim.png" });
  await client.sendText(ADA, "Kim here", { personaId: persona.id } as never);
  expect(await client.getAllPersonas()).toMatchObject([{ name: "Kim" }]);
  const batch = await client.sendBatch([
    { method: "POST", relativeUrl: "me/messages", body: { recipient: { id: ADA }, message: { text: "in a batch" } } },
    { method: "GET", relativeUrl: "me/nonsense" },
  ] as never);
  expect((batch as unknown as Json[]).map(({ code }) => code)).toEqual([200, 400]);
  await expect(client.sendText("99", "nobody")).rejects.toThrow(/No matching user/);
  const { json } = await standIn.command("GET", `/sandbox/conversations/${ADA}`);
  expect(json.messages.map((message: Json) => message.message?.text ?? message.message?.attachments?.[0].type)).toEqual([
    "hello",
    "hi there",
    "template",
    "image",
    "Kim here",
    "in a batch",
  ]);
});

test("facebook-nodejs-business-sdk (Meta's own): registers with lists and JSON, subscribes a page, reads back, deletes", async () => {
  const { Application, FacebookAdsApi, Page, User } = require("facebook-nodejs-business-sdk");
  // Where the SDK sends its calls is a static getter and nothing else.
  const Api = FacebookAdsApi;
  const original = Object.getOwnPropertyDescriptor(FacebookAdsApi, "GRAPH")!;
  Object.defineProperty(FacebookAdsApi, "GRAPH", { get: () => standIn.url, configurable: true });
  try {
    const asApp = new Api(appToken, "en_US", false);
    const application = new Application(app.id, {}, undefined, asApp);
    await application.createSubscription([], {
      object: "page",
      callback_url: `${receiver.url}/hook`,
      verify_token: "right-token",
      fields: ["messages", "standby"],
      include_values: true,
    });
    const rows = (await application.getSubscriptions([])) as { _data: Json }[];
    expect(rows.map((row) => row._data)).toMatchObject([
      { object: "page", active: true, fields: [{ name: "messages" }, { name: "standby" }] },
    ]);

    const userToken = (await standIn.command("GET", "/sandbox/tokens")).json.tokens.find((token: Json) => token.type === "user")
      .token as string;
    const pages = (await new User("me", {}, undefined, new Api(userToken, "en_US", false)).getAccounts(["id", "name", "access_token"])) as {
      _data: Json;
    }[];
    expect(pages.map((each) => each._data)).toMatchObject([{ id: page.id, name: page.name, access_token: page.token }]);

    const asPage = new Page(page.id, {}, undefined, new Api(page.token, "en_US", false));
    await asPage.createSubscribedApp([], { subscribed_fields: ["messages"] });
    const installed = (await asPage.getSubscribedApps([])) as { _data: Json }[];
    expect(installed.map((each) => each._data)).toMatchObject([{ id: app.id, subscribed_fields: ["messages"] }]);
    await application.deleteSubscriptions({ object: "page", fields: ["standby"] });
    const left = (await application.getSubscriptions([])) as { _data: Json }[];
    expect(left[0]!._data["fields"]).toHaveLength(1);
    await expect(
      application.createSubscription([], { object: "page", callback_url: `${receiver.url}/hook`, verify_token: "wrong" }),
    ).rejects.toThrow(/2200/);
  } finally {
    Object.defineProperty(FacebookAdsApi, "GRAPH", original);
  }
});

test("x-hub-signature: both headers verify over the raw bytes, and no longer over changed ones", async () => {
  const XHubSignature = require("x-hub-signature");
  await standIn.subscribe(`${receiver.url}/hook`, "right-token");
  await write("grüße 👋 a/b");
  const { headers, body } = await receiver.nth(0, ({ method }) => method === "POST");
  for (const [algorithm, header] of [
    ["sha1", "x-hub-signature"],
    ["sha256", "x-hub-signature-256"],
  ] as const) {
    const checker = new XHubSignature(algorithm, app.secret);
    expect(checker.verify(String(headers[header]), body)).toBe(true);
    expect(checker.verify(String(headers[header]), Buffer.from(JSON.stringify(JSON.parse(body.toString()))))).toBe(false);
  }
});

test("botly: takes the handshake and every kind of event, answers through the stand-in, refuses a forgery", async () => {
  const express = require("express");
  const Botly = require("botly");
  const bot = new Botly({ accessToken: page.token, verifyToken: "botly-token", webHookPath: "/", FB_URL: `${standIn.url}/v2.12/` });
  const seen: string[] = [];
  for (const event of ["message", "postback", "read", "delivery", "echo", "optin", "referral"]) bot.on(event, () => seen.push(event));
  const answered = new Promise<Json>((resolve, reject) => {
    bot.on("message", (id: string) =>
      bot.sendText({ id, text: "botly answers" }, (error: unknown, data: Json) => (error ? reject(error as Error) : resolve(data))),
    );
  });
  const server = express();
  server.use(express.json({ verify: bot.getVerifySignature(app.secret) }));
  server.use("/", bot.router());
  const listening: http.Server = server.listen(0, "127.0.0.1");
  await new Promise((resolve) => listening.once("listening", resolve));
  try {
    const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/`;
    const fields = [
      "messages",
      "messaging_postbacks",
      "message_echoes",
      "message_reads",
      "message_deliveries",
      "messaging_optins",
      "messaging_referrals",
    ];
    await standIn.subscribe(url, "botly-token", fields);
    expect((await write("hello")).json.status).toBe(200);
    expect(await answered).toMatchObject({ recipient_id: ADA });
    for (const kind of ["postback", "read", "optin", "referral"])
      expect((await standIn.command("POST", "/sandbox/events", { kind })).json.status).toBe(200);
    await expect.poll(() => [...new Set(seen)].sort()).toEqual(["delivery", "echo", "message", "optin", "postback", "read", "referral"]);
    const forged = await fetch(url, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json", "x-hub-signature": "sha1=00" },
    });
    expect(forged.status).toBeGreaterThanOrEqual(400);
  } finally {
    listening.closeAllConnections();
    await new Promise((resolve) => listening.close(resolve));
  }
});

test("fb: registers, reads back, takes away, sends and looks up, with its proof; its address is fixed, so that its way out is turned", async () => {
  const https = require("node:https");
  const original = https.request;
  const asked: string[] = [];
  https.request = (options: { host: string; hostname?: string }, answered: unknown) => {
    asked.push(options.hostname ?? options.host);
    const { hostname, port } = new URL(standIn.url);
    return http.request({ ...options, protocol: "http:", host: hostname, hostname, port, agent: undefined } as never, answered as never);
  };
  try {
    const { Facebook } = require("fb");
    const client = (accessToken: string) => {
      const facebook = new Facebook({ version: "v25.0", appId: app.id, appSecret: app.secret, accessToken, Promise });
      return (target: string, method: string, params: Json = {}): Promise<Json> => facebook.api(target, method, params) as Promise<Json>;
    };
    const asApp = client(appToken);
    const registration = {
      object: "page",
      callback_url: `${receiver.url}/hook`,
      verify_token: "right-token",
      fields: ["messages", "standby"],
    };
    expect(await asApp(`${app.id}/subscriptions`, "post", registration)).toEqual({ success: true });
    expect((await asApp(`${app.id}/subscriptions`, "get")).data).toMatchObject([
      { object: "page", active: true, fields: [{ name: "messages", version: "v25.0" }, { name: "standby" }] },
    ]);
    await expect(asApp(`${app.id}/subscriptions`, "post", { ...registration, verify_token: "wrong" })).rejects.toMatchObject({
      response: { error: { code: 2200 } },
    });
    const asPage = client(page.token);
    expect(await asPage("me/subscribed_apps", "post", { subscribed_fields: "messages, message_echoes" })).toEqual({ success: true });
    await write("hello");
    expect(await asPage("me/messages", "post", { recipient: { id: ADA }, message: { text: "fb answers" } })).toMatchObject({
      recipient_id: ADA,
    });
    expect(await asPage(ADA, "get", { fields: "first_name" })).toMatchObject({ first_name: "Ada" });
    expect(await asApp(`${app.id}/subscriptions`, "delete", { object: "page", fields: "standby" })).toEqual({ success: true });
    expect((await asApp(`${app.id}/subscriptions`, "get")).data[0].fields).toHaveLength(1);
    expect(new Set(asked)).toEqual(new Set(["graph.facebook.com"]));
  } finally {
    https.request = original;
  }
});

// 540 packages, a download of ngrok among them: too much for every run. AIRY_TEST_BOTTENDER is a folder whose node_modules has it.
const bottenderDir = process.env["AIRY_TEST_BOTTENDER"];

test.skipIf(!bottenderDir)(
  "bottender: takes handshake and events, answers with typing and text, refuses a forgery",
  { timeout: 120_000 },
  async () => {
    const dir = await mkdtemp(path.join(tmpdir(), "airy-bottender-"));
    const [port] = await freePorts(1);
    const origin = standIn.url;
    const messenger = {
      enabled: true,
      path: "/hook",
      pageId: page.id,
      accessToken: page.token,
      appId: app.id,
      appSecret: app.secret,
      origin,
    };
    const channels = { messenger: { ...messenger, verifyToken: "bottender-token", fields: ["messages"] } };
    await writeFile(path.join(dir, "package.json"), "{}");
    await writeFile(
      path.join(dir, "bottender.config.js"),
      `module.exports = ${JSON.stringify({ channels, session: { driver: "memory" } })};`,
    );
    await writeFile(
      path.join(dir, "index.js"),
      `module.exports = async (context) => {
      if (!context.event.isText || context.event.isEcho) return;
      await context.typingOn();
      await context.sendText("bottender answers " + context.event.text + ", " + (await context.getUserProfile()).firstName);
    };`,
    );
    await symlink(path.join(bottenderDir ?? "", "node_modules"), path.join(dir, "node_modules"));
    const bot = spawn(process.execPath, ["node_modules/bottender/bin/cli.js", "start", "--port", String(port)], {
      cwd: dir,
      stdio: "ignore",
    });
    try {
      const url = `http://127.0.0.1:${port}/hook`;
      await expect
        .poll(
          () =>
            fetch(url).then(
              ({ status }) => status,
              () => 0,
            ),
          { timeout: 60_000 },
        )
        .toBeGreaterThan(0);
      await standIn.subscribe(url, "bottender-token");
      expect((await write("hello")).json.status).toBe(200);
      const replies = async () => (await standIn.command("GET", "/sandbox/replies")).json as unknown as Json[];
      await expect.poll(replies, { timeout: 30_000 }).toMatchObject([{ recipientId: ADA, text: "bottender answers hello, Ada" }]);
      const headers = { "content-type": "application/json", "x-hub-signature": "sha1=00" };
      expect((await fetch(url, { method: "POST", headers, body: "{}" })).status).toBe(400);
    } finally {
      bot.kill();
      await rm(dir, { recursive: true });
    }
  },
);
