import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { askHeld, fetchState, followEvents, requestStop } from "../../../cli/agent/client.ts";
import { startControl, type ControlServer } from "../../../cli/agent/control.ts";
import { createInspector } from "../../../cli/agent/inspect.ts";
import type { Exchange } from "../../../cli/tunnel/captures.ts";
import { createJournal, type Journal } from "../../../cli/agent/journal.ts";
import { fail } from "../../../cli/errors.ts";
import { readyStatus, request } from "../../support/dashboard-events.ts";

let dir: string;
let journal: Journal;
let control: ControlServer;
let stopped = 0;
const token = "control-token";
const counters = { requests: 1, failed: 0, refused: 0, bytesIn: 10, bytesOut: 20 };
const never = new AbortController().signal;

const exchange: Exchange = {
  record: request(1),
  target: "/facebook?hub.verify_token=canary-secret&x=1",
  request: { headers: ["Authorization", "Bearer x", "X-Any", "app-secret"], body: Buffer.from('{"a":"app-secret"}'), cut: 0 },
  response: { headers: [], body: Buffer.from([0, 255]), cut: 3 },
};

async function open(port: number | null): Promise<ControlServer> {
  const tunnel = {
    traffic: { list: () => [request(1)], counters: () => counters, exchange: (id: string) => (id === "1" ? exchange : null) },
    deadLetters: async () => [],
    replayDead: async () => 3,
    purgeHeld: async () => fail("TUNNEL_NOT_OPEN", { edge: "edge.example:22", state: "waiting" }),
  };
  return startControl({
    port,
    token,
    journal,
    state: async () => readyStatus,
    tunnel: () => tunnel,
    inspector: createInspector({ target: "http://127.0.0.1:9", appSecret: "app-secret", secrets: ["app-secret"] }),
    check: async (replaceWebhook) => ({ repairs: [`replace ${replaceWebhook}`], failure: null }),
    stop: () => (stopped += 1),
  });
}

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "airy-control-"));
  journal = createJournal({ file: path.join(dir, "events.ndjson"), now: () => new Date(), secrets: ["canary-secret"], log: () => {} });
  stopped = 0;
  control = await open(null);
});
afterEach(async () => {
  journal.close();
  await control.close();
  await rm(dir, { recursive: true });
});

function get(target: string, headers: Record<string, string>, method = "GET"): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: "127.0.0.1", port: control.port, path: target, method, headers, agent: false }, (res) => {
      let body = "";
      res.on("data", (chunk) => (body += chunk));
      res.on("end", () => resolve({ status: res.statusCode ?? 0, body }));
    });
    req.on("error", reject);
    req.end();
  });
}

const bearer = { authorization: `Bearer ${token}` };

test("answers nothing without the token, and nothing under a name that is not this machine's", async () => {
  for (const [method, target] of [
    ["GET", "/state"],
    ["GET", "/events"],
    ["GET", "/requests"],
    ["POST", "/stop"],
  ] as const) {
    expect((await get(target, {}, method)).status).toBe(401);
    expect((await get(target, { authorization: "Bearer wrong" }, method)).status).toBe(401);
    expect((await get(target, { ...bearer, host: "evil.example" }, method)).status).toBe(403);
    expect((await get(target, { ...bearer, host: "127.0.0.1.evil.example" }, method)).status).toBe(403);
  }
  expect(stopped).toBe(0);
  expect((await get("/state", { ...bearer, host: `localhost:${control.port}` })).status).toBe(200);
  expect((await get("/nothing", bearer)).status).toBe(404);
  expect((await get("/events?since=x", bearer)).status).toBe(400);
});

test("serves state, requests and stop", async () => {
  journal.append({ type: "stopped" });
  expect(await fetchState({ port: control.port, token })).toEqual({ status: readyStatus, seq: 1 });
  expect(JSON.parse((await get("/requests", bearer)).body)).toEqual({ counters, requests: [request(1)], seq: expect.any(Number) });
  await requestStop({ port: control.port, token });
  await expect.poll(() => stopped).toBe(1);
});

test("streams what happened since, then what happens, and ends when the journal is closed", async () => {
  for (const id of ["a", "b", "c"]) journal.append({ type: "check", id, status: "ok", message: "canary-secret" });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const event of followEvents({ port: control.port, token }, 1, never)) {
      seen.push(`${event.seq} ${event.type === "check" ? `${event.id} ${event.message}` : event.type}`);
      if (event.seq === 3) journal.append({ type: "stopped" });
      if (event.seq === 4) void journal.close();
    }
  })();
  await reading;
  expect(seen).toEqual(["2 b ********", "3 c ********", "4 stopped"]);
  journal.close();
  const file = await readFile(path.join(dir, "events.ndjson"), "utf8");
  expect(
    file
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { seq: number }).seq),
  ).toEqual([1, 2, 3, 4]);
  expect(file).not.toContain("canary-secret");
});

test("a follower that is told to stop, or finds nobody, ends quietly", async () => {
  const controller = new AbortController();
  const events = followEvents({ port: control.port, token }, 0, controller.signal);
  journal.append({ type: "stopped" });
  expect(await events.next()).toMatchObject({ value: { type: "stopped" } });
  controller.abort();
  expect(await events.next()).toMatchObject({ done: true });
  const free = await new Promise<number>((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
  for await (const _ of followEvents({ port: free, token }, 0, never)) expect.unreachable();
});

test("takes its old port again when it is free, and another one when it is not", async () => {
  const second = await open(control.port);
  expect(second.port).not.toBe(control.port);
  const { port } = second;
  await second.close();
  const third = await open(port);
  expect(third.port).toBe(port);
  await third.close();
});

test("two thousand events are remembered, more are not", async () => {
  for (let i = 0; i < 2500; i++) journal.append({ type: "stopped" });
  journal.close();
  const seqs: number[] = [];
  for await (const event of journal.follow(0, never)) seqs.push(event.seq);
  expect([seqs.length, seqs[0], seqs.at(-1)]).toEqual([2000, 501, 2500]);
});

test("passes on what the edge says about held messages, and why it cannot be asked", async () => {
  expect(await askHeld({ port: control.port, token }, "replay")).toBe(3);
  await expect(askHeld({ port: control.port, token }, "purge")).rejects.toMatchObject({
    code: "TUNNEL_NOT_OPEN",
    details: { edge: "edge.example:22", state: "waiting" },
  });
});

test("shows a request in full without its secrets, and a page that needs the token for anything", async () => {
  const { body } = await get("/requests/1", bearer);
  expect(JSON.parse(body)).toMatchObject({
    request: {
      target: "/facebook?hub.verify_token=********&x=1",
      headers: [
        ["Authorization", "********"],
        ["X-Any", "********"],
      ],
      body: '{"a":"********"}',
    },
    response: { encoding: "base64", body: "AP8=", cut: 3 },
  });
  expect((await get("/requests/1", {})).status).toBe(401);
  expect(JSON.parse((await get("/requests/2", bearer)).body).error.code).toBe("REQUEST_UNKNOWN");
  const page = await get("/", {});
  expect([page.status, page.body.includes("{{nonce}}"), /(?:src|href)=/.test(page.body)]).toEqual([200, false, false]);
  expect((await get("/", { host: "evil.example" })).status).toBe(403);
});
