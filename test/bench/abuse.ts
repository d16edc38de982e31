/**
 * What an edge that is open to all keeps in memory, and how long everybody else waits, while one client does its worst. `npm run
 * bench:abuse`; `-- --quick --json` in about a minute. Attackers run with the lowest priority, as far as that is like being on another
 * machine.
 */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { writeFileSync } from "node:fs";
import { freePort, listening, start, startOrigin, stopAll } from "./peers.ts";

const quick = process.argv.includes("--quick");
const json = process.argv.includes("--json");
const seconds = quick ? 5 : 15;
const SETTLE_MS = 4_000;
const DOMAIN = "tunnel.localhost";
const MB = 1024 * 1024;
/** As docs/edge.md gives them for an edge that is open to all. The honest and the attackers come from networks of their own. */
const LIMITS = [
  "requests-per-second=500",
  "connections-per-network=500",
  "new-connections-per-second=200",
  "requests-in-flight-per-network=300",
];
const bundle = path.resolve(import.meta.dirname, "../../dist/airy.js");

interface Row {
  case: string;
  /** Of the edge's resident memory, MB, at its highest. */
  growthMb: number;
  honestP99Ms: number;
  /** To the p99 before. */
  ratio: number;
  honestFailed: number;
  note: string;
  met: boolean;
}

interface Stage {
  edgePid: number;
  http: number;
  https: number;
  ssh: number;
  honest: string;
  victim: string;
}

const rows: Row[] = [];
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const rss = async (pid: number) => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;

/** Requests of somebody else, one after the other, from a network of their own: p99 in milliseconds, and how many failed. */
async function honest(stage: Stage, ms: number): Promise<{ p99: number; failed: number; many: number }> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4, localAddress: "127.0.200.1" });
  const took: number[] = [];
  let failed = 0;
  const until = Date.now() + ms;
  while (Date.now() < until) {
    const begun = performance.now();
    const status = await new Promise<number>((resolve) => {
      const request = http.get(
        { host: "127.0.0.1", port: stage.http, headers: { host: stage.honest }, agent, timeout: 10_000 },
        (response) => {
          response.resume();
          response.on("end", () => resolve(response.statusCode ?? 0));
          response.on("error", () => resolve(0));
        },
      );
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve(0));
    });
    took.push(performance.now() - begun);
    if (status !== 200) failed += 1;
    await sleep(10);
  }
  agent.destroy();
  const sorted = took.toSorted((a, b) => a - b);
  return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, failed, many: sorted.length };
}

/** `--only TEXT`: those cases alone whose name has it. */
const only = process.argv.indexOf("--only");
const isAsked = (name: string) => only < 0 || name.includes(process.argv[only + 1] ?? "");

async function attack(
  name: string,
  stage: Stage,
  run: (stage: Stage) => Promise<{ stop: () => void | Promise<void>; note: () => string }>,
): Promise<void> {
  if (!isAsked(name)) return;
  await honest(stage, 1_000);
  const before = await honest(stage, seconds * 500);
  const memory = await rss(stage.edgePid);
  let highest = memory;
  const watch = setInterval(() => void rss(stage.edgePid).then((now) => (highest = Math.max(highest, now))), 100);
  const attacker = await run(stage);
  // Until it is under way: what it takes in memory in between counts as well.
  await sleep(SETTLE_MS);
  const during = await honest(stage, seconds * 1_000);
  const note = attacker.note();
  clearInterval(watch);
  await attacker.stop();
  const growth = highest - memory;
  const ratio = during.p99 / Math.max(before.p99, 0.1);
  const round = (value: number) => Math.round(value * 10) / 10;
  const row = {
    case: name,
    growthMb: round(growth),
    honestP99Ms: round(during.p99),
    ratio: round(ratio),
    honestFailed: during.failed,
    note: `p99 before ${round(before.p99)} ms, ${during.many} honest requests; ${note}`,
    met: growth < 64 && ratio < 2 && during.failed === 0,
  };
  rows.push(row);
  if (!json) {
    const verdict = row.met ? "met" : "NOT MET";
    process.stdout.write(
      `${name.padEnd(44)} +${row.growthMb} MB (goal < 64)  p99 ${row.honestP99Ms} ms, x${row.ratio} (goal < 2)  failed ${row.honestFailed}  ${verdict}\n    ${row.note}\n`,
    );
  }
  await sleep(3_000);
}

/** Sockets that are opened and kept, from so many networks; each is given to `use` when it is open. */
async function keepOpen(count: number, port: number, networks: number, use: (socket: net.Socket) => void) {
  const sockets = new Set<net.Socket>();
  let refused = 0;
  for (let i = 0; i < count; i++) {
    const socket = net.connect({ host: "127.0.0.1", port, localAddress: `127.0.${10 + (i % networks)}.1` });
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      refused += 1;
    });
    socket.once("connect", () => use(socket));
    if (i % 100 === 99) await sleep(5);
  }
  return {
    note: () => `${sockets.size} of ${count} open, ${refused} closed by the edge`,
  };
}

