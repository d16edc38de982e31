/** What one tunnel and one network of senders may take: what is refused says so with its code, is counted, and takes nothing away. */
import net from "node:net";
import { afterEach, expect, it } from "vitest";
import { DEFAULT_LIMITS, type Limits } from "../../../edge/limits.ts";
import { SlowBodies, type Receiving } from "../../../edge/ingress/slow-bodies.ts";
import { Rates } from "../../../edge/peers/counts.ts";
import {
  ask,
  launchTunnel,
  newKey,
  openEdge,
  openTunnel,
  startOrigin,
  until,
  type Answer,
  type Ask,
  type TestEdge,
} from "../../support/edge.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function setUp(limits: Partial<Limits>) {
  const edge = await openEdge({ limits: { ...DEFAULT_LIMITS, ...limits }, admin: { host: "127.0.0.1", port: 0 } });
  closing.push(() => edge.close());
  const waiting: (() => void)[] = [];
  const origin = await startOrigin((request, response) => {
    request.resume();
    if (request.url === "/wait") waiting.push(() => response.end("late"));
    else if (request.url === "/large") response.end(Buffer.alloc(3_000_000));
    else request.on("end", () => response.end("fine"));
  });
  closing.push(() => origin.close());
  const client = await openTunnel(edge, origin.port);
  closing.push(() => client.tunnel.close());
  const send = (more: Partial<Ask> = {}) => ask(edge.httpPort, { host: client.host, ...more });
  return { edge, origin, client, waiting, send };
}

const told = ({ status, headers }: Answer) => [status, headers["airy-error"], headers["retry-after"]];

async function limited(edge: TestEdge): Promise<Record<string, number>> {
  const { text } = await ask(edge.edge.adminPort!, { host: "localhost", path: "/metrics" });
  const found = [...text.matchAll(/^airy_edge_limited_total\{limit="([\w-]+)"\} (\d+)/gm)].filter(([, , count]) => count !== "0");
  return Object.fromEntries(found.map(([, name, count]) => [name, Number(count)]));
}

it("requests in flight: of one network, and in all; a place that is given back is free at once", async () => {
  const { edge, waiting, send } = await setUp({ "requests-in-flight": 3, "requests-in-flight-per-network": 2 });
  const late = [send({ path: "/wait" }), send({ path: "/wait" })];
  await until("two on their way", () => waiting.length === 2);
  expect(told(await send())).toEqual([429, "SENDER_BUSY", "1"]);
  waiting.shift()!();
  await late[0];
  expect((await send()).text).toBe("fine");
  waiting.shift()!();
  await late[1];
  expect(await limited(edge)).toEqual({ "requests-in-flight-per-network": 1 });
});

it("requests per second come back with time", async () => {
  const { edge, send } = await setUp({ "requests-per-second": 3 });
  const answers: Answer[] = [];
  for (let i = 0; i < 12; i++) answers.push(await send());
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(told(refused[0]!)).toEqual([429, "RATE_LIMITED", "1"]);
  await until("one to pass again", async () => (await send()).status === 200);
  expect((await limited(edge))["requests-per-second"]).toBeGreaterThanOrEqual(refused.length);
});

it("bytes per day, both ways together", async () => {
  const { edge, send } = await setUp({ "megabytes-per-day": 4 });
  expect((await send({ path: "/large" })).body.length).toBe(3_000_000);
  expect((await send({ method: "POST", body: Buffer.alloc(1_100_000) })).status).toBe(200);
  expect(told(await send())).toEqual([429, "BYTES_USED_UP", "3600"]);
  expect(await limited(edge)).toEqual({ "megabytes-per-day": 1 });
});

