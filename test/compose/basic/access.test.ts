import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createGuard } from "../../../compose/basic/src/http/guard.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { TestPlatform } from "./fixture.ts";
import { startTestPlatform } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
  platform = await startTestPlatform(await postgres.createDatabase(), { allowedHosts: ["platform"] });
});
afterAll(async () => {
  await platform.close();
  await postgres.close();
});

const cases: [string, Record<string, string>, boolean][] = [
  ["loopback by name", { host: "localhost:8080" }, true],
  ["loopback by name, other case", { host: "LOCALHOST" }, true],
  ["loopback by address", { host: "127.0.0.1:1" }, true],
  ["loopback by IPv6 address", { host: "[::1]:8080" }, true],
  ["a name from the configuration", { host: "platform:8080" }, true],
  ["our own page", { host: "localhost:8080", origin: "http://localhost:8080" }, true],
  ["our own page by address", { host: "127.0.0.1:8080", origin: "http://127.0.0.1:8080" }, true],
  ["a page of another local port", { host: "localhost:8080", origin: "http://localhost:3000" }, false],
  ["a page of another local name", { host: "localhost:8080", origin: "http://127.0.0.1:8080" }, false],
  ["a name pointed at 127.0.0.1", { host: "rebound.example" }, false],
  ["the public name", { host: "shop.tunnel.localhost:8080" }, false],
  ["a lookalike", { host: "localhost.evil.example" }, false],
  ["a Host with credentials", { host: "localhost@evil.example" }, false],
  ["a Host with a path", { host: "localhost/evil" }, false],
  ["a Host that is only a port", { host: ":8080" }, false],
  ["a foreign page", { host: "localhost", origin: "https://evil.example" }, false],
  ["a sandboxed page", { host: "localhost", origin: "null" }, false],
  ["a file or an extension", { host: "localhost", origin: "file://" }, false],
];

describe.each(cases)("%s", (_name, headers, allowed) => {
  test.each([
    ["POST", "/channels.list"],
    ["GET", "/"],
    ["GET", "/main.js"],
    ["GET", "/health"],
    ["POST", "/no.such.path"],
  ])(`%s %s is ${allowed ? "let in" : "refused"}`, async (method, target) => {
    const answer = await platform.request(method, target, undefined, headers);
    if (allowed) return expect(answer.status).toBe(target === "/no.such.path" ? 404 : 200);
    expect(answer.status).toBe(403);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.json.message).toMatch(/^foreign (Host|Origin)$/);
  });

  test(`the WebSocket is ${allowed ? "opened" : "refused"}`, async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${platform.port}/ws.communication`, { headers });
    const outcome = await Promise.race([
      once(socket, "open").then(() => "open"),
      once(socket, "unexpected-response").then(([, response]) => String((response as { statusCode: number }).statusCode)),
      once(socket, "error").then(() => "error"),
    ]);
    socket.on("error", () => {});
    socket.terminate();
    expect(outcome).toBe(allowed ? "open" : "403");
  });
});

test("the webhook path is reached under its public name; what hangs below it is not", async () => {
  const headers = { host: "shop.tunnel.example", origin: "https://evil.example" };
  expect((await platform.request("POST", "/facebook", "{}", headers)).status).toBe(401);
  expect((await platform.request("GET", "/facebook", undefined, headers)).status).toBe(400);
  expect((await platform.request("GET", "/facebook/", undefined, headers)).status).toBe(403);
});

test("no answer allows another site to read it", async () => {
  const answer = await platform.request("POST", "/channels.list", "{}", { origin: "http://localhost:3000" });
  expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  expect(answer.headers["cross-origin-resource-policy"]).toBe("same-origin");
});

test("* alone lets every page in, in a pattern it stands for no slash", () => {
  const shared = (pattern: string, origin: string): string | null => createGuard([], [pattern]).sharedWith({ origin });
  expect(shared("*", "https://any.example:8443")).toBe("https://any.example:8443");
  expect(shared("http://*.ours.example", "http://shop.ours.example")).not.toBeNull();
  expect(shared("http://*.ours.example", "http://evil.example/.ours.example")).toBeNull();
});

test("a WebSocket on another path is 404", async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${platform.port}/other`);
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  expect((response as { statusCode: number }).statusCode).toBe(404);
});

describe("the page", () => {
  test("has a policy that lets only its own scripts run, and no frames", async () => {
    const answer = await platform.request("GET", "/");
    expect(answer.text).toContain("<title>inbox</title>");
    expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
    const policy = String(answer.headers["content-security-policy"]);
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("img-src 'self' data:");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|script-src/);
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
    expect(answer.headers["referrer-policy"]).toBe("no-referrer");
    expect((await platform.request("GET", "/main.js")).headers["content-type"]).toBe("text/javascript; charset=utf-8");
    const head = await platform.request("HEAD", "/");
    expect([head.status, head.text, head.headers["content-length"]]).toEqual([200, "", String(Buffer.byteLength(answer.text))]);
  });

  test.each([
    "/../index.html",
    "/..%2findex.html",
    "/%2e%2e/x.js",
    "/.hidden.js",
    "/sub/x.js",
    "/missing.js",
    "/main.js%00",
    "/x.ts",
    "/main",
  ])("%s is no file of it", async (target) => {
    expect((await platform.request("GET", target)).status).toBe(404);
  });

  test("not built: 503 in words, and the API works", async () => {
    const missing = path.join(os.tmpdir(), "airy-no-such-folder");
    await platform.restart({ webDir: missing });
    const answer = await platform.request("GET", "/");
    expect(answer.status).toBe(503);
    expect(answer.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(answer.text).toContain("not built");
    expect((await platform.call("/channels.list")).status).toBe(200);
    mkdirSync(missing, { recursive: true });
    writeFileSync(path.join(missing, "index.html"), "built meanwhile");
    expect((await platform.request("GET", "/")).text).toBe("built meanwhile");
    rmSync(missing, { recursive: true });
  });
});
