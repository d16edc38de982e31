/** A real edge on ephemeral loopback ports with a data folder of its own, real tunnel clients against it, and requests from outside. */
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { startEdge, type EdgeConfig, type RunningEdge } from "../../edge/index.ts";
import { generateKey } from "../../edge/names/key.ts";
import { startTunnel, type RunningTunnel, type TunnelConfig } from "../../cli/tunnel/tunnel.ts";
import type { RequestRecord, TunnelStatus } from "../../cli/events.ts";

export const DOMAIN = "tunnel.localhost";

export interface TestEdge {
  dir: string;
  readonly edge: RunningEdge;
  readonly sshPort: number;
  readonly httpPort: number;
  logs: string[];
  /** Another edge on the same folder and the same ports. */
  restart(): Promise<void>;
  stop(graceMs?: number): Promise<void>;
  close(): Promise<void>;
}

export async function openEdge(change: Partial<EdgeConfig> = {}): Promise<TestEdge> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-edge-"));
  const logs: string[] = [];
  const config: EdgeConfig = {
    domain: DOMAIN,
    ssh: { host: "127.0.0.1", port: 0 },
    http: { host: "127.0.0.1", port: 0 },
    admin: null,
    dataDir: path.join(dir, "edge"),
    hostKey: null,
    publicPort: null,
    log: (line) => logs.push(line),
    ...change,
  };
  let edge = await startEdge(config);
  const { sshPort, httpPort } = edge;
  return {
    dir,
    logs,
    get edge() {
      return edge;
    },
    sshPort,
    httpPort,
    restart: async () => {
      edge = await startEdge({ ...config, ssh: { host: "127.0.0.1", port: sshPort }, http: { host: "127.0.0.1", port: httpPort } });
    },
    stop: (graceMs = 0) => edge.close(graceMs),
    close: async () => {
      await edge.close(0);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function newKey(): { private: string; public: string } {
  const { privateKey, publicKey } = generateKey("test");
  return { private: privateKey, public: publicKey };
}

export interface TestTunnel {
  tunnel: RunningTunnel;
  url: string;
  /** Host header of its public name. */
  host: string;
  statuses: TunnelStatus[];
  records: RequestRecord[];
}

/** Starts our own client and waits until it is open. */
export async function openTunnel(edge: TestEdge, target: number, change: Partial<TunnelConfig> = {}): Promise<TestTunnel> {
  const { tunnel, statuses, records } = launchTunnel(edge, target, change);
  const { url } = await tunnel.opened;
  return { tunnel, url: url!, host: new URL(url!).host, statuses, records };
}

export function launchTunnel(
  edge: TestEdge,
  target: number,
  change: Partial<TunnelConfig> = {},
): { tunnel: RunningTunnel; statuses: TunnelStatus[]; records: RequestRecord[] } {
  const statuses: TunnelStatus[] = [];
  const records: RequestRecord[] = [];
  const tunnel = startTunnel({
    edge: { host: "127.0.0.1", port: edge.sshPort },
    hostKey: { kind: "known", key: edge.edge.hostKey },
    identity: newKey().private,
    target: { host: "127.0.0.1", port: target },
    paths: [],
    hold: [],
    holdSigned: true,
    onRefused: "close",
    onStatus: (status) => statuses.push(status),
    onRequest: (record) => records.push(record),
    log: () => {},
    ...change,
  });
  return { tunnel, statuses, records };
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  rawHeaders: string[];
  body: Buffer;
  text: string;
}

export interface Ask {
  host: string;
  method?: string;
  path?: string;
  headers?: http.OutgoingHttpHeaders | string[];
  body?: Buffer | string;
  agent?: http.Agent;
  /** Header lines of the answer that are kept; 0: all. Default: Node's. */
  maxHeadersCount?: number;
}

/** One request to the edge's public port; rejects when the answer is not complete. */
export function ask(
  port: number,
  { host, method = "GET", path: target = "/", headers = {}, body, agent, maxHeadersCount }: Ask,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: "127.0.0.1",
      port,
      method,
      path: target,
      headers: Array.isArray(headers) ? ["Host", host, ...headers] : { host, ...headers },
      agent: agent ?? false,
    });
    if (maxHeadersCount !== undefined) request.maxHeadersCount = maxHeadersCount;
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const all = Buffer.concat(chunks);
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          body: all,
          text: all.toString(),
        });
      });
    });
    request.end(body);
  });
}

/** Sends bytes as they are and returns everything that comes until the other side closes (or `enough` says so). */
export function rawAsk(port: number, bytes: string | Buffer, enough: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    let text = "";
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (enough(text)) socket.destroy();
    });
    socket.on("close", () => resolve(text));
    socket.write(bytes);
  });
}

export interface Origin {
  port: number;
  server: http.Server;
  close(): Promise<void>;
}

/** A local web server. */
export async function startOrigin(handler: http.RequestListener, options: http.ServerOptions = {}): Promise<Origin> {
  const server = http.createServer(options, handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface RawOrigin {
  port: number;
  /** Everything each connection has sent, latin-1. */
  received: string[];
  close(): Promise<void>;
}

/** A local server that is not HTTP, or not good at it: `talk` gets each connection and the index of its transcript. */
export async function startRawOrigin(talk: (socket: net.Socket, text: () => string) => void): Promise<RawOrigin> {
  const received: string[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const index = received.push("") - 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => (received[index] += chunk.toString("latin1")));
    talk(socket, () => received[index]!);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as net.AddressInfo).port,
    received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Waits until something is so; rejects with what was waited for after `patienceMs`. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, patienceMs = 10_000): Promise<void> {
  for (const end = Date.now() + patienceMs; !(await condition());) {
    if (Date.now() > end) throw new Error(`waited ${patienceMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
