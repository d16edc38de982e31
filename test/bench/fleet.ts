/**
 * Many agents on one edge: back after a restart, what an idle one costs, takeover, and recovery after a crash.
 * `npm run bench:fleet`; `-- --quick` with fewer of everything, `-- --json` for one JSON document.
 */
import { fork, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { startTunnel } from "../../cli/tunnel/tunnel.ts";
import { generateKey } from "../../edge/names/key.ts";
import { startRelay } from "../support/relay.ts";
import { lastingPort, Part } from "./faults-part.ts";
import { takeBundle } from "./faults-stage.ts";
import type { FleetNews, FleetOrder } from "./fleet-agents.ts";
import { listening } from "./peers.ts";

const quick = process.argv.includes("--quick");
const json = process.argv.includes("--json");
const AGENTS = quick ? 300 : 1_000;
const IDLE = quick ? 2_000 : 10_000;
const TAKEOVERS = quick ? 5 : 20;
const SAMPLED = 50;
const OUTAGES_MS = quick ? [200, 2_000] : [200, 500, 1_000, 2_000, 5_000, 10_000, 25_000];
const PROCESSES = 4;
const PROXY_IDLE_MS = 30_000;

interface Row {
  case: string;
  value: number;
  unit: string;
  goal: string;
  detail: string;
}

const rows: Row[] = [];

function add(name: string, value: number, unit: string, goal: string, detail = ""): void {
  const row = { case: name, value: Math.round(value * 10) / 10, unit, goal, detail };
  rows.push(row);
  if (!json) process.stdout.write(`${name.padEnd(56)} ${row.value} ${unit}  (goal ${goal})  ${detail}\n`);
}

const bundle = await takeBundle();
const dir = await mkdtemp(path.join(os.tmpdir(), "airy-fleet-"));
const parts: { end(signal: NodeJS.Signals): Promise<void> }[] = [];

interface Edge {
  part: Part;
  ssh: number;
  http: number;
  hostKey: string;
}

/** All these clients come from one network, which is not to claim so many names. */
const ONE_NETWORK = ["--limit", "claims-per-hour=1000000", "--limit", "ssh-logins-per-network=1024"];

/** An edge that collects its garbage on SIGUSR2, so that what is kept can be told from what was not swept yet. */
async function startEdge(name: string): Promise<Edge> {
  const [ssh, port] = [await lastingPort(), await lastingPort()];
  const collector = `data:text/javascript,process.on("SIGUSR2",()=>{gc();gc();})`;
  const data = path.join(dir, name);
  const listen = ["--domain", "t.localhost", "--ssh", `127.0.0.1:${ssh}`, "--http", `127.0.0.1:${port}`, "--data", data, "--json"];
  const node = [process.execPath, "--expose-gc", "--import", collector];
  const part = new Part("edge", [...node, bundle.file, "edge", ...listen, ...ONE_NETWORK], {}, () => listening(port));
  parts.push(part);
  await part.start();
  await until(() => part.tail.includes("hostKey"));
  return { part, ssh, http: port, hostKey: /"hostKey":"([^"]+)"/.exec(part.tail)?.[1] ?? "" };
}

interface Fleet {
  open(): number;
  /** Where each agent that is open can be asked for. */
  hosts(): string[];
  /** When the agents opened that opened since `from`, milliseconds since 1970, sorted. */
  opened(from: number): number[];
  end(): Promise<void>;
}

function startFleet(order: Omit<FleetOrder, "count">, count: number): Fleet {
  const state = new Map<string, FleetNews>();
  const openings: number[] = [];
  const children: ChildProcess[] = [];
  for (let i = 0; i < PROCESSES; i += 1) {
    const child = fork(path.join(import.meta.dirname, "fleet-agents.ts"), [], { execArgv: ["--import", "tsx"], stdio: "inherit" });
    children.push(child);
    child.on("message", (news: FleetNews) => {
      state.set(`${i}/${news.agent}`, news);
      if (news.what === "open") openings.push(news.at);
    });
    child.send({ ...order, count: Math.floor((count + i) / PROCESSES) } satisfies FleetOrder);
  }
  const fleet: Fleet = {
    open: () => [...state.values()].filter(({ what }) => what === "open").length,
    hosts: () => [...state.values()].filter(({ what }) => what === "open").map(({ host }) => host),
    opened: (from) => openings.filter((at) => at >= from).toSorted((a, b) => a - b),
    end: async () => {
      await Promise.all(
        children.map((child) => {
          const gone = new Promise((resolve) => child.once("exit", resolve));
          return child.kill("SIGKILL") ? gone : null;
        }),
      );
    },
  };
  parts.push(fleet);
  return fleet;
}

