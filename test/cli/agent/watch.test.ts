import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { watchServices, watchWebhooks } from "../../../cli/agent/watch.ts";
import { createHttpClient } from "../../../cli/io/http.ts";
import type { AiryEventBody, ServiceStatus } from "../../../cli/events.ts";
import type { Platform } from "../../../cli/platform/platform.ts";
import { GRAPH_VERSION } from "../../../compose/facebook/contract.ts";
import { createFacebookSource } from "../../../cli/sources/facebook/registrar.ts";
import { startFacebookSandbox, type RunningFacebookSandbox } from "../../../compose/sandbox/src/index.ts";

const client = createHttpClient();
const app = { id: "1000", secret: "app-secret", name: "Test App" };
let standIn: RunningFacebookSandbox;
let callback: http.Server;
let callbackUrl: string;
let controller: AbortController;
let events: AiryEventBody[];
const emit = (event: AiryEventBody): void => void events.push(event);

beforeEach(async () => {
  standIn = await startFacebookSandbox({
    listen: { host: "127.0.0.1", port: 0 },
    app,
    page: { id: "2000", name: "Page", token: "page-token" },
    commandToken: "command-token",
    http: client,
    log: () => {},
  });
  callback = http.createServer((req, res) => res.end(new URL(req.url ?? "/", "http://x").searchParams.get("hub.challenge")));
  await new Promise<void>((resolve) => callback.listen(0, "127.0.0.1", resolve));
  callbackUrl = `http://127.0.0.1:${(callback.address() as AddressInfo).port}/facebook`;
  controller = new AbortController();
  events = [];
});
afterEach(async () => {
  controller.abort();
  callback.close();
  await standIn.close();
});

const graphUrl = (): string => `http://127.0.0.1:${standIn.port}`;

async function unsubscribe(): Promise<void> {
  const url = `${graphUrl()}/${GRAPH_VERSION}/${app.id}/subscriptions?object=page&access_token=${app.id}%7C${app.secret}`;
  expect((await client({ method: "DELETE", url })).status).toBe(200);
}

test("a webhook that got lost is registered again", async () => {
  const source = createFacebookSource({ http: client, graphUrl: graphUrl(), appId: app.id, appSecret: app.secret, retryDelaysMs: [] });
  const target = { callbackUrl, verifyToken: "verify", previousUrls: [] };
  await source.register(target, { replaceWebhook: false }, () => {});
  await unsubscribe();
  expect(await source.inspect(target)).toMatchObject([{ state: "pending" }]);
  const watching = watchWebhooks({ source, target, emit, signal: controller.signal, log: () => {}, everyMs: 5 });
  await expect.poll(() => events.some((event) => event.type === "webhook" && event.detail === "repaired")).toBe(true);
  expect(await source.inspect(target)).toMatchObject([{ state: "active", callbackUrl }]);
  controller.abort();
  await watching;
});

test("a source that fails is a warning, and is asked again", async () => {
  const source = createFacebookSource({ http: client, graphUrl: graphUrl(), appId: app.id, appSecret: "wrong", retryDelaysMs: [] });
  const target = { callbackUrl, verifyToken: "verify", previousUrls: [] };
  const watching = watchWebhooks({ source, target, emit, signal: controller.signal, log: () => {}, everyMs: 5 });
  await expect.poll(() => events.filter((event) => event.type === "warning").length).toBeGreaterThan(1);
  controller.abort();
  await watching;
});

test("without a source there is nothing to do but to wait for the end", async () => {
  const target = { callbackUrl, verifyToken: "verify", previousUrls: [] };
  const watching = watchWebhooks({ source: null, target, emit, signal: controller.signal, log: () => {}, everyMs: 1 });
  controller.abort();
  await watching;
  expect(events).toEqual([]);
});

test("a service that changes is reported once for each change", async () => {
  const states: ServiceStatus["health"][] = ["healthy", "healthy", "unhealthy", "unhealthy", "healthy"];
  let asked = 0;
  const platform = {
    status: async () => [{ name: "platform", state: "running", health: states[Math.min(asked++, states.length - 1)]! }],
  } as unknown as Platform;
  const watching = watchServices({ platform, workspace: "/", emit, signal: controller.signal, everyMs: 1 });
  await expect.poll(() => asked).toBeGreaterThan(6);
  controller.abort();
  await watching;
  expect(events.map((event) => event.type === "service" && event.service.health)).toEqual(["unhealthy", "healthy"]);
});
