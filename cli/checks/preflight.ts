/**
 * What is looked at before anything changes: all at the same time, each check for at most two seconds. Read-only, but for an empty file
 * that is made and removed to see how the file system treats it.
 */
import { constants } from "node:fs";
import { access, readFile, stat, statfs } from "node:fs/promises";
import { once } from "node:events";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import type { AiryEventBody, EngineName } from "../events.ts";
import { AiryError, errorBody, whyOf } from "../errors.ts";
import { keepsModes, NO_MODES } from "../io/files.ts";
import { createHttpClient } from "../io/http.ts";
import { lookAtCrypto } from "./crypto.ts";
import { reachEdge } from "./edge.ts";
import { knock, type Edge } from "./way.ts";
import { holderOf, holderText, isFree } from "./ports.ts";

/** Event of one check. `error` is set when the start cannot succeed; with a `warn` it can. */
export type CheckResult = Extract<AiryEventBody, { type: "check" }> & { error?: AiryError };

export interface PreflightInput {
  /** Absolute path; it may not exist yet. */
  workspace: string;
  /** Which one, and the ports that are about to be listened on, none of them by airy itself now; both perhaps not known yet. */
  engine: EngineName | Promise<EngineName>;
  ports: readonly PortWish[] | Promise<readonly PortWish[]>;
  /** SSH address of the edge; null for one on this machine. */
  edge: Edge | null;
  /** Base of the Graph API; null where Facebook has no part in it. */
  graphUrl?: string | null;
  /** What the services need, in MB, where it is more than the engine's usual. */
  memoryMb?: number | null;
  /** Where control groups are mounted; default /sys/fs/cgroup. */
  cgroup?: string;
}

export interface PortWish {
  /** What it is for, in words, e.g. `platform`. */
  name: string;
  port: number;
  /** Asked for by the user, so that another one will not do. */
  fixed: boolean;
}

const capMs = 2000;
/** Certificates and tokens are valid to the second; what is less than this comes of a slow answer. */
const clockMs = 30_000;
const MB = 1024 * 1024;
/** Database, logs and a first day of messages. */
const diskMb = 1000;
/** What the services need at rest, with room for work: embedded under 300 MB; docker has a second Node and image layers to keep. */
const memoryMb: Record<EngineName, number> = { embedded: 500, docker: 800 };

/** Runs all checks. Results come in the same order each time; none is thrown. */
export async function preflight(input: PreflightInput): Promise<CheckResult[]> {
  const { workspace, edge, graphUrl } = input;
  const memory = async (): Promise<CheckResult> => {
    const engine = await input.engine;
    return capped("memory", checkMemory(engine, input));
  };
  const ports = async (): Promise<CheckResult[]> =>
    Promise.all((await input.ports).map((wish) => capped(`port-${wish.name.replaceAll(/\W+/g, "-")}`, checkPort(wish))));
  const results = await Promise.all([
    capped("workspace", checkWorkspace(workspace)),
    capped("disk", checkDisk(workspace)),
    memory(),
    checkCrypto(),
    capped("loopback", checkLoopback()),
    ports(),
    edge ? checkEdge(edge) : [],
    graphUrl ? checkClock(graphUrl) : [],
  ]);
  return results.flat();
}