/** Time zero is when the edge listens again. */
async function comeBack(target: number): Promise<void> {
  for (const [signal, how] of [
    ["SIGTERM", "restarted"],
    ["SIGKILL", "killed and restarted"],
  ] as const) {
    const edge = await startEdge(`back-${signal}`);
    const fleet = startFleet({ kind: "tunnels", edge: { host: "127.0.0.1", port: edge.ssh }, hostKey: edge.hostKey, target }, AGENTS);
    await until(() => fleet.open() === AGENTS, 120_000);
    const downAt = Date.now();
    await edge.part.end(signal);
    await edge.part.start();
    const upAt = Date.now();
    await until(() => fleet.opened(downAt).length >= AGENTS && fleet.open() === AGENTS, 120_000);
    const after = fleet.opened(downAt).map((at) => at - upAt);
    const busiest = Math.max(...countPerBucket(after, 100));
    const detail = `p10 ${at(after, 0.1)} p50 ${at(after, 0.5)} p90 ${at(after, 0.9)} ms; at most ${busiest} within 100 ms; edge away for ${upAt - downAt} ms`;
    add(`${AGENTS} agents back after the edge was ${how}`, at(after, 1) / 1000, "s", "<= 10", detail);
    const hosts = fleet.hosts();
    let served = 0;
    for (const host of hosts.slice(0, 50)) served += (await ask(edge.http, host)).status === 200 ? 1 : 0;
    add("of 50 of them that are asked, answer", served, "", "50");
    await fleet.end();
    await edge.part.end("SIGKILL");
  }
}

async function idle(): Promise<void> {
  const edge = await startEdge("idle");
  const order = { kind: "connections", edge: { host: "127.0.0.1", port: edge.ssh }, hostKey: edge.hostKey, target: 0 } as const;
  // What the first ones cost is code being loaded and compiled.
  const first = startFleet(order, 100);
  await until(() => first.open() === 100, 60_000);
  const before = await settledKb(edge.part);
  const fleet = startFleet(order, IDLE);
  await until(() => fleet.open() === IDLE, 600_000);
  const asItIs = await rssKb(edge.part.pid);
  const after = await settledKb(edge.part);
  const detail = `${IDLE} tunnels; ${Math.round(asItIs / 1024)} MB right after opening, ${Math.round(after / 1024)} MB swept; ${fleet.open()} still open`;
  add("resident memory for an idle tunnel", (after - before) / IDLE, "KB", "<= 40", detail);
  add("the same before garbage was collected", (asItIs - before) / IDLE, "KB", "-");
  await fleet.end();
  await first.end();
  await edge.part.end("SIGKILL");
}

/** The tunnel on its own, with nothing to do: memory once it is at rest, and the share of a core since then. */
async function idleProxy(): Promise<void> {
  const edge = await startEdge("proxy");
  const args = ["proxy", "3000", "--edge", `127.0.0.1:${edge.ssh}`, "--edge-key", edge.hostKey, "--ephemeral"];
  const part = new Part("airy-proxy", [process.execPath, bundle.file, ...args], {}, () => until(() => part.tail.includes("Ctrl-C")));
  parts.push(part);
  await part.start();
  await sleep(PROXY_IDLE_MS);
  const before = await cpuMs(part.pid);
  await sleep(PROXY_IDLE_MS);
  add("airy-proxy at rest: resident memory", (await rssKb(part.pid)) / 1024, "MB", "<= 64");
  add("airy-proxy at rest: share of a core", (((await cpuMs(part.pid)) - before) / PROXY_IDLE_MS) * 100, "%", "<= 0.5");
  await part.end("SIGKILL");
  await edge.part.end("SIGKILL");
}

/** Of the process so far. proc(5): fields 14 and 15, in hundredths of a second. */
async function cpuMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ").at(-1)!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** A second client with the same key: from its first packet to the first answer that comes from it. */
async function takeover(): Promise<void> {
  const edge = await startEdge("takeover");
  for (const how of ["alive", "half dead"]) {
    const samples: number[] = [];
    for (let i = 0; i < TAKEOVERS; i += 1) samples.push(await oneTakeover(edge, how === "half dead"));
    samples.sort((a, b) => a - b);
    add(`takeover from a client that is ${how}`, at(samples, 1), "ms", "< 200", `p50 ${at(samples, 0.5)} of ${TAKEOVERS}`);
  }
  await edge.part.end("SIGKILL");
}

