/** The order of delivery while much is under way: on two connections of one tunnel, and on a long line. */
import { createHmac } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createHttpClient } from "../../../cli/io/http.ts";
import { loadOrCreateIdentity } from "../../../cli/tunnel/identity.ts";
import { startTunnel, type RunningTunnel } from "../../../cli/tunnel/tunnel.ts";
import { startEdge, type RunningEdge } from "../../../edge/index.ts";
import { startRelay } from "../../support/relay.ts";
import { forward } from "../../support/ssh.ts";

let dir: string;
let edge: RunningEdge;
let service: http.Server;
let tunnels: RunningTunnel[] = [];
let arrivals: string[] = [];
let answered: string[] = [];
/** The service answers this body only when it is released. */
let slow: { body: string; release: () => void } | null = null;
/** So often the service answers 503. */
let failures = 0;
const request = createHttpClient();

beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-hold-"));
  [tunnels, arrivals, answered, slow, failures] = [[], [], [], null, 0];
  edge = await startEdge({
    domain: "tunnel.localhost",
    ssh: { host: "127.0.0.1", port: 0 },
    http: { host: "127.0.0.1", port: 0 },
    admin: null,
    dataDir: path.join(dir, "edge"),
    hostKey: null,
    publicPort: null,
    log: () => {},
  });
  service = http.createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      arrivals.push(body);
      if (failures > 0) {
        failures -= 1;
        return void res.writeHead(503).end();
      }
      const done = () => {
        answered.push(body);
        res.end();
      };
      if (slow?.body === body) slow.release = done;
      else done();
    });
  });
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  for (const tunnel of tunnels) await tunnel.close();
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
  await edge.close(0);
  await rm(dir, { recursive: true, force: true });
});

async function openTunnel(port = edge.sshPort): Promise<{ tunnel: RunningTunnel; url: string }> {
  const identity = await loadOrCreateIdentity(path.join(dir, "identity"));
  const tunnel = startTunnel({
    edge: { host: "127.0.0.1", port },
    hostKey: { kind: "known", key: edge.hostKey },
    identity: identity.privateKey,
    target: { host: "127.0.0.1", port: (service.address() as AddressInfo).port },
    paths: [],
    hold: ["/facebook"],
    holdSigned: true,
    onRefused: "close",
    onStatus: () => {},
    onRequest: () => {},
    log: () => {},
  });
  tunnels.push(tunnel);
  return { tunnel, url: (await tunnel.opened).url ?? "" };
}

async function post(url: string, body: string): Promise<number> {
  const headers = { "x-hub-signature-256": `sha256=${createHmac("sha256", "secret").update(body).digest("hex")}` };
  return (await request({ method: "POST", url: `${url}/facebook`, headers, body })).status;
}

test("a newer connection of the same key delivers nothing before the older one is done", async () => {
  const first = await openTunnel();
  await first.tunnel.close();
  slow = { body: "1", release: () => {} };
  for (const body of ["1", "2", "3"]) expect(await post(first.url, body)).toBe(200);
  await openTunnel();
  await vi.waitFor(() => expect(arrivals).toEqual(["1"]), { timeout: 10_000 });
  await openTunnel();
  expect(await post(first.url, "4")).toBe(200);
  expect(await post(first.url, "5")).toBe(200);
  expect(arrivals).toEqual(["1"]);
  slow.release();
  await vi.waitFor(() => expect(answered).toEqual(["1", "2", "3", "4", "5"]), { timeout: 10_000 });
  expect(arrivals).toEqual(["1", "2", "3", "4", "5"]);
});

test("a stopping edge sends nothing more ahead; what waits is delivered by its successor", async () => {
  const first = await openTunnel();
  await first.tunnel.close();
  slow = { body: "0", release: () => {} };
  for (let n = 0; n < 200; n += 1) expect(await post(first.url, String(n))).toBe(200);
  await openTunnel();
  await vi.waitFor(() => expect(arrivals).toEqual(["0"]), { timeout: 10_000 });
  const closed = edge.close();
  slow.release();
  await closed;
  expect(arrivals.length).toBeGreaterThan(0);
  expect(arrivals.length).toBeLessThan(200);
  expect(arrivals).toEqual(Array.from({ length: arrivals.length }, (_, n) => String(n)));
});

test("what was sent before the edge knew of a failure does not overtake the one that failed", async () => {
  const relay = await startRelay({ target: () => ({ host: "127.0.0.1", port: edge.sshPort }), roundTrip: 100 });
  try {
    const { url } = await openTunnel(relay.port);
    failures = 4;
    const sent = Array.from({ length: 150 }, (_, n) => String(n));
    for (const body of sent) expect(await post(url, body)).toBe(200);
    await vi.waitFor(() => expect(answered.length).toBeGreaterThanOrEqual(sent.length), { timeout: 15_000 });
    expect(failures).toBe(0);
    expect(answered).toEqual(sent);
  } finally {
    for (const tunnel of tunnels.splice(0)) await tunnel.close();
    await relay.close();
  }
});

test("a plain ssh -R with the same key gets what waits one at a time as well", async () => {
  const first = await openTunnel();
  await first.tunnel.close();
  slow = { body: "3", release: () => {} };
  const sent = Array.from({ length: 20 }, (_, n) => String(n));
  for (const body of sent) expect(await post(first.url, body)).toBe(200);
  const { privateKey } = await loadOrCreateIdentity(path.join(dir, "identity"));
  const plain = await forward(edge.sshPort, privateKey, (service.address() as AddressInfo).port);
  try {
    await vi.waitFor(() => expect(arrivals).toContain("3"), { timeout: 10_000 });
    expect(arrivals).toEqual(["0", "1", "2", "3"]);
    slow.release();
    await vi.waitFor(() => expect(answered.length).toBe(20), { timeout: 10_000 });
    expect(answered).toEqual(sent);
  } finally {
    plain.close();
  }
});
