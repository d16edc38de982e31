import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeRecord, type AgentRecord } from "../../../cli/agent/record.ts";
import { watchRecord, watchServices, watchWebhooks } from "../../../cli/agent/watch.ts";
import { workspacePaths } from "../../../cli/config/paths.ts";
import { AiryError } from "../../../cli/errors.ts";
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

test("a service that changes or goes is reported once for each change, one that was started is told, an engine that is away is a warning", async () => {
  const running = (health: ServiceStatus["health"]): ServiceStatus[] => [{ name: "platform", state: "running", health }];
  const down = new AiryError("DOCKER_DOWN", { reason: "nobody listens" });
  const seen = [running("healthy"), running("healthy"), running("unhealthy"), [], down, down, running("healthy")];
  const started: string[] = [];
  const platform: Pick<Platform, "status" | "changes"> = {
    status: async () => {
      const next = seen.shift();
      if (next instanceof AiryError) throw next;
      return next ?? [];
    },
    async *changes() {
      while (seen.length > 0) yield seen.length === 1 ? ["platform"] : [];
    },
  };
  const onStarted = async (service: string): Promise<void> => void started.push(service);
  await watchServices({ platform, workspace: "/", expected: ["platform"], emit, signal: controller.signal, onStarted });
  expect(events.map((event) => (event.type === "service" ? `${event.service.state} ${event.service.health}` : event.type))).toEqual([
    "running unhealthy",
    "missing none",
    "warning",
    "running healthy",
  ]);
  expect(started).toEqual(["platform"]);
});

test("a process whose record is gone, or somebody else's, is told", async () => {
  const paths = workspacePaths(mkdtempSync(path.join(os.tmpdir(), "airy-record-")));
  mkdirSync(paths.dir);
  const record: AgentRecord = {
    version: 1,
    pid: 1,
    started: "",
    port: 1,
    token: "",
    build: "",
    startId: "mine",
    config: "",
    phase: "ready",
  };
  await writeRecord(paths, record);
  const watching = watchRecord(paths, "mine", controller.signal, 5);
  expect(await Promise.race([watching.then(() => "told"), new Promise((resolve) => setTimeout(resolve, 50, "quiet"))])).toBe("quiet");
  rmSync(paths.dir, { recursive: true });
  await watching;
  rmSync(paths.root, { recursive: true });
});