async function oneTakeover(edge: Edge, halfDead: boolean): Promise<number> {
  const relay = await startRelay({ target: () => ({ host: "127.0.0.1", port: edge.ssh }) });
  const [old, young] = [await startService("old"), await startService("young")];
  const identity = generateKey("fleet").privateKey;
  const open = (port: number, target: number) =>
    startTunnel({
      edge: { host: "127.0.0.1", port },
      hostKey: { kind: "known", key: edge.hostKey },
      identity,
      target: { host: "127.0.0.1", port: target },
      paths: [],
      hold: [],
      holdSigned: true,
      onRefused: "close",
      onStatus: () => {},
      onRequest: () => {},
      log: () => {},
    });
  const first = open(relay.port, old.port);
  const host = new URL((await first.opened).url ?? "").host;
  await ask(edge.http, host);
  if (halfDead) relay.hole(true);
  const from = performance.now();
  const second = open(edge.ssh, young.port);
  const took = await new Promise<number>((resolve) => {
    // Each on its own: one that was sent to the old client hangs with it.
    const timer = setInterval(() => {
      void ask(edge.http, host).then(({ text }) => {
        if (text !== "young") return;
        clearInterval(timer);
        resolve(performance.now() - from);
      });
    }, 5);
  });
  relay.hole(false);
  await Promise.all([first.close(), second.close()]);
  await Promise.all([relay.close(), old.close(), young.close()]);
  return Math.round(took);
}

/** From the edge listening again to each tunnel being open again. */
async function recovery(target: number): Promise<void> {
  const edge = await startEdge("recovery");
  const fleet = startFleet({ kind: "tunnels", edge: { host: "127.0.0.1", port: edge.ssh }, hostKey: edge.hostKey, target }, SAMPLED);
  await until(() => fleet.open() === SAMPLED, 60_000);
  const samples: number[] = [];
  for (const outage of OUTAGES_MS) {
    // Longer than a connection has to last to count as recovered.
    await sleep(5_500);
    const downAt = Date.now();
    await edge.part.end("SIGKILL");
    await sleep(outage);
    await edge.part.start();
    const upAt = Date.now();
    await until(() => fleet.opened(downAt).length >= SAMPLED && fleet.open() === SAMPLED, 60_000);
    samples.push(...fleet.opened(downAt).map((time) => Math.max(0, time - upAt)));
  }
  samples.sort((a, b) => a - b);
  const detail = `p50 ${at(samples, 0.5)}, longest ${at(samples, 1)} of ${samples.length} (${SAMPLED} agents, outages ${OUTAGES_MS.join(", ")} ms + start)`;
  add("recovery after the edge was killed, p99", at(samples, 0.99), "ms", "< 1500", detail);
  await fleet.end();
  await edge.part.end("SIGKILL");
}

// ------------------------------------------------------------------

async function startService(name: string): Promise<{ port: number; close(): Promise<void> }> {
  const server = http.createServer((_request, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Status 0 when there was no answer. */
function ask(port: number, host: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve) => {
    const request = http.get({ host: "127.0.0.1", port, headers: { host }, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", () => resolve({ status: 0, text: "" }));
    });
    request.on("error", () => resolve({ status: 0, text: "" }));
  });
}

async function rssKb(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
}

async function settledKb(edge: Part): Promise<number> {
  for (let i = 0; i < 3; i += 1) {
    edge.signal("SIGUSR2");
    await sleep(1_500);
  }
  return rssKb(edge.pid);
}

/** `share` 0 to 1 of sorted values. */
function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function countPerBucket(values: readonly number[], width: number): number[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(Math.floor(value / width), (counts.get(Math.floor(value / width)) ?? 0) + 1);
  return [...counts.values()];
}

async function until(condition: () => boolean, patienceMs = 30_000): Promise<void> {
  for (const end = Date.now() + patienceMs; !condition(); await sleep(20)) if (Date.now() > end) throw new Error(`waited ${patienceMs} ms`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function endAll(): Promise<void> {
  await Promise.allSettled(parts.map((part) => part.end("SIGKILL")));
  await rm(dir, { recursive: true, force: true });
  await bundle.remove();
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void endAll().finally(() => process.exit(1)));
const service = await startService("fleet");
try {
  await takeover();
  await recovery(service.port);
  await comeBack(service.port);
  await idle();
  await idleProxy();
  if (json) process.stdout.write(`${JSON.stringify({ rows })}\n`);
} finally {
  await service.close();
  await endAll();
}
