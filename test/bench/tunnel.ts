/**
 * The tunnel against what a user can assemble today (OpenSSH `ssh -R` and nginx), in the same run, with the same origin and load.
 * `npm run bench:tunnel`; `-- --quick --json` in about a minute. Ratios are ours to the peer's; machines differ, ratios less.
 */
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import os from "node:os";
import path from "node:path";
import { startRelay } from "../support/relay.ts";
import { freePort, listening, start, startOpenSsh, startOrigin, stopAll, transfer, wrk } from "./peers.ts";

const quick = process.argv.includes("--quick");
const json = process.argv.includes("--json");
const seconds = quick ? 3 : 8;
const rounds = quick ? 1 : 3;
const MB = 1024 * 1024;
const ROUND_TRIP_MS = 100;

interface Row {
  case: string;
  ours: number;
  peer: number | null;
  ratio: number | null;
  unit: string;
  goal: string;
}

const rows: Row[] = [];

function add(name: string, unit: string, ours: number, peer: number | null, goal: string): void {
  const round = (value: number) => Math.round(value * 100) / 100;
  rows.push({
    case: name,
    ours: round(ours),
    peer: peer === null ? null : round(peer),
    ratio: peer ? round(ours / peer) : null,
    unit,
    goal,
  });
  if (!json) {
    const last = rows.at(-1);
    const against = last?.peer === null ? "" : `  peer ${last?.peer} ${unit}  ratio ${last?.ratio}`;
    process.stdout.write(`${name.padEnd(44)} ours ${last?.ours} ${unit}${against}  (goal ${goal})\n`);
  }
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** The same measurement on both sides, in turn, so that a busy moment of the machine hits both. */
async function both<T>(
  measure: (side: { port: number; host: string }) => Promise<T>,
  ours: Side,
  peer: Side,
): Promise<{ ours: T[]; peer: T[] }> {
  const results = { ours: [] as T[], peer: [] as T[] };
  for (let i = 0; i < rounds; i++) {
    results.ours.push(await measure(ours));
    results.peer.push(await measure(peer));
  }
  return results;
}

interface Side {
  port: number;
  host: string;
}

/** Our edge and airy-proxy as processes of their own, the agent connected through `relayed` (a relay in front of the edge's SSH port). */
async function startOurs(
  dir: string,
  originPort: number,
  relayed: (ssh: number) => Promise<number>,
  flags: string[] = [],
): Promise<Side & { agentPid: number; edgePid: number }> {
  const bundle = path.resolve(import.meta.dirname, "../../dist/airy.js");
  const [ssh, http] = [await freePort(), await freePort()];
  const edge = start("node", [
    bundle,
    "edge",
    "--domain",
    "t.example",
    "--ssh",
    `127.0.0.1:${ssh}`,
    "--http",
    `127.0.0.1:${http}`,
    "--data",
    `${dir}/edge`,
  ]);
  await listening(ssh);
  const sshPort = await relayed(ssh);
  const identity = path.join(dir, "identity");
  const agent = start(
    "node",
    [bundle, "proxy", `127.0.0.1:${originPort}`, "--edge", `127.0.0.1:${sshPort}`, "--identity", identity, ...flags],
    {
      XDG_STATE_HOME: dir,
    },
  );
  const url = await new Promise<string>((resolve, reject) => {
    agent.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
    agent.once("exit", () => reject(new Error("airy-proxy ended before it had a URL")));
  });
  return { port: http, host: new URL(url).hostname, agentPid: agent.pid ?? 0, edgePid: edge.pid ?? 0 };
}

async function requests(ours: Side, peer: Side): Promise<void> {
  for (const connections of [32, 256]) {
    const load = await both((side) => wrk({ ...side, connections, seconds }), ours, peer);
    add(
      `requests, ${connections} connections`,
      "/s",
      median(load.ours.map(({ rate }) => rate)),
      median(load.peer.map(({ rate }) => rate)),
      ">= 1.0x",
    );
    add(
      `p99, ${connections} connections`,
      "ms",
      median(load.ours.map(({ p99 }) => p99)),
      median(load.peer.map(({ p99 }) => p99)),
      "<= 0.4x",
    );
  }
  const single = await both((side) => wrk({ ...side, connections: 1, seconds }), ours, peer);
  add("p50, 1 connection", "ms", median(single.ours.map(({ p50 }) => p50)), median(single.peer.map(({ p50 }) => p50)), "<= 1.0x");
  const closing = await both((side) => wrk({ ...side, connections: 32, seconds, close: true }), ours, peer);
  add(
    "requests, Connection: close",
    "/s",
    median(closing.ours.map(({ rate }) => rate)),
    median(closing.peer.map(({ rate }) => rate)),
    ">= 2x",
  );
}

async function transfers(dir: string, ours: Side, peer: Side): Promise<void> {
  const file = path.join(dir, "files/64m");
  // A tunnel runs for days: its first transfers, before Node has compiled them, say little.
  for (let i = 0; i < 4; i++) await transfer({ ...ours, bytes: 64 * MB, target: "/f/64m" });
  const down = await both((side) => transfer({ ...side, bytes: 64 * MB, target: "/f/64m" }), ours, peer);
  add("download, 64 MB", "MB/s", median(down.ours), median(down.peer), ">= 1.0x");
  const up = await both((side) => transfer({ ...side, bytes: 64 * MB, target: "/up", upload: file }), ours, peer);
  add("upload, 64 MB", "MB/s", median(up.ours), median(up.peer), ">= 1.0x");
}

async function overDistance(dir: string, originPort: number): Promise<void> {
  const relays: { close(): Promise<void> }[] = [];
  const relayed = async (port: number) => {
    const relay = await startRelay({ target: () => ({ host: "127.0.0.1", port }), roundTrip: ROUND_TRIP_MS });
    relays.push(relay);
    return relay.port;
  };
  await mkdir(path.join(dir, "far"), { recursive: true });
  const ours = await startOurs(path.join(dir, "far"), originPort, relayed);
  const peer: Side = { port: await startOpenSsh(path.join(dir, "far"), originPort, relayed), host: "localhost" };
  await transfer({ ...ours, bytes: 64 * MB, target: "/f/64m" });
  const down = await both((side) => transfer({ ...side, bytes: 64 * MB, target: "/f/64m" }), ours, peer);
  add(`download, 64 MB, ${ROUND_TRIP_MS} ms round trip`, "MB/s", median(down.ours), median(down.peer), ">= 5x");
  const single = await wrk({ ...ours, connections: 1, seconds });
  add("round trips of a request", "x", single.p50 / ROUND_TRIP_MS, null, "1 (exactly one)");
  await Promise.all(relays.map((relay) => relay.close()));
}

/** Webhooks that are acknowledged while their tunnel is away: each is synced to the disk before its 200. */
async function holding(dir: string, originPort: number): Promise<void> {
  const held = path.join(dir, "held");
  await mkdir(held);
  const ours = await startOurs(held, originPort, async (port) => port, ["--hold", "/"]);
  process.kill(ours.agentPid, "SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const script = path.join(held, "post.lua");
  await writeFile(script, 'wrk.method = "POST"\nwrk.body = string.rep("x", 100)\n');
  // Short: one source network may fill a quarter of a tunnel's 64 MB.
  const load = await wrk({ ...ours, connections: 64, seconds: 1, script });
  add("durable acknowledgements, 64 senders", "/s", load.rate, null, ">= 5,000");
}

async function rss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
}

const dir = await mkdtemp(path.join(os.tmpdir(), "airy-bench-"));
try {
  await mkdir(path.join(dir, "files"));
  await writeFile(path.join(dir, "files/64m"), randomBytes(64 * MB));
  const originPort = await startOrigin(dir);
  const ours = await startOurs(dir, originPort, async (port) => port);
  const peer: Side = { port: await startOpenSsh(dir, originPort, async (port) => port), host: "localhost" };
  await wrk({ ...ours, connections: 32, seconds: 1 });
  await wrk({ ...peer, connections: 32, seconds: 1 });
  await requests(ours, peer);
  await transfers(dir, ours, peer);
  add("resident memory, edge after all of this", "MB", await rss(ours.edgePid), null, "-");
  add("resident memory, agent after all of this", "MB", await rss(ours.agentPid), null, "-");
  await overDistance(dir, originPort);
  await holding(dir, originPort);
  if (json) process.stdout.write(`${JSON.stringify({ rows })}\n`);
} finally {
  await stopAll();
  await rm(dir, { recursive: true, force: true });
}
