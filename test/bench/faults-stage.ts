/** The stage of one fault: edge, agent and local service, each a process of its own that can be killed, stopped and started again. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, stat, symlink } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { messageDelivery, startMetaSender, type MetaSender } from "../support/meta-sender.ts";
import { openNamespace, type Namespace } from "../support/netns.ts";
import { startRelay, type Relay } from "../support/relay.ts";
import { listening } from "./peers.ts";
import { openPlatform, type PlatformPart } from "./faults-database.ts";
import { lastingPort, Part } from "./faults-part.ts";

const root = path.resolve(import.meta.dirname, "../..");
export const APP = { appId: "1234567890123456", appSecret: "bench_app_secret", verifyToken: "bench" };
export const PAGE = "1001";

const stages = new Set<() => Promise<void>>();

/** Takes down whatever is up, and what is being set up meanwhile. */
export async function closeStages(): Promise<void> {
  for (const end = Date.now() + 5_000; stages.size > 0 && Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50)))
    await Promise.allSettled([...stages].map((close) => close()));
}

export interface StageOptions {
  service: "receiver" | "platform";
  /** How the agent reaches the edge: directly, or over a link that can be made to drop everything. */
  link?: "direct" | "droppable";
  /** Milliseconds that the receiver takes for a delivery. */
  takesMs?: number;
  /** Share of deliveries that the receiver does not accept, or accepts without an answer. */
  wrong?: number;
  /** Megabytes of a file system for the edge's data, so that it can be full. */
  diskMb?: number;
  /** Wall-clock jumps, milliseconds, one for each SIGUSR2 that edge and agent get. */
  jumps?: readonly number[];
  /** Characters added to every message. */
  padding?: number;
}

/** An arrival: number of the webhook and delivery id. */
export interface Arrival {
  n: number;
  id: string;
}

export interface Stage {
  edge: Part;
  agent: Part;
  /** A second agent with the same key, not started. */
  successor: Part;
  service: Part;
  /** Only with the platform. */
  platform: PlatformPart | null;
  dataDir: string;
  /** How the link is cut: "namespace" or "relay". */
  linkKind: string;
  hole(open: boolean): Promise<void>;
  /** Strangers' POSTs, well-formed and with a signature that is none. Resolves when all are acknowledged. */
  forge(count: number): Promise<void>;
  send(options: { count: number; rate: number; lanes: number }): MetaSender;
  arrivals(): Promise<Arrival[]>;
  tails(): string;
  close(): Promise<void>;
}

export interface Bundle {
  /** Of the command line. */
  file: string;
  /** The receiver as plain JavaScript: many of them are started. */
  receiver: string;
  remove(): Promise<void>;
}

/** A copy of what is built, so that a build in the meantime does not take it away. */
export async function takeBundle(): Promise<Bundle> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-faults-bundle-"));
  if (!existsSync(path.join(root, "dist/.built"))) execFileSync(process.execPath, [path.join(root, "build.mjs")], { stdio: "inherit" });
  await cp(path.join(root, "dist"), path.join(dir, "dist"), { recursive: true });
  await symlink(path.join(root, "node_modules"), path.join(dir, "node_modules"));
  const receiver = path.join(dir, "receiver.mjs");
  await build({ entryPoints: [path.join(root, "test/bench/faults-receiver.ts")], outfile: receiver, platform: "node", format: "esm" });
  return { file: path.join(dir, "dist/airy.js"), receiver, remove: () => rm(dir, { recursive: true, force: true }) };
}

