/** What becomes of deliveries that fail: hours of it, on the stand-in's own clock; and what survives a restart. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../cli/io/http.ts";
import { type Received, type Receiver, platformLike, startReceiver } from "./receiver.ts";
import { type Json, type StandIn, app, appToken, page, startStandIn } from "./stand-in.ts";

const http = createHttpClient();
const posted = (request: Received) => request.method === "POST";
const patience = { timeout: 30_000 };
let dataDir: string;
let standIn: StandIn;
let receiver: Receiver;

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "airy-stand-in-"));
  standIn = await startStandIn({ dataDir });
  receiver = await startReceiver(platformLike("right-token"));
  await standIn.subscribe(`${receiver.url}/facebook`, "right-token");
});

afterEach(async () => {
  await standIn.close();
  await receiver.close();
  await rm(dataDir, { recursive: true });
});

const write = (text: string) => standIn.command("POST", "/sandbox/events", { kind: "message", text });
const advance = (advanceMinutes: number) => standIn.command("POST", "/sandbox/clock", { advanceMinutes });
const state = async () => (await standIn.command("GET", "/sandbox/state")).json;
const alerts = async () => ((await state()).alerts as Json[]).map(({ kind }) => kind as string);
const deliveryOf = async (): Promise<string> => {
  const { json } = await standIn.command("GET", "/sandbox/conversations/24000000000000001");
  return json.messages.at(-1).delivery as string;
};

function refuse(): void {
  receiver.react(({ method }, res) => res.writeHead(method === "POST" ? 503 : 404).end());
}

test("a delivery that failed is tried again later, until it is taken; the same bytes each time", async () => {
  refuse();
  expect((await write("keep this")).json).toMatchObject({ status: 503, deliveries: [{ attempts: 3, waiting: true }] });
  expect(await deliveryOf()).toBe("failed");
  await advance(1);
  await receiver.nth(3, posted);
  receiver.react(platformLike("right-token"));
  await advance(2);
  await receiver.nth(4, posted);
  await expect.poll(async () => (await state()).pendingCount, patience).toBe(0);
  expect(await deliveryOf()).toBe("acknowledged");
  expect(new Set(receiver.requests.filter(posted).map(({ body }) => body.toString())).size).toBe(1);
  expect(await alerts()).toEqual([]);
});

test("after 15 minutes of failure the developer is told, after an hour the app is unsubscribed and what waits is dropped", async () => {
  refuse();
  await write("one");
  await advance(16);
  await expect.poll(alerts, patience).toEqual(["failing"]);
  expect((await state()).page.subscribedFields).not.toBeNull();
  await advance(50);
  await expect.poll(alerts, patience).toEqual(["failing", "disabled", "dropped"]);
  expect(await state()).toMatchObject({ page: { subscribedFields: null }, pendingCount: 0, subscriptions: [{ active: true }] });
  expect(await deliveryOf()).toBe("dropped");
  expect((await write("nobody hears")).json.error).toMatchObject({ code: "NOT_SUBSCRIBED", layer: "page" });

  receiver.react(platformLike("right-token"));
  await standIn.subscribe(`${receiver.url}/facebook`, "right-token");
  expect((await write("back again")).json.status).toBe(200);
});

test("one success in between and the hour begins anew", async () => {
  refuse();
  await write("one");
  await advance(40);
  await expect.poll(alerts, patience).toEqual(["failing"]);
  receiver.react(platformLike("right-token"));
  expect((await write("two")).json.status).toBe(200);
  refuse();
  await write("three");
  await advance(40);
  await expect.poll(alerts, patience).toEqual(["failing", "failing"]);
  expect((await state()).page.subscribedFields).not.toBeNull();
});

test("where the app stays subscribed, an event is given up after 36 hours", async () => {
  await standIn.command("PATCH", "/sandbox/settings", { disableAfterMinutes: 100_000 });
  refuse();
  await write("old");
  await advance(36 * 60 + 1);
  await expect.poll(alerts, patience).toEqual(["failing", "dropped"]);
  expect((await state()).pendingCount).toBe(0);
});

test("the clock can be sped up: an hour of failures in moments", async () => {
  refuse();
  await standIn.command("POST", "/sandbox/clock", { rate: 36_000 });
  await write("fast");
  await expect.poll(alerts, patience).toEqual(["failing", "disabled", "dropped"]);
  expect((await standIn.command("GET", "/sandbox/clock")).json.aheadMinutes).toBeGreaterThan(59);
});

test("everything survives a restart: registrations, people, messages, what waits, how far the clock is ahead", async () => {
  receiver.react(() => {});
  await standIn.command("PATCH", "/sandbox/settings", { immediateAttempts: 1, answerTimeoutMs: 50, textLimit: 7 });
  expect((await write("waits")).json).toMatchObject({ status: 0, deliveries: [{ waiting: true }] });
  await standIn.command("POST", "/sandbox/customers", { id: "55500000000000001", name: "Zoe Quist" });
  await advance(0.5);
  const port = Number(new URL(standIn.url).port);
  await standIn.close();

  receiver.react(platformLike("right-token"));
  standIn = await startStandIn({ dataDir, listen: { host: "127.0.0.1", port } });
  expect(await state()).toMatchObject({
    page: { subscribedFields: ["messages", "message_echoes"] },
    subscriptions: [{ object: "page", callbackUrl: `${receiver.url}/facebook`, active: true }],
    pendingCount: 1,
  });
  expect((await standIn.command("GET", "/sandbox/settings")).json.textLimit).toMatchObject({
    value: 7,
    changed: true,
    basis: "documented",
  });
  const customer = await standIn.call("GET", "/55500000000000001", page.token);
  expect(customer.json).toMatchObject({ first_name: "Zoe", last_name: "Quist" });
  await advance(1);
  const delivered = await receiver.nth(1, posted);
  expect(JSON.parse(delivered.body.toString()).entry[0].messaging[0].message.text).toBe("waits");
  expect((await standIn.command("GET", "/sandbox/clock")).json.aheadMinutes).toBeGreaterThanOrEqual(1.4);
});

test("a file that cannot be read is set aside, not overwritten", async () => {
  await standIn.close();
  await writeFile(path.join(dataDir, "facebook.json"), "{ half");
  standIn = await startStandIn({ dataDir });
  expect(standIn.logs.join("\n")).toContain("set aside");
  expect(await readFile(path.join(dataDir, "facebook.json.unreadable"), "utf8")).toBe("{ half");
  expect((await state()).subscriptions).toEqual([]);
});

test("an acknowledgement of an edge that keeps the webhook is said to be held", async () => {
  receiver.react((_, res) => res.writeHead(200, { "airy-delivery": "01ABC" }).end());
  expect((await write("good night")).json).toMatchObject({ status: 200, held: true });
  expect(await deliveryOf()).toBe("held");
});

test("deliveries can be collected, doubled and put out of order", async () => {
  await standIn.command("PATCH", "/sandbox/settings", { batchMs: 200, duplicates: 1, shuffle: true });
  const sent = await Promise.all(Array.from({ length: 20 }, (_, n) => write(`m${n}`)));
  expect(sent.map(({ json }) => json.status)).toEqual(Array.from({ length: 20 }, () => 200));
  const bodies = receiver.requests.filter(posted).map(({ body }) => body.toString());
  expect(bodies).toHaveLength(2);
  expect(bodies[0]).toBe(bodies[1]);
  const texts = JSON.parse(bodies[0]!).entry[0].messaging.map((item: Json) => item.message.text) as string[];
  expect(texts).not.toEqual(texts.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
  expect(texts).toHaveLength(20);
});

test("a registration spreads when it is time, and a later attempt goes to the callback that is registered then", async () => {
  refuse();
  await write("moves");
  const other = await startReceiver(platformLike("right-token"));
  const registration = { object: "page", callback_url: `${other.url}/new`, verify_token: "right-token", fields: "messages" };
  await standIn.call("POST", `/${app.id}/subscriptions`, appToken, registration);
  await advance(2);
  const late = await other.nth(0, posted);
  expect(late.url.pathname).toBe("/new");
  await standIn.command("PATCH", "/sandbox/settings", { propagationMs: 60_000 });
  await standIn.call("POST", `/${app.id}/subscriptions`, appToken, registration);
  expect((await write("too early")).json.error.layer).toBe("propagation");
  await advance(2);
  expect((await write("now")).json.status).toBe(200);
  await other.close();
});

test("what waits is bounded, and what goes is named", async () => {
  refuse();
  await standIn.command("PATCH", "/sandbox/settings", { immediateAttempts: 1 });
  const text = "x".repeat(19_000);
  await standIn.command("PATCH", "/sandbox/settings", { textLimit: 100_000 });
  const templates = Array.from({ length: 80 }, () => JSON.stringify({ message: { text: text.repeat(24) } }));
  const url = `${standIn.url}/sandbox/deliveries`;
  for (let n = 0; n < templates.length; n += 2) {
    const body = JSON.stringify({ templates: templates.slice(n, n + 2) });
    await http({
      method: "POST",
      url,
      headers: { authorization: "Bearer command-token-canary", "content-type": "application/json" },
      body,
    });
  }
  const { pendingCount } = await state();
  expect(pendingCount).toBeLessThan(80);
  expect(pendingCount).toBeGreaterThan(10);
  expect(await alerts()).toContain("dropped");
});