it("connections of one network, and how fast it opens them", async () => {
  const { edge, client, send } = await setUp({ "connections-per-network": 3, "new-connections-per-second": 10 });
  const sockets = [1, 2, 3].map(() => net.connect({ host: "127.0.0.1", port: edge.httpPort, localAddress: "127.0.5.1" }));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
  const status = (localAddress: string) =>
    new Promise<string>((resolve) => {
      let text = "";
      const socket = net.connect({ host: "127.0.0.1", port: edge.httpPort, localAddress });
      socket.on("error", () => {});
      socket.on("data", (chunk) => (text += chunk.toString()));
      socket.on("close", () => resolve(/^HTTP\/1\.1 (\d+) (\w+)/.exec(text)?.[0] ?? ""));
      socket.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\n\r\n`);
    });
  expect(await status("127.0.5.2")).toBe("HTTP/1.1 429 TOO_MANY_CONNECTIONS");
  expect(await status("127.0.6.1")).toBe("HTTP/1.1 200 OK");
  for (const socket of sockets) socket.destroy();
  await until("places to be free again", async () => (await status("127.0.5.2")) === "HTTP/1.1 200 OK");
  const many = await Promise.all(Array.from({ length: 30 }, () => status("127.0.7.1")));
  expect(many.filter((line) => line.includes("429")).length).toBeGreaterThan(0);
  expect(Object.keys(await limited(edge)).toSorted()).toEqual(["connections-per-network", "new-connections-per-second"]);
  expect((await send()).status).toBe(200);
});

it("a body that hardly moves is given up, one that waits for the tunnel or is answered already is not", () => {
  let rate = 10;
  const bodies = new SlowBodies(() => rate);
  const gone: string[] = [];
  const body = (name: string, excused = false): Receiving & { received: number } => ({
    received: 0,
    excused,
    tooSlow: () => gone.push(name),
  });
  const [slow, steady, waiting] = [body("slow"), body("steady"), body("waiting", true)];
  for (const each of [slow, steady, waiting]) bodies.add(each, 0);
  for (let at = 5_000; at <= 60_000; at += 5_000) {
    steady.received += 100;
    slow.received += 1;
    bodies.look(at);
    if (gone.length > 0) bodies.delete(slow);
  }
  expect(gone).toEqual(["slow"]);
  rate = 1;
  bodies.delete(steady);
  bodies.add(slow, 60_000);
  slow.received += 40;
  bodies.look(90_000);
  expect(gone).toEqual(["slow"]);
  bodies.close();
});

it("new names of one network in an hour, and tunnels of one key; what a key has already costs nothing", async () => {
  const { edge, origin } = await setUp({ "claims-per-hour": 4, "tunnels-per-key": 2 });
  const identity = newKey().private;
  const first = await openTunnel(edge, origin.port, { identity, name: "shop-one" });
  const second = await openTunnel(edge, origin.port, { identity, name: "shop-two" });
  closing.push(
    () => first.tunnel.close(),
    () => second.tunnel.close(),
  );
  // Names may be free again in a moment, when a connection that is lost has been given up.
  const third = launchTunnel(edge, origin.port, { identity, ephemeral: true });
  await until("the refusal", async () => ((await limited(edge))["tunnels-per-key"] ?? 0) > 0);
  void third.tunnel.opened.catch(() => {});
  await third.tunnel.close();
  const stranger = await openTunnel(edge, origin.port);
  await stranger.tunnel.close();
  await expect(openTunnel(edge, origin.port)).rejects.toMatchObject({ code: "EDGE_REFUSED", details: { code: "TOO_MANY_CLAIMS" } });
  await second.tunnel.close();
  const again = await openTunnel(edge, origin.port, { identity, name: "shop-two" });
  await again.tunnel.close();
  expect(await limited(edge)).toMatchObject({ "claims-per-hour": 1 });
});

it("limits are read again while tunnels stay", async () => {
  const { edge, client, send } = await setUp({ "requests-per-second": 1_000 });
  edge.edge.reload({ ...DEFAULT_LIMITS, "megabytes-per-day": 1, "requests-per-second": 1_000 });
  expect((await send({ path: "/large" })).status).toBe(200);
  expect((await send()).status).toBe(429);
  expect(client.statuses.map(({ state }) => state)).not.toContain("waiting");
});

it("rates: a burst, then one by one, each for itself, and a count that changes", () => {
  const rates = new Rates(1_000, 2);
  const taken = (who: string, count: number, now: number, tries: number) =>
    Array.from({ length: tries }, () => rates.take(who, count, now)).filter(Boolean).length;
  expect(taken("a", 10, 0, 100)).toBe(20);
  expect(taken("b", 10, 0, 100)).toBe(20);
  expect(taken("a", 10, 500, 100)).toBe(5);
  expect(taken("a", 10, 60_000, 100)).toBe(20);
  expect(taken("a", 1_000, 60_000, 10)).toBe(0);
  expect(taken("a", 1_000, 61_000, 2_000)).toBeGreaterThan(900);
});
