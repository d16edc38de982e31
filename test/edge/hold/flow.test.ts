/** Holding, from a sender to a local service and through everything that may happen in between. */
import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startEdge, type EdgeConfig, type RunningEdge } from "../../../edge/index.ts";
import { createHttpClient, type HttpResponse } from "../../../cli/io/http.ts";
import { loadOrCreateIdentity } from "../../../cli/tunnel/identity.ts";
import { startTunnel, type RunningTunnel } from "../../../cli/tunnel/tunnel.ts";

interface Arrival {
  body: string;
  delivery: string | undefined;
  attempt: string | undefined;
  heldFor: string | undefined;
}

let dir: string;
let edge: RunningEdge;
let tunnel: RunningTunnel | null = null;
let service: http.Server | null = null;
let arrivals: Arrival[] = [];
/** Status for a body; undefined: 200; a promise: later. */
let answerWith: (body: string) => number | Promise<number> = () => 200;
let servicePort = 0;
let url = "";
const request = createHttpClient();

const edgeConfig = (ports: { ssh: number; http: number }): EdgeConfig => ({
  domain: "tunnel.localhost",
  ssh: { host: "127.0.0.1", port: ports.ssh },
  http: { host: "127.0.0.1", port: ports.http },
  admin: { host: "127.0.0.1", port: 0 },
  dataDir: path.join(dir, "edge"),
  hostKey: null,
  publicPort: null,
  log: () => {},
});

beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-hold-"));
  arrivals = [];
  answerWith = () => 200;
  servicePort = 0;
  edge = await startEdge(edgeConfig({ ssh: 0, http: 0 }));
  await startService();
  await openTunnel();
});

afterEach(async () => {
  await tunnel?.close();
  await stopService();
  await edge.close(0);
  await rm(dir, { recursive: true, force: true });
});

async function startService(): Promise<void> {
  service = http.createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", async () => {
      const body = Buffer.concat(chunks).toString();
      const header = (name: string) => req.headers[name] as string | undefined;
      arrivals.push({
        body,
        delivery: header("airy-delivery"),
        attempt: header("airy-delivery-attempt"),
        heldFor: header("airy-held-for"),
      });
      res.statusCode = await answerWith(body);
      res.end("from the service");
    });
  });
  await new Promise<void>((resolve) => service?.listen(servicePort, "127.0.0.1", resolve));
  servicePort = (service.address() as AddressInfo).port;
}

async function stopService(): Promise<void> {
  service?.closeAllConnections();
  await new Promise((resolve) => (service ? service.close(resolve) : resolve(null)));
  service = null;
}

async function openTunnel(hold = ["/facebook"]): Promise<void> {
  const identity = await loadOrCreateIdentity(path.join(dir, "identity"));
  tunnel = startTunnel({
    edge: { host: "127.0.0.1", port: edge.sshPort },
    hostKey: { kind: "known", key: edge.hostKey },
    identity: identity.privateKey,
    target: { host: "127.0.0.1", port: servicePort },
    paths: [],
    hold,
    holdSigned: true,
    onRefused: "close",
    onStatus: () => {},
    onRequest: () => {},
    log: () => {},
  });
  url = (await tunnel.opened).url ?? "";
}

function signed(body: string): Record<string, string> {
  return { "x-hub-signature-256": `sha256=${createHmac("sha256", "secret").update(body).digest("hex")}` };
}

function post(body: string, headers = signed(body), target = "/facebook"): Promise<HttpResponse> {
  return request({ method: "POST", url: `${url}${target}`, headers, body });
}

const bodies = () => arrivals.map(({ body }) => body);
const arrived = (count: number) => vi.waitFor(() => expect(arrivals.length).toBe(count), { timeout: 15_000, interval: 20 });