export async function openStage(bundle: Bundle, options: StageOptions): Promise<Stage> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-faults-"));
  const undo: (() => Promise<void> | void)[] = [() => rm(dir, { recursive: true, force: true })];
  const close = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
    if (undo.length === 0) stages.delete(close);
  };
  stages.add(close);
  try {
    const dataDir = path.join(dir, "edge");
    await mkdir(dataDir);
    if (options.diskMb !== undefined) {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${options.diskMb}m,mode=700`, "airy-faults", dataDir]);
      undo.push(() => void execFileSync("umount", ["-l", dataDir]));
    }
    const [sshPort, httpPort, servicePort] = [await lastingPort(), await lastingPort(), await lastingPort()];
    const link = await openLink(options.link ?? "direct", sshPort);
    undo.push(() => link.close());
    const clock: Record<string, string> = options.jumps ? jumpingClock(options.jumps) : {};

    const journal = path.join(dir, "arrivals");
    const platform = options.service === "platform" ? await openPlatform(APP, PAGE, servicePort) : null;
    if (platform) undo.push(() => platform.close());
    const service = new Part(
      "service",
      platform
        ? [process.execPath, "--import", "tsx", path.join(root, "test/bench/faults-platform.ts"), platform.argument]
        : [
            ...link.enter,
            process.execPath,
            bundle.receiver,
            String(servicePort),
            journal,
            String(options.takesMs ?? 0),
            String(options.wrong ?? 0),
          ],
      {},
      platform ? () => platform.ready() : () => existing(journal),
    );
    undo.push(() => service.end("SIGKILL"));
    await service.start();
    await platform?.connect();

    const listen = ["--ssh", `${link.edgeHost}:${sshPort}`, "--http", `127.0.0.1:${httpPort}`];
    const edge = new Part(
      "edge",
      [process.execPath, bundle.file, "edge", "--domain", "t.localhost", ...listen, "--data", dataDir],
      clock,
      () => listening(httpPort),
    );
    undo.push(() => edge.end("SIGKILL"));
    await edge.start();

    let host = "";
    const proxy = ["proxy", `127.0.0.1:${servicePort}`, "--edge", link.agentDials, "--identity", path.join(dir, "identity")];
    const command = [...link.enter, process.execPath, bundle.file, ...proxy, "--hold", "/facebook"];
    const [agent, successor] = ["agent", "successor"].map((name) => {
      const part = new Part(name, command, { XDG_STATE_HOME: path.join(dir, name), ...clock }, async (child) => {
        const [chunk] = (await once(child.stdout ?? child, "data")) as [Buffer];
        host = new URL(chunk.toString().trim()).host;
      });
      undo.push(() => part.end("SIGKILL"));
      return part;
    }) as [Part, Part];
    await agent.start();

    return {
      edge,
      agent,
      successor,
      service,
      platform,
      dataDir,
      linkKind: link.kind,
      hole: link.hole,
      send: ({ count, rate, lanes }) =>
        startMetaSender({
          port: httpPort,
          host,
          path: "/facebook",
          appSecret: APP.appSecret,
          count,
          rate,
          lanes,
          body: (n) => messageDelivery(PAGE, n, `m_${n}`, options.padding),
        }),
      forge: (count) => forge(httpPort, host, count),
      arrivals: () => (platform ? platform.arrivals() : readArrivals(journal)),
      tails: () => [`edge: ${edge.tail}`, `agent: ${agent.tail.slice(-1500)}`, `service: ${service.tail}`].join("\n"),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function forge(port: number, host: string, count: number): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const headers = { host, "x-hub-signature-256": `sha256=${"0".repeat(64)}` };
  const one = (n: number) =>
    new Promise<void>((resolve, reject) => {
      const request = http.request({ host: "127.0.0.1", port, method: "POST", path: "/facebook", agent, headers });
      request.on("error", reject);
      request.on("response", (response) => {
        response.resume();
        response.on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`a forgery got ${response.statusCode}`))));
      });
      request.end(JSON.stringify({ forged: n }));
    });
  await Promise.all(Array.from({ length: count }, (_, n) => one(n)));
  agent.destroy();
}

interface Link {
  kind: string;
  /** In front of the commands at the agent's end. */
  enter: readonly string[];
  edgeHost: string;
  agentDials: string;
  hole(open: boolean): Promise<void>;
  close(): Promise<void>;
}

async function openLink(kind: "direct" | "droppable", sshPort: number): Promise<Link> {
  const direct: Link = {
    kind: "loopback",
    enter: [],
    edgeHost: "127.0.0.1",
    agentDials: `127.0.0.1:${sshPort}`,
    hole: async () => {},
    close: async () => {},
  };
  if (kind === "direct") return direct;
  const namespace: Namespace | null = await openNamespace();
  if (namespace) {
    const { enter, outside, hole, close } = namespace;
    return { kind: "namespace", enter, edgeHost: outside, agentDials: `${outside}:${sshPort}`, hole, close };
  }
  const relay: Relay = await startRelay({ target: () => ({ host: "127.0.0.1", port: sshPort }) });
  return {
    ...direct,
    kind: "relay",
    agentDials: `127.0.0.1:${relay.port}`,
    hole: async (open) => relay.hole(open),
    close: () => relay.close(),
  };
}

/** `Date` as a preload replaces it: the next of the jumps for every SIGUSR2. Nothing else in Node tells the wall-clock time. */
function jumpingClock(jumps: readonly number[]): Record<string, string> {
  const source = `
    const Real = Date, jumps = ${JSON.stringify(jumps)};
    let shift = 0;
    process.on("SIGUSR2", () => { shift += jumps.shift() ?? 0; });
    globalThis.Date = class extends Real {
      constructor(...given) { if (given.length > 0) super(...given); else super(Real.now() + shift); }
      static now() { return Real.now() + shift; }
    };`;
  return { NODE_OPTIONS: `--import=data:text/javascript;base64,${Buffer.from(source).toString("base64")}` };
}

async function readArrivals(journal: string): Promise<Arrival[]> {
  const lines = (await readFile(journal, "utf8")).split("\n");
  // A line that was cut off by a kill was not answered for.
  return lines.slice(0, -1).map((line) => {
    const [n, id = ""] = line.split(" ");
    return { n: Number(n), id };
  });
}

async function existing(file: string): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (await stat(file).catch(() => null)) return;
  }
  throw new Error(`${file} did not appear`);
}
