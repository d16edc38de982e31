/** `airy trigger` and `airy open` beside a stand-in that runs alone, and `airy sandbox` itself: the built program, as a user starts it. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Receiver, platformLike, startReceiver } from "../../compose/sandbox/receiver.ts";
import type { Json } from "../../compose/sandbox/stand-in.ts";
import { freePorts } from "../platform/compose/spec.ts";

const bundle = path.resolve(import.meta.dirname, "../../../dist/airy.js");
const minute = 60_000;
let dir: string;
let receiver: Receiver;
let sandbox: ChildProcess;
let listening: Json;
let output = "";

function airy(...args: string[]): Promise<{ code: number | null; envelope: Json; stderr: string }> {
  const env = { PATH: process.env["PATH"], HOME: dir, FACEBOOK_APP_ID: "555", FACEBOOK_APP_SECRET: "0123456789abcdef0123456789abcdef" };
  const child = spawn(process.execPath, [bundle, ...args, "--json"], { cwd: dir, env, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk: Buffer) => (stderr += String(chunk)));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, envelope: JSON.parse(stdout) as Json, stderr })));
}

async function graph(method: string, target: string, token: string, body: Json): Promise<Json> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return (await (await fetch(listening.graphUrl + target, { method, headers, body: JSON.stringify(body) })).json()) as Json;
}

const bodies = (): string[] => receiver.requests.filter(({ method }) => method === "POST").map(({ body }) => body.toString());

beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-trigger-"));
  receiver = await startReceiver(platformLike("right-token"));
  const [port] = await freePorts(1);
  sandbox = spawn(process.execPath, [bundle, "sandbox", "--port", String(port), "--json"], {
    cwd: dir,
    stdio: ["ignore", "pipe", "ignore"],
  });
  await new Promise<void>((resolve) => {
    sandbox.stdout!.on("data", (chunk: Buffer) => {
      output += String(chunk);
      if (output.includes("\n")) resolve();
    });
  });
  listening = JSON.parse(output.split("\n")[0]!) as Json;
  const fields = ["messages", "messaging_postbacks", "message_reactions", "message_edits", "message_echoes"];
  const registration = { object: "page", callback_url: `${receiver.url}/hook`, verify_token: "right-token", fields };
  expect(await graph("POST", `/${listening.appId}/subscriptions`, `${listening.appId}|${listening.appSecret}`, registration)).toEqual({
    success: true,
  });
  expect(await graph("POST", "/me/subscribed_apps", listening.pageToken, { subscribed_fields: fields })).toEqual({ success: true });
}, minute);

afterAll(async () => {
  const ended = new Promise((resolve) => sandbox.once("close", resolve));
  sandbox.kill("SIGTERM");
  expect(await ended).toBe(0);
  expect(await readdir(path.join(dir, "airy-sandbox"))).not.toContain("running.json");
  await receiver.close();
  await rm(dir, { recursive: true });
}, minute);

test("airy sandbox tells what a client needs, and keeps it to its user", async () => {
  expect(listening).toMatchObject({
    type: "listening",
    appId: expect.stringMatching(/^\d{15}$/),
    userToken: expect.stringMatching(/^EAA/),
  });
  const folder = path.join(dir, "airy-sandbox");
  expect((await stat(folder)).mode & 0o077).toBe(0);
  expect((await stat(path.join(folder, "credentials.json"))).mode & 0o077).toBe(0);
  expect(await readFile(path.join(folder, ".gitignore"), "utf8")).toBe("*\n");
  expect((await airy("open", "chat")).envelope.data.url).toBe(listening.chatUrl);
});

test(
  "the environment line turns client libraries that know only Facebook's address, without a change in them",
  async () => {
    expect(listening.nodeOptions).toBe(`--require=${path.join(dir, "airy-sandbox", "redirect.cjs")}`);
    const program = `
      const { appId, appSecret, pageToken } = JSON.parse(process.argv[1]);
      const [{ MessengerClient }, { FacebookAdsApi, Application }, { Facebook }] =
        ["messaging-api-messenger", "facebook-nodejs-business-sdk", "fb"].map(require);
      const client = new MessengerClient({ accessToken: pageToken, appId, appSecret });
      const sdk = new Application(appId, {}, undefined, new FacebookAdsApi(appId + "|" + appSecret, "en_US", false));
      const fb = new Facebook({ version: "v25.0", appId, appSecret, accessToken: pageToken, Promise });
      const own = fetch("https://graph.facebook.com/v26.0/me", { headers: { authorization: "Bearer " + pageToken } });
      Promise.all([
        client.getPageInfo(),
        sdk.getSubscriptions([]),
        fb.api("me", "get", {}),
        own.then((answer) => answer.json()),
        fetch("http://127.0.0.1:" + new URL(process.argv[2]).port + "/health").then((answer) => answer.json()),
      ]).then(([page, rows, me, fetched, health]) =>
        console.log(JSON.stringify([page.id, rows.map((row) => row._data.object), me.id, fetched.id, health.status])));`;
    const env = { PATH: process.env["PATH"], NODE_OPTIONS: listening.nodeOptions, NODE_NO_WARNINGS: "1" };
    const root = path.resolve(import.meta.dirname, "../../..");
    const given = [JSON.stringify(listening), listening.graphUrl];
    const child = spawn(process.execPath, ["-e", program, ...given], { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
    let stdout = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += String(chunk)));
    await new Promise((resolve) => child.once("close", resolve));
    expect(JSON.parse(stdout)).toEqual([listening.pageId, ["page"], listening.pageId, listening.pageId, "ok"]);
  },
  minute,
);

test(
  "each word is what a customer does, with the customers one names",
  async () => {
    const before = bodies().length;
    for (const args of [
      ["message", "--text", "Grüße"],
      ["postback", "--text", "Order"],
      ["reaction", "--emoji", "👍"],
      ["image"],
      ["sticker"],
      ["edit", "--text", "corrected"],
      ["unsend"],
      ["echo"],
      ["batch", "--count", "4"],
    ]) {
      expect(await airy("trigger", ...args, "--from", "Zoe Quist")).toMatchObject({
        code: 0,
        envelope: { data: { customer: "Zoe Quist", status: 200, held: false } },
      });
    }
    const items = bodies()
      .slice(before)
      .map((body) => JSON.parse(body).entry[0].messaging as Json[]);
    expect(items.map((list) => list.length)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 4]);
    expect(items[1]![0]).toMatchObject({ postback: { title: "Order", payload: "ORDER" } });
    expect(items[5]![0]).toMatchObject({ message_edit: { text: "corrected" } });
    expect(await airy("trigger", "read")).toMatchObject({
      code: 22,
      envelope: { error: { code: "TRIGGER_NOT_SUBSCRIBED", details: { layer: "app-field" } } },
    });
  },
  minute,
);

test(
  "files and samples are sent as they are; many at a rate; what is held is said to be held",
  async () => {
    await writeFile(path.join(dir, "event.json"), '[{"message":{"text":"a/b 👋"}},{"postback":{"title":"x","payload":"{{CUSTOMER}}"}}]');
    expect(await airy("trigger", "--file", "event.json", "--from", "24000000000000002")).toMatchObject({
      code: 0,
      envelope: { data: { status: 200 } },
    });
    expect(bodies().at(-1)).toContain("a\\/b \\ud83d\\udc4b");
    expect(JSON.parse(bodies().at(-1)!).entry[0].messaging[1].postback.payload).toBe("24000000000000002");
    expect((await airy("trigger", "--fixture", "read")).envelope).toMatchObject({
      data: { unsubscribed: ["message_reads"] },
      warnings: [{ code: "FIELD_UNSUBSCRIBED" }],
    });
    // A slow service has many of them under way at once.
    receiver.react((_, res) => void setTimeout(() => res.writeHead(200).end(), 500));
    const many = await airy("trigger", "message", "--count", "25", "--rate", "100");
    expect(many.envelope.data).toMatchObject({ sent: 25, answered200: 25, held: 0 });
    expect(many.stderr).toBe("");
    receiver.react((_, res) => res.writeHead(200, { "airy-delivery": "01" }).end());
    expect((await airy("trigger", "message")).envelope.data).toMatchObject({ status: 200, held: true });
    receiver.react(platformLike("right-token"));
  },
  minute,
);

test(
  "--via signs with the configured secret and needs no stand-in",
  async () => {
    const result = await airy("trigger", "--fixture", "edit", "--via", `${receiver.url}/direct`, "--page", "77");
    expect(result).toMatchObject({
      code: 0,
      envelope: { data: { status: 200, pageId: "77", deliveries: [{ status: 200 }, { status: 200 }] } },
    });
    const sent = receiver.requests.findLast(({ url }) => url.pathname === "/direct")!;
    const signature = createHmac("sha256", "0123456789abcdef0123456789abcdef").update(sent.body).digest("hex");
    expect(sent.headers["x-hub-signature-256"]).toBe(`sha256=${signature}`);
    expect(await airy("trigger", "message", "--via", "http://127.0.0.1:1/x", "--page", "77")).toMatchObject({
      code: 13,
      envelope: { error: { code: "TRIGGER_VIA_FAILED" } },
    });
  },
  minute,
);

test.each([
  [[], "Say one of"],
  [["message", "--fixture", "text"], "Say one of"],
  [["message", "--count", "0"], "1 or more"],
  [["--fixture", "stick"], "perhaps sticker"],
  [["--file", "absent.json"], "absent.json cannot be read: ENOENT"],
  [["message", "--via", "ftp://x", "--page", "1"], "not an http(s) address"],
  [["message", "--via", "http://127.0.0.1:1/x"], "--page is missing"],
])("airy trigger %j is refused with the reason", async (args, reason) => {
  const { code, envelope } = await airy("trigger", ...args);
  expect({ code, reason: envelope.error.details.reason }).toEqual({ code: 2, reason: expect.stringContaining(reason) });
});
