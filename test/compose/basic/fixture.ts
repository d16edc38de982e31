/** The platform as tests start it, and a client that speaks to it as Facebook and as an API user. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { Client } from "pg";
import { vi } from "vitest";
import { metaJson, signatureHeaders } from "../../../compose/facebook/contract.ts";
import { startPlatform } from "../../../compose/basic/src/index.ts";
import type { PlatformConfig } from "../../../compose/basic/src/index.ts";
import type { GraphServer } from "./graph-server.ts";
import { startGraphServer } from "./graph-server.ts";

export const app = { appId: "1234567890123456", appSecret: "test_app_secret", verifyToken: "verify-canary" };
export const pageId = "1001";
export const pageToken = "PAGE-TOKEN-CANARY";

export interface Json {
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are inspected member by member in assertions
  [key: string]: any;
}

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
  json: Json;
}

export interface TestPlatform {
  url: string;
  port: number;
  graph: GraphServer;
  logs: string[];
  request(method: string, path: string, body?: Buffer | string, headers?: Record<string, string>): Promise<Answer>;
  /** POST with a JSON body. */
  call(path: string, body?: unknown): Promise<Answer>;
  /** A delivery as Meta signs it; strings and buffers go out as they are. */
  deliver(body: unknown, headers?: Record<string, string>): Promise<Answer>;
  connect(page?: string): Promise<Answer>;
  /** Everything `messages.list` has, oldest first. */
  texts(conversationId: string): Promise<string[]>;
  sql<Row extends object>(text: string, values?: unknown[]): Promise<Row[]>;
  restart(overrides?: Partial<PlatformConfig>): Promise<void>;
  close(): Promise<void>;
}

/** What stands before the platform: where it listens, and what deliveries bring along that come through the tunnel. */
export interface Front {
  port: number;
  deliveryHeaders: Record<string, string>;
  close(): Promise<void>;
}

export async function startTestPlatform(
  databaseUrl: string,
  overrides: Partial<PlatformConfig> = {},
  before: (port: number) => Promise<Front | null> = async () => null,
): Promise<TestPlatform> {
  const graph = await startGraphServer(app.appId);
  const webDir = mkdtempSync(path.join(os.tmpdir(), "airy-web-"));
  writeFileSync(path.join(webDir, "index.html"), "<!doctype html><title>inbox</title>");
  writeFileSync(path.join(webDir, "main.js"), "export {};\n");
  const logs: string[] = [];
  const agent = new http.Agent({ keepAlive: true });
  const start = (more: Partial<PlatformConfig>) =>
    startPlatform({
      databaseUrl,
      listen: { host: "127.0.0.1", port: 0 },
      allowedHosts: [],
      facebook: { ...app, graphUrl: graph.url },
      webDir,
      log: (line) => logs.push(line),
      ...more,
    });
  let running = await start(overrides);
  const front = await before(running.port);
  const port = (): number => front?.port ?? running.port;

  function request(method: string, target: string, body?: Buffer | string, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const req = http.request({ host: "127.0.0.1", port: port(), method, path: target, headers, agent }, (res) => {
        const chunks: Buffer[] = [];
        res.on("data", (chunk: Buffer) => chunks.push(chunk));
        res.on("error", reject);
        res.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json: parse(text) });
        });
      });
      req.on("error", reject);
      req.end(body);
    });
  }

  const call: TestPlatform["call"] = (target, body) =>
    request("POST", target, body === undefined ? undefined : JSON.stringify(body), { "content-type": "application/json" });

  return {
    get url() {
      return `http://127.0.0.1:${port()}`;
    },
    get port() {
      return port();
    },
    graph,
    logs,
    request,
    call,
    deliver(body, headers = {}) {
      const bytes = Buffer.isBuffer(body) || typeof body === "string" ? Buffer.from(body) : metaJson(body);
      return request("POST", "/facebook", bytes, {
        host: "shop.tunnel.example",
        "content-type": "application/json",
        ...signatureHeaders(app.appSecret, bytes),
        ...front?.deliveryHeaders,
        ...headers,
      });
    },
    connect: (page = pageId) => call("/channels.facebook.connect", { page_id: page, page_token: pageToken, name: "Test Page" }),
    async texts(conversationId) {
      const answer = await call("/messages.list", { conversation_id: conversationId, page_size: 1000 });
      return (answer.json.data as Json[]).map((message) => message.content.message?.text ?? message.content.text).reverse();
    },
    async sql<Row extends object>(text: string, values: unknown[] = []) {
      const client = new Client({ connectionString: databaseUrl });
      // The database may be stopped meanwhile; the statement then fails.
      client.on("error", () => {});
      await client.connect();
      try {
        return (await client.query(text, values)).rows as Row[];
      } finally {
        await client.end();
      }
    },
    async restart(more = {}) {
      await running.close();
      running = await start({ ...overrides, ...more });
    },
    async close() {
      agent.destroy();
      await front?.close();
      await running.close();
      await graph.close();
      rmSync(webDir, { recursive: true, force: true });
    },
  };
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return {};
  }
}

/** Repeats `check` until it does not throw; patient, because tests share the machine. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 20_000, interval: 20 });
}

/** One text message of a customer to the page. */
export function textEvent(mid: string, text: string, options: { from?: string; page?: string; at?: number } = {}) {
  const { from = "2002", page = pageId, at = 1_700_000_000_000 } = options;
  return { sender: { id: from }, recipient: { id: page }, timestamp: at, message: { mid, text } };
}

export function delivery(messaging: unknown[], page = pageId) {
  return { object: "page", entry: [{ id: page, time: 1_700_000_000_000, messaging }] };
}
