/** Registrar, stand-in and the real platform on one loop, without edge and tunnel: they understand each other. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createHttpClient } from "../../../../cli/io/http.ts";
import { connectPage } from "../../../../cli/sources/facebook/connect.ts";
import { createFacebookSource } from "../../../../cli/sources/facebook/registrar.ts";
import { triggerEvent } from "../../../../cli/sources/facebook/trigger.ts";
import { startPlatform } from "../../../../compose/basic/src/index.ts";
import { type Json, app, commandToken, page, startStandIn } from "../../../compose/sandbox/stand-in.ts";
import { startPostgres } from "../../../support/postgres.ts";

const http = createHttpClient();
const verifyToken = "verify-token-canary";

test("a customer's message is in the platform, the reply is at the stand-in, its echo is no second message", async () => {
  const webDir = await mkdtemp(path.join(tmpdir(), "airy-loop-"));
  onTestFinished(() => rm(webDir, { recursive: true }));
  const postgres = await startPostgres();
  onTestFinished(() => postgres.close());
  const standIn = await startStandIn();
  onTestFinished(() => standIn.close());
  const platform = await startPlatform({
    databaseUrl: await postgres.createDatabase(),
    listen: { host: "127.0.0.1", port: 0 },
    allowedHosts: [],
    facebook: { appId: app.id, appSecret: app.secret, verifyToken, graphUrl: standIn.url },
    webDir,
    log: () => {},
  });
  onTestFinished(() => platform.close());
  const platformUrl = `http://127.0.0.1:${platform.port}`;
  const api = async (name: string, body: unknown): Promise<Json> => {
    const headers = { "content-type": "application/json" };
    const answer = await http({ method: "POST", url: `${platformUrl}/${name}`, headers, body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
    return JSON.parse(answer.body.toString()) as Json;
  };

  const source = createFacebookSource({ http, graphUrl: standIn.url, appId: app.id, appSecret: app.secret });
  await connectPage({ http, platformUrl, pageId: page.id, pageToken: page.token, name: page.name });
  const target = { callbackUrl: `${platformUrl}/facebook`, previousUrls: [], verifyToken };
  expect(await source.register(target, { replaceWebhook: false }, () => {})).toMatchObject([{ state: "active" }, { state: "active" }]);

  const written = await triggerEvent({ http, sandboxUrl: standIn.url, commandToken }, { kind: "message", text: "Grüße 👋", from: "2002" });
  expect(written).toMatchObject({ status: 200, deliveries: [{ attempts: 1 }] });
  const [conversation] = (await api("conversations.list", {})).data as Json[];
  const sent = await api("messages.send", { conversation_id: conversation!.id, message: { text: "hello back" } });
  expect(sent.id).toEqual(expect.any(String));

  const replies = async () => (await standIn.command("GET", "/sandbox/replies")).json as unknown as Json[];
  await expect.poll(replies).toMatchObject([{ recipientId: "2002", text: "hello back" }]);
  // Once the echo was answered, it would show if the platform had taken it for a message of its own.
  await expect.poll(() => standIn.logs.filter((line) => line.startsWith("message_echoes")).length).toBe(1);
  const { data } = await api("messages.list", { conversation_id: conversation!.id });
  expect((data as Json[]).map((message) => [message.from_contact, message.content.message?.text ?? message.content.text]).sort()).toEqual([
    [false, "hello back"],
    [true, "Grüße 👋"],
  ]);
});