const download = (host: string) => `GET /f/64.bin HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

/** Streams that are opened and given up at once, as fast as it goes (CVE-2023-44487). */
function resetFlood({ https, victim }: Stage) {
  let streams = 0;
  let sessions = 0;
  const open = (index: number): void => {
    sessions += 1;
    const session = http2.connect(`https://${victim}`, {
      createConnection: () =>
        tls.connect({
          socket: net.connect({ host: "127.0.0.1", port: https, localAddress: `127.0.${60 + index}.1` }),
          servername: victim,
          rejectUnauthorized: false,
          ALPNProtocols: ["h2"],
        }),
    });
    session.on("error", () => {});
    session.once("close", () => setTimeout(() => open(index), 50));
    const spin = (): void => {
      if (session.closed || session.destroyed) return;
      for (let i = 0; i < 20; i++) {
        const stream = session.request({ ":path": "/" });
        stream.on("error", () => {});
        // In the turn in which it was opened it would not even be sent.
        setImmediate(() => {
          streams += 1;
          stream.close(http2.constants.NGHTTP2_CANCEL);
        });
      }
      setImmediate(spin);
    };
    session.once("connect", spin);
    session.once("goaway", () => session.destroy());
    setTimeout(() => session.destroy(), 60_000).unref();
  };
  for (let index = 0; index < 4; index++) open(index);
  return Promise.resolve({
    note: () => `${streams} streams given up on ${sessions} connections`,
  });
}

function program(command: string, args: string[]) {
  const child = start("nice", ["-n", "19", command, ...args]);
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return Promise.resolve({
    stop: () => void child.kill("SIGTERM"),
    note: () => said.trim().split("\n").at(-1)?.slice(0, 200) ?? "",
  });
}

/** Those that are written here run in processes of their own, so that the honest one does not wait for them in this one. */
const attackers: Record<string, (stage: Stage) => Promise<{ note: () => string }>> = {
  "10,000 SSH sockets that never log in": ({ ssh }) =>
    keepOpen(10_000, ssh, 50, (socket) => {
      socket.resume();
      if (Math.random() < 0.5) socket.write("SSH-2.0-x\r\n");
    }),
  "1,000 downloads that are not read": ({ http: port, victim }) =>
    keepOpen(1_000, port, 5, (socket) => {
      socket.pause();
      socket.write(download(victim));
    }),
  "HTTP/2 streams given up at once": resetFlood,
};

async function setUp(dir: string): Promise<Stage> {
  await mkdir(`${dir}/files`);
  writeFileSync(`${dir}/files/64.bin`, Buffer.alloc(64 * MB));
  const cert = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj", "/CN=bench"];
  execFileSync(
    "openssl",
    ["req", "-x509", ...cert, "-addext", `subjectAltName=DNS:*.${DOMAIN}`, "-keyout", `${dir}/key`, "-out", `${dir}/crt`],
    {
      stdio: "pipe",
    },
  );
  const origin = await startOrigin(dir);
  const [ssh, plain, secure] = [await freePort(), await freePort(), await freePort()];
  const edge = start("node", [
    bundle, "edge", "--domain", DOMAIN, "--ssh", `127.0.0.1:${ssh}`, "--http", `127.0.0.1:${plain}`, "--https", `127.0.0.1:${secure}`,
    "--tls", "files", "--tls-cert", `${dir}/crt`, "--tls-key", `${dir}/key`, "--data", `${dir}/edge`, ...LIMITS.flatMap((limit) => ["--limit", limit]),
  ]); // prettier-ignore
  await listening(plain);
  const names = ["honest-shop", "victim-shop"];
  for (const name of names) {
    const agent = start("node", [
      bundle,
      "proxy",
      `127.0.0.1:${origin}`,
      "--edge",
      `127.0.0.1:${ssh}`,
      "--identity",
      `${dir}/${name}`,
      "--name",
      name,
    ]);
    await new Promise<void>((resolve) => agent.stdout?.once("data", () => resolve()));
  }
  return { edgePid: edge.pid ?? 0, http: plain, https: secure, ssh, honest: `honest-shop.${DOMAIN}`, victim: `victim-shop.${DOMAIN}` };
}

async function main(): Promise<void> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-abuse-"));
  try {
    const stage = await setUp(dir);
    const slow = [
      "-c",
      "5000",
      "-H",
      "-i",
      "5",
      "-r",
      "2000",
      "-t",
      "GET",
      "-l",
      String(seconds + 5),
      "-p",
      "3",
      "-u",
      `http://127.0.0.1:${stage.http}/`,
    ];
    await attack("slowhttptest, 5,000 connections", stage, () => program("slowhttptest", slow));
    for (const name of Object.keys(attackers))
      await attack(name, stage, () =>
        program(process.execPath, ["--import", "tsx", import.meta.filename, "--attacker", name, JSON.stringify(stage)]),
      );
    await attack("one tunnel flooded with requests", stage, ({ http: port, victim }) =>
      program("wrk", ["-t", "1", "-c", "256", "-d", `${seconds + 6}s`, "-H", `Host: ${victim}`, `http://127.0.0.1:${port}/`]),
    );
    if (json) process.stdout.write(`${JSON.stringify({ seconds, load: os.loadavg()[0], rows }, null, 2)}\n`);
    else process.stdout.write(`load of the machine: ${os.loadavg()[0]?.toFixed(1)}\n`);
  } finally {
    await stopAll();
    await rm(dir, { recursive: true, force: true });
  }
}

const asked = process.argv.indexOf("--attacker");
if (asked > 0) {
  const { note } = await attackers[process.argv[asked + 1] ?? ""]!(JSON.parse(process.argv[asked + 2] ?? "") as Stage);
  setInterval(() => process.stdout.write(`${note()}\n`), 500);
} else {
  await main();
  process.exit(0);
}
