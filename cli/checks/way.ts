/**
 * The way to an edge, step by step: what answers, what does not, and what to do about it. All at the same time, each for at most two
 * seconds.
 */
import dns from "node:dns/promises";
import http from "node:http";
import net from "node:net";
import type { AiryEventBody } from "../events.ts";
import { dial, dialThrough, proxyFor } from "../io/dial.ts";
import { inertText } from "../io/inert.ts";
import { joinSignals } from "../io/signals.ts";

/** `id` begins with `way-`. */
export type WayStep = Extract<AiryEventBody, { type: "check" }>;

export interface Edge {
  host: string;
  port: number;
  fallbackPort?: number | undefined;
}

const CAP_MS = 2_000;
/** Beyond this certificates and logs of the two ends no longer fit together. */
const CLOCK_MS = 5 * 60_000;

/** Steps in the same order each time; none is thrown. */
export function lookAtWay(edge: Edge, env: NodeJS.ProcessEnv = process.env): Promise<WayStep[]> {
  const proxy = proxyFor(edge, "https", env);
  const ports = [edge.port, ...(edge.fallbackPort === undefined ? [] : [edge.fallbackPort])];
  const steps = [
    lookUp(edge.host, proxy !== null),
    askProxy(proxy, edge),
    ...ports.map((port) => knock({ host: edge.host, port }, port === edge.port, ports.length > 1)),
    compareClocks(edge.host),
  ];
  return Promise.all(steps);
}

/** One line a step, as `airy-proxy` and `airy doctor` show them. */
export function wayText(steps: readonly WayStep[]): string {
  const word = { ok: "ok  ", warn: "warn", fail: "FAIL" };
  const lines = steps.map(({ id, status, message, action }) => {
    return `  ${id.replace("way-", "").padEnd(9)} ${word[status]}  ${message}${action ? `\n                  ${action}` : ""}`;
  });
  return lines.join("\n");
}

function step(id: string, status: WayStep["status"], message: string, action?: string): WayStep {
  return { type: "check", id: `way-${id}`, status, message: inertText(message), ...(action !== undefined && { action }) };
}

async function lookUp(host: string, proxied: boolean): Promise<WayStep> {
  if (net.isIP(host)) return step("dns", "ok", `${host} is an address`);
  if (host === "localhost" || host.endsWith(".localhost")) return step("dns", "ok", `${host} is this machine`);
  try {
    const found = await capped(() => dns.lookup(host, { all: true }));
    return step("dns", "ok", `${host} is ${found.map(({ address }) => address).join(", ")}`);
  } catch (error) {
    const action = proxied
      ? "Behind a proxy that may be so: the proxy looks names up"
      : "Is the name right, and this machine online? Another DNS server (1.1.1.1) tells whether it is the network's";
    return step("dns", proxied ? "warn" : "fail", `${host} has no address here (${reasonOf(error)})`, action);
  }
}

async function askProxy(proxy: URL | null, edge: Edge): Promise<WayStep> {
  if (!proxy) return step("proxy", "ok", "none is named (HTTPS_PROXY)");
  try {
    const socket = await capped((signal) => dialThrough(proxy, edge, signal));
    socket.destroy();
    return step("proxy", "ok", `${proxy.host} leads to ${edge.host}:${edge.port}`);
  } catch (error) {
    const action = `Ask for CONNECT to ${edge.host}:${edge.port} there, or name the host in NO_PROXY if it can be reached without`;
    return step("proxy", "fail", `${proxy.host}: ${reasonOf(error)}`, action);
  }
}

/** Connects, and says what SSH clients say first: on a port that is HTTPS' as well, the other end waits for that. */
export async function knock(target: { host: string; port: number }, first: boolean, another: boolean): Promise<WayStep> {
  const id = `tcp-${target.port}`;
  const otherwise = another ? `; the tunnel takes port ${first ? 443 : 22} where that answers` : "";
  try {
    const host = target.host.endsWith(".localhost") ? "127.0.0.1" : target.host;
    const socket = await capped((signal) => dial({ ...target, host }, signal));
    const banner = await bannerOf(socket);
    if (banner !== null) return step(id, "ok", `answers (${banner})`);
    const action = first ? "Is it the SSH port? --edge HOST:PORT names another one" : undefined;
    return step(id, first ? "fail" : "warn", "takes connections and does not speak SSH", action);
  } catch (error) {
    const refused = (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
    const action = `${refused ? "Is the edge running, and is this its SSH port? Or allow" : "Allow"} outgoing TCP to port ${target.port}${otherwise}`;
    return step(id, another ? "warn" : "fail", `does not take connections (${reasonOf(error)})`, action);
  }
}

function bannerOf(socket: net.Socket): Promise<string | null> {
  return new Promise((resolve) => {
    let text = "";
    const end = (banner: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(banner);
    };
    const timer = setTimeout(() => end(null), CAP_MS);
    socket.on("error", () => end(null));
    socket.on("close", () => end(null));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const banner = /^SSH-\S+[^\r\n]*(?=\r?\n)/m.exec(text);
      if (banner) end(banner[0]);
      else if (text.length > 8_192) end(null);
    });
    socket.write("SSH-2.0-airy_check\r\n");
  });
}

/** By the Date of whatever answers on the edge's port 80. */
async function compareClocks(host: string): Promise<WayStep> {
  try {
    const date = await capped((signal) => dateOf(host, signal));
    const apart = Date.now() - date;
    if (Math.abs(apart) <= CLOCK_MS) return step("clock", "ok", "agrees with the edge's");
    const minutes = Math.round(Math.abs(apart) / 60_000);
    return step("clock", "warn", `is ${minutes} minutes ${apart > 0 ? "ahead of" : "behind"} the edge's`, "Set this machine's clock");
  } catch (error) {
    return step("clock", "ok", `could not be compared: no time from port 80 of ${host} (${reasonOf(error)})`);
  }
}

function dateOf(host: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port: 80, method: "HEAD", path: "/", agent: false, signal }, (response) => {
      response.destroy();
      const date = Date.parse(response.headers.date ?? "");
      if (Number.isNaN(date)) reject(new Error("it says none"));
      else resolve(date);
    });
    request.on("error", reject);
    request.end();
  });
}

async function capped<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const given = joinSignals([], CAP_MS, () => new Error(`no answer within ${CAP_MS / 1000} s`));
  try {
    return await Promise.race([
      ask(given.signal),
      new Promise<never>((_, reject) => given.signal.addEventListener("abort", () => reject(given.signal.reason as Error), { once: true })),
    ]);
  } finally {
    given.release();
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