test("a live webhook is answered by the service itself and carries a delivery id", async () => {
  const response = await post("one");
  expect(response.status).toBe(200);
  expect(response.body.toString()).toBe("from the service");
  expect(arrivals).toEqual([{ body: "one", delivery: expect.stringMatching(/^[0-9a-v]{24}$/), attempt: undefined, heldFor: undefined }]);
});

test("while the tunnel is away, webhooks are acknowledged and delivered in order when it is back, once each", async () => {
  await tunnel?.close();
  for (let i = 0; i < 100; i++) expect((await post(`w${i}`)).status).toBe(200);
  expect(arrivals).toEqual([]);
  await openTunnel();
  await arrived(100);
  expect(bodies()).toEqual(Array.from({ length: 100 }, (_, i) => `w${i}`));
  expect(new Set(arrivals.map(({ delivery }) => delivery)).size).toBe(100);
  expect(arrivals[0]?.attempt).toBe("1");
  expect(Number(arrivals[0]?.heldFor)).toBeGreaterThan(0);
  await vi.waitFor(() => expect(tunnel?.status().held).toEqual({ entries: 0, bytes: 0, dead: 0, oldest: null }), { timeout: 5_000 });
  expect((await post("live")).body.toString()).toBe("from the service");
});

test("while the service is down, webhooks are acknowledged and delivered when it is back", async () => {
  await stopService();
  for (const body of ["a", "b", "c"]) expect((await post(body)).status).toBe(200);
  await startService();
  await arrived(3);
  expect(bodies()).toEqual(["a", "b", "c"]);
});

test("502, 503 and 504 of the service are held; 200, 400 and 500 are the sender's to see", async () => {
  let fail = true;
  answerWith = (body) => (fail && body.startsWith("down") ? Number(body.slice(4)) : 200);
  for (const status of [502, 503, 504]) expect((await post(`down${status}`)).status).toBe(200);
  fail = false;
  await vi.waitFor(() => expect(bodies().slice(-3)).toEqual(["down502", "down503", "down504"]), { timeout: 10_000 });
  answerWith = (body) => Number(body);
  await vi.waitFor(() => expect(tunnel?.status().held?.entries).toBe(0), { timeout: 5_000 });
  for (const status of [200, 400, 500]) expect((await post(String(status))).status).toBe(status);
});

test("a slow service: the sender is answered in time, and a late 2xx means no second delivery", async () => {
  let release: (status: number) => void = () => {};
  answerWith = (body) => (body === "slow" ? new Promise((resolve) => (release = resolve)) : 200);
  const startedAt = Date.now();
  expect((await post("slow")).status).toBe(200);
  expect(Date.now() - startedAt).toBeLessThan(4_000);
  // Queued behind the one whose fate is open.
  expect((await post("next")).status).toBe(200);
  expect(bodies()).toEqual(["slow"]);
  release(200);
  await arrived(2);
  expect(bodies()).toEqual(["slow", "next"]);
});

test("a slow service that fails in the end is tried again with the same delivery id", async () => {
  let release: (status: number) => void = () => {};
  let first = true;
  answerWith = () => {
    if (!first) return 200;
    first = false;
    return new Promise((resolve) => (release = resolve));
  };
  expect((await post("slow")).status).toBe(200);
  release(503);
  await arrived(2);
  expect(arrivals[1]).toMatchObject({ body: "slow", delivery: arrivals[0]?.delivery, attempt: "2" });
});

test("one that the service refuses for good is set aside, the rest flows, and it can be sent again", async () => {
  await tunnel?.close();
  for (const body of ["good1", "poison", "good2"]) expect((await post(body)).status).toBe(200);
  answerWith = (body) => (body === "poison" ? 410 : 200);
  await openTunnel();
  await arrived(3);
  expect(bodies()).toEqual(["good1", "poison", "good2"]);
  await vi.waitFor(() => expect(tunnel?.status().held?.dead).toBe(1), { timeout: 5_000 });
  answerWith = () => 200;
  expect(await tunnel?.replayDead()).toBe(1);
  await arrived(4);
  expect(arrivals[3]).toMatchObject({ body: "poison", delivery: arrivals[1]?.delivery });
});