async function checkWorkspace(workspace: string): Promise<CheckResult> {
  const dir = await nearestExisting(workspace);
  const state = path.join(workspace, ".airy");
  try {
    await access(dir, constants.W_OK | constants.X_OK);
    const made = await exists(state);
    if (made) await access(state, constants.W_OK | constants.X_OK);
    if (!(await keepsModes(made ? state : dir))) {
      return failed("workspace", new AiryError("WORKSPACE_UNSUITABLE", { dir: workspace, reason: NO_MODES }));
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return failed("workspace", new AiryError("WORKSPACE_NOT_WRITABLE", { dir: workspace, reason }));
  }
  return ok("workspace", `${workspace} can be written to`);
}

async function checkDisk(workspace: string): Promise<CheckResult> {
  const { bavail, bsize } = await statfs(await nearestExisting(workspace));
  const free = Math.floor((bavail * bsize) / MB);
  if (free >= diskMb) return ok("disk", `${amount(free)} of disk space are free`);
  return warn(
    "disk",
    `Only ${amount(free)} of disk space are free; ${amount(diskMb)} are advisable. Messages are refused once the disk is full.`,
  );
}

async function checkMemory(engine: EngineName, { memoryMb: core, cgroup }: PreflightInput): Promise<CheckResult> {
  const needed = core ?? memoryMb[engine];
  const available = Math.floor((await availableMemory(cgroup)) / MB);
  if (available >= needed) return ok("memory", `${amount(available)} of memory are available`);
  const wanted = core ? `Airy Core is estimated to need ${amount(needed)}` : `${amount(needed)} are advisable`;
  return warn("memory", `Only ${amount(available)} of memory are available; ${wanted}.`);
}

function checkCrypto(): CheckResult {
  const slow = lookAtCrypto();
  return slow ? warn("tunnel-speed", slow.message, slow.action) : ok("tunnel-speed", "the tunnel encrypts at full speed");
}

async function checkPort(wish: PortWish): Promise<CheckResult> {
  const id = `port-${wish.name.replaceAll(/\W+/g, "-")}`;
  if (await isFree(wish.port)) return ok(id, `port ${wish.port} is free (${wish.name})`);
  const holder = await holderOf(wish.port);
  const error = new AiryError("PORT_TAKEN", { port: wish.port, holder: holder && holderText(holder), service: wish.name });
  if (wish.fixed) return failed(id, error);
  return warn(id, `${error.message} ${whyOf(error)} For the ${wish.name} the next free one is used.`);
}

/** Everything of airy's talks over 127.0.0.1, which a container, a VPN or software that guards the machine may have taken away. */
async function checkLoopback(): Promise<CheckResult> {
  const unusable = (error: NodeJS.ErrnoException): CheckResult =>
    failed("loopback", new AiryError("LOOPBACK_UNUSABLE", { reason: `${error.message}.` }));
  const server = net.createServer((socket) => socket.on("error", () => {}).end());
  try {
    server.listen({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const socket = net.connect({ port, host: "127.0.0.1", timeout: capMs / 2 });
    socket.on("timeout", () => socket.destroy(new Error(`127.0.0.1 does not answer within ${capMs / 2000} s`)));
    await once(socket, "connect").finally(() => socket.destroy());
    return ok("loopback", "127.0.0.1 can be listened on and connected to");
  } catch (error) {
    return unusable(error as NodeJS.ErrnoException);
  } finally {
    server.close();
  }
}

async function checkEdge(edge: Edge): Promise<CheckResult> {
  const { host, port, fallbackPort } = edge;
  const [reached, second] = await Promise.all([
    reachEdge(edge, capMs),
    fallbackPort === undefined ? null : knock({ host, port: fallbackPort }, false, true),
  ]);
  const address = `${host}:${port}`;
  if (reached.ok) return ok("edge", `${address} answers (${reached.banner})`);
  if (second?.status === "ok") return ok("edge", `${host}:${fallbackPort} ${second.message}; port ${port} does not`);
  return failed("edge", new AiryError("SSH_UNREACHABLE", { edge: address, reason: reached.reason }));
}

/** Meta refuses what is signed or asked for at another time. */
async function checkClock(graphUrl: string): Promise<CheckResult> {
  const { host } = new URL(graphUrl);
  try {
    const { headers } = await createHttpClient()({ method: "HEAD", url: graphUrl, timeoutMs: capMs });
    const apart = Date.now() - Date.parse(headers.date ?? "");
    if (Number.isNaN(apart)) return ok("clock", `${host} answers, and says no time to compare this machine's clock with`);
    if (Math.abs(apart) <= clockMs) return ok("clock", `this machine's clock agrees with that of ${host}`);
    const seconds = Math.round(Math.abs(apart) / 1000);
    const said = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
    return warn("clock", `This machine's clock is ${said} ${apart > 0 ? "ahead of" : "behind"} that of ${host}.`, setClock());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return warn("clock", `${host} did not answer, so that neither the clock could be compared nor webhooks registered: ${reason}.`);
  }
}

function setClock(): string {
  return os.platform() === "darwin" ? "sudo sntp -sS time.apple.com" : "sudo timedatectl set-ntp true";
}

function ok(id: string, message: string): CheckResult {
  return { type: "check", id, status: "ok", message };
}

function warn(id: string, message: string, action?: string): CheckResult {
  return { type: "check", id, status: "warn", message, ...(action === undefined ? {} : { action }) };
}

/** With the first thing to do about it. */
export function failed(id: string, error: AiryError): CheckResult {
  const { actions } = errorBody(error);
  return { type: "check", id, status: "fail", message: `${error.message} ${whyOf(error)}`, action: actions[0], error };
}

/** A check that hangs or breaks must not stop a start that would succeed. */
export async function capped(id: string, check: Promise<CheckResult>): Promise<CheckResult> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<CheckResult>((resolve) => {
    timer = setTimeout(() => resolve(warn(id, `The check "${id}" had no answer within ${capMs / 1000} s.`)), capMs);
  });
  const broken = (error: unknown): CheckResult =>
    warn(id, `The check "${id}" came to nothing: ${error instanceof Error ? error.message : String(error)}`);
  try {
    return await Promise.race([check.catch(broken), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Bytes that can be had without swapping: of the machine, and of the control group (a container's limit) where that is less. */
async function availableMemory(cgroup = "/sys/fs/cgroup"): Promise<number> {
  const meminfo = await readFile("/proc/meminfo", "utf8").catch(() => "");
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  // os.freemem counts the page cache as used on macOS, where most of it can be given back; total memory is the better guess.
  const machine = kilobytes === undefined ? os.totalmem() / 2 : Number(kilobytes) * 1024;
  const left = await Promise.all(cgroupFiles.map((files) => leftIn(files, cgroup)));
  return Math.min(machine, ...left);
}

/** Limit and use, of the second version of control groups and of the first, which older docker hosts have. */
const cgroupFiles = [
  ["memory.max", "memory.current"],
  ["memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"],
] as const;

async function leftIn(files: (typeof cgroupFiles)[number], cgroup: string): Promise<number> {
  const [limit, used] = await Promise.all(files.map((file) => readFile(path.join(cgroup, file), "utf8").catch(() => "max")));
  const left = Number(limit) - Number(used);
  return Number.isFinite(left) ? left : Infinity;
}

async function nearestExisting(dir: string): Promise<string> {
  for (let at = path.resolve(dir); ; at = path.dirname(at)) if ((await exists(at)) || at === path.dirname(at)) return at;
}

function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

function amount(megabytes: number): string {
  return megabytes >= 1000 ? `${(megabytes / 1000).toFixed(1)} GB` : `${megabytes} MB`;
}
