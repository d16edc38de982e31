/** Ports on this machine: is one free, who holds it, which one to take instead. */
import { readdir, readFile, readlink } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { run } from "../io/spawn.ts";

const HOLDER_MS = 1500;

/**
 * Whether a server can listen on 127.0.0.1 and is not in another's way there: a listener on ::1 alone would get the requests of
 * browsers that try IPv6 first for "localhost".
 */
export async function isFree(port: number): Promise<boolean> {
  for (const host of ["127.0.0.1", "::1"]) if ((await tryListen(port, host)) === "taken") return false;
  // Elsewhere a listener on all addresses is in the way of one on 127.0.0.1; macOS lets both be and prefers ours.
  return os.platform() !== "darwin" || !(await accepts(port));
}

/** `preferred` or the next free port after it, at most 100 further; then, and for 0, whichever the system gives. */
export async function nextFreePort(preferred: number, taken: Iterable<number>): Promise<number> {
  const avoid = new Set(taken);
  const last = preferred === 0 ? -1 : Math.min(preferred + 100, 65_535);
  for (let port = preferred; port <= last; port++) {
    if (!avoid.has(port) && (await isFree(port))) return port;
  }
  for (;;) {
    const port = await anyPort();
    if (!avoid.has(port) && (await isFree(port))) return port;
  }
}

export interface Holder {
  /** null when the process belongs to another user or is not visible from here. */
  pid: number | null;
  /** Program, and for interpreters the script; no other arguments, because those may carry secrets. */
  command: string | null;
  /** When a container publishes the port. */
  container: string | null;
  /** Its compose project. */
  project: string | null;
}

/** Who listens on the port; null when nobody does or it cannot be found out. Never throws. */
export async function holderOf(port: number): Promise<Holder | null> {
  const [processHolder, container] = await Promise.all([
    soon(os.platform() === "linux" ? fromProc(port) : fromLsof(port)).catch(() => null),
    soon(fromDocker(port)).catch(() => null),
  ]);
  if (!processHolder && !container) return null;
  return { pid: null, command: null, container: null, project: null, ...processHolder, ...container };
}

/** For people: `node server.js (pid 4711)`, `container shop-web-1 of compose project shop`. */
export function holderText(holder: Holder): string {
  if (holder.container !== null) {
    return `container ${holder.container}${holder.project === null ? "" : ` of compose project ${holder.project}`}`;
  }
  return holder.pid === null ? (holder.command ?? "another user's process") : `${holder.command ?? "a process"} (pid ${holder.pid})`;
}

/** ` by node server.js (pid 4711)`, or nothing where that is not found out soon. */
export async function holderSaid(port: number): Promise<string> {
  const holder = await holderOf(port);
  return holder ? ` by ${holderText(holder)}` : "";
}

/** An engine that does not answer must not hide that the port is taken. */
async function soon<T>(asked: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, HOLDER_MS, null)));
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

function tryListen(port: number, host: string): Promise<"free" | "taken"> {
  return new Promise((resolve) => {
    const server = net.createServer();
    // Anything but "in use" (no IPv6 here, a reserved port) is not somebody in the way, and shows when the service starts.
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EADDRINUSE" ? "taken" : "free"));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve("free")));
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: "127.0.0.1", timeout: 500 });
    const end = (answer: boolean) => (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
  });
}

function anyPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** proc(5): the tables name the sockets, the folders of the processes their owners. */
async function fromProc(port: number): Promise<Pick<Holder, "pid" | "command"> | null> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const text = await readFile(table, "utf8").catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      const listening = state === "0A";
      if (listening && Number.parseInt(local.split(":").at(-1) ?? "", 16) === port) inodes.add(`socket:[${inode}]`);
    }
  }
  if (inodes.size === 0) return null;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const fd of fds) {
      if (inodes.has(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""))) return { pid: Number(pid), command: await commandOf(pid) };
    }
  }
  return { pid: null, command: null };
}

async function commandOf(pid: string): Promise<string | null> {
  const args = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  const program = path.basename(args[0] ?? "").split(" ")[0] ?? "";
  if (program === "") return null;
  if (!/^(node|bun|deno|python[\d.]*|ruby|perl|java|php)$/.test(program)) return program;
  // Behind an option could be anything, such as code.
  const script = args[1] ?? "";
  return script === "" || script.startsWith("-") ? program : `${program} ${path.basename(script)}`;
}

/** macOS. `-F pc` prints one field a line: p for the pid, c for the command's name. */
async function fromLsof(port: number): Promise<Pick<Holder, "pid" | "command"> | null> {
  const found = await run("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-F", "pc"], { timeoutMs: 1500 });
  const pid = /^p(\d+)$/m.exec(found.stdout)?.[1];
  return pid === undefined ? null : { pid: Number(pid), command: /^c(.+)$/m.exec(found.stdout)?.[1] ?? null };
}

/** The engine publishes ports through a process of its own, whose name says nothing: `docker-proxy`, `rootlesskit`, `ssh`. */
async function fromDocker(port: number): Promise<Pick<Holder, "container" | "project"> | null> {
  const { connectEngine } = await import("../docker/engine.ts");
  const engine = await connectEngine({ env: process.env, os: os.platform() });
  const containers = (await engine.ask((docker, abortSignal) => docker.listContainers({ abortSignal }), { timeoutMs: 1000 })) ?? [];
  const found = containers.find((container) => container.Ports?.some((published) => published.PublicPort === port));
  if (!found) return null;
  return { container: found.Names?.[0]?.replace(/^\//, "") ?? "?", project: found.Labels?.["com.docker.compose.project"] ?? null };
}