test("a stranger's forgery is passed by, and set aside as soon as another webhook is accepted", async () => {
  await tunnel?.close();
  for (const body of ["forged1", "forged2", "real1", "forged3", "real2"]) await post(body);
  answerWith = (body) => (body.startsWith("forged") ? 401 : 200);
  await openTunnel();
  await vi.waitFor(() => expect(tunnel?.status().held).toMatchObject({ entries: 0, dead: 3 }), { timeout: 5_000 });
  expect(bodies().filter((body) => body.startsWith("real"))).toEqual(["real1", "real2"]);
});

test("while the service refuses everything, everything stays, and nothing is set aside once it accepts", async () => {
  await tunnel?.close();
  for (const body of ["a", "b", "c"]) await post(body);
  let secretIsWrong = true;
  answerWith = () => (secretIsWrong ? 401 : 200);
  await openTunnel();
  await vi.waitFor(() => expect(arrivals.length).toBeGreaterThan(6), { timeout: 10_000 });
  secretIsWrong = false;
  await vi.waitFor(() => expect(tunnel?.status().held).toMatchObject({ entries: 0, dead: 0 }), { timeout: 10_000 });
  expect(bodies().slice(0, 6)).toEqual(["a", "b", "c", "a", "b", "c"]);
  expect(new Set(bodies().slice(-3))).toEqual(new Set(["a", "b", "c"]));
});

test("a webhook that the service does not take for a while stays at the head; nothing overtakes it", async () => {
  await tunnel?.close();
  for (const body of ["first", "second", "third"]) await post(body);
  let failures = 3;
  answerWith = (body) => (body === "first" && failures-- > 0 ? 503 : 200);
  await openTunnel();
  await vi.waitFor(() => expect(bodies().at(-1)).toBe("third"), { timeout: 15_000 });
  expect(bodies()).toEqual(["first", "first", "first", "first", "second", "third"]);
  expect(arrivals.slice(0, 4).map(({ attempt }) => attempt)).toEqual(["1", "2", "3", "4"]);
});

test("what is held survives a restart of the edge, with the name", async () => {
  await tunnel?.close();
  const before = url;
  for (const body of ["a", "b"]) await post(body);
  const ports = { ssh: edge.sshPort, http: edge.httpPort };
  await edge.close(0);
  edge = await startEdge(edgeConfig(ports));
  // The rules are known without the tunnel, too.
  expect((await post("c")).status).toBe(200);
  await openTunnel();
  expect(url).toBe(before);
  await arrived(3);
  expect(bodies()).toEqual(["a", "b", "c"]);
});

test("unsigned posts, other paths and reads are never held", async () => {
  await tunnel?.close();
  expect((await post("x", {})).status).toBe(503);
  expect((await post("x", { "x-hub-signature-256": "sha256=short" })).status).toBe(503);
  expect((await post("x", signed("x"), "/other")).status).toBe(503);
  expect((await request({ url: `${url}/facebook?hub.challenge=1`, headers: signed("") })).status).toBe(503);
});

test("a body over 1 MB goes to the service live, and is refused while that is away", async () => {
  const large = "x".repeat(1_100_000);
  expect((await post(large)).body.toString()).toBe("from the service");
  await tunnel?.close();
  expect((await post(large)).status).toBe(503);
});

test("a tunnel that no longer asks for it is not held for, and purge forgets what waits", async () => {
  await tunnel?.close();
  await post("waits");
  await openTunnel([]);
  await arrived(1);
  await tunnel?.close();
  expect((await post("not held")).status).toBe(503);
  await openTunnel(["/facebook"]);
  await stopService();
  expect((await post("to be purged")).status).toBe(200);
  expect(await tunnel?.purgeHeld()).toBe(1);
  await startService();
  await openTunnel([]);
  expect(bodies()).toEqual(["waits"]);
});
