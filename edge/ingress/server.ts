/** The public HTTP listener: finds the tunnel by Host and sends the request down it. */
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { EdgeError, type AnswerCode } from "../errors.ts";
import type { Hold } from "../hold/hold.ts";
import type { Routes } from "../tunnels/routes.ts";
import type { RequestHead } from "../wire/frames.ts";
import { answer, answerRaw } from "./answer.ts";
import { BodyBudget } from "./bodies.ts";
import { requestHeaders } from "./headers.ts";
import { HeldRequest } from "./held-request.ts";
import { tunnelOf } from "./host.ts";
import { plainAddress } from "../network.ts";
import { ProxiedRequest, type ProxyOptions } from "./proxy.ts";
import { UpgradedConnection } from "./upgrade.ts";

/** Bodies of held requests in memory, of all tunnels together. */
const BODY_BYTES = 64 * 1024 * 1024;

export interface IngressOptions {
  host: string;
  port: number;
  domain: string;
  routes: Routes;
  /** Whether somebody owns this name. */
  isKnown: (name: string) => boolean;
  hold: Hold;
  /** Whether a tunnel of this name was lost so recently that it may well come back within the wait. */
  mayReturn: (name: string) => boolean;
  /** How long a request waits for a tunnel that is between two connections. */
  gapMs: number;
  maxInFlight: number;
  log: (line: string) => void;
}

export interface RunningIngress {
  port: number;
  counters: { requests: number; refused: number };
  inFlight(): number;
  /** Stops accepting; requests in flight go on. */
  stopAccepting(): void;
  close(): void;
}

export async function startIngress(options: IngressOptions): Promise<RunningIngress> {
  const { routes, domain } = options;
  const counters = { requests: 0, refused: 0 };
  const bodies = new BodyBudget(BODY_BYTES);
  let inFlight = 0;
  let stopping = false;

  const server = http.createServer({
    headersTimeout: 10_000,
    requestTimeout: 0,
    keepAliveTimeout: 75_000,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 32 * 1024,
    noDelay: true,
    // Checked here, with an answer that has a code.
    requireHostHeader: false,
  });

  /** The tunnel's name and the head that goes down it, or the code of the refusal. */
  function examine(request: IncomingMessage, upgrade: string | null): { name: string; head: RequestHead } | { error: AnswerCode } {
    const target = request.url ?? "";
    if (!target.startsWith("/") && !(target === "*" && request.method === "OPTIONS")) return { error: "BAD_REQUEST" };
    const route = tunnelOf(request.rawHeaders, domain);
    if ("error" in route) return { error: route.error };
    if (isAmbiguous(request)) return { error: "BAD_REQUEST" };
    const peer = { address: plainAddress(request.socket.remoteAddress), proto: "http", host: route.host } as const;
    const hasBody = request.headers["transfer-encoding"] !== undefined || (request.headers["content-length"] ?? "0") !== "0";
    const head: RequestHead = {
      method: request.method ?? "GET",
      target,
      headers: requestHeaders(request.rawHeaders, peer, upgrade),
      end: upgrade === null && !hasBody,
      upgrade: upgrade !== null,
      ordered: false,
    };
    return { name: route.name, head };
  }

  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    counters.requests += 1;
    try {
      take(request, response);
    } catch (error) {
      // A mistake of ours with one request is not the end of everybody else's.
      options.log(`a request could not be handled: ${(error as Error).stack}`);
      refuseRequest(request, response, "SERVICE_FAILED");
    }
  });

  function take(request: IncomingMessage, response: ServerResponse): void {
    if (stopping) response.setHeader("Connection", "close");
    const examined = examine(request, null);
    if ("error" in examined) {
      refuseRequest(request, response, examined.error);
      return;
    }
    const { name, head } = examined;
    if (options.hold.wants(name, request)) {
      inFlight += 1;
      void new HeldRequest(request, response, head, {
        ...options.hold.contextOf(name),
        name,
        address: plainAddress(request.socket.remoteAddress),
        bodies,
        onTooLarge: (early) => forward(name, head, request, response, early),
        onDone: () => {
          inFlight -= 1;
        },
        log: options.log,
      });
      return;
    }
    forward(name, head, request, response);
  }

  /** Sends a request down the tunnel, or says why not. */
  function forward(
    name: string,
    head: RequestHead,
    request: IncomingMessage,
    response: ServerResponse,
    early?: ProxyOptions["early"],
  ): void {
    const tunnel = routes.get(name);
    const refuse = (code: AnswerCode) => {
      early?.release();
      refuseRequest(request, response, code);
    };
    if (!tunnel && !options.isKnown(name)) {
      refuse("TUNNEL_NOT_FOUND");
      return;
    }
    if (tunnel && tunnel.inFlight >= options.maxInFlight) {
      refuse("TOO_MANY_REQUESTS");
      return;
    }
    if (!tunnel && !options.mayReturn(name)) {
      refuse("TUNNEL_OFFLINE");
      return;
    }
    inFlight += 1;
    const proxied = new ProxiedRequest(request, response, head, {
      wait: (done) => routes.wait(name, options.gapMs, done),
      onDone: () => {
        inFlight -= 1;
      },
      ...(early ? { early } : {}),
    });
    if (tunnel) proxied.forward(tunnel);
    else proxied.waitForTunnel();
  }

  function refuseRequest(request: IncomingMessage, response: ServerResponse, code: AnswerCode): void {
    counters.refused += 1;
    answer(response, code);
    request.resume();
  }

  server.on("upgrade", (request: IncomingMessage, socket: Duplex, first: Buffer) => {
    counters.requests += 1;
    socket.on("error", () => socket.destroy());
    try {
      takeUpgrade(request, socket, first);
    } catch (error) {
      options.log(`an upgrade could not be handled: ${(error as Error).stack}`);
      socket.destroy();
    }
  });

  function takeUpgrade(request: IncomingMessage, socket: Duplex, first: Buffer): void {
    const upgrade = request.headers.upgrade ?? "";
    // h2c and friends would carry requests past every check above.
    const examined = upgrade.toLowerCase() === "websocket" ? examine(request, upgrade) : ({ error: "BAD_REQUEST" } as const);
    const tunnel = "error" in examined ? undefined : routes.get(examined.name);
    if ("error" in examined || !tunnel || tunnel.inFlight >= options.maxInFlight) {
      counters.refused += 1;
      if ("error" in examined) answerRaw(socket, examined.error);
      else if (tunnel) answerRaw(socket, "TOO_MANY_REQUESTS");
      else answerRaw(socket, options.isKnown(examined.name) ? "TUNNEL_OFFLINE" : "TUNNEL_NOT_FOUND");
      return;
    }
    const connection = new UpgradedConnection(socket, first, examined.head, tunnel);
    inFlight += 1;
    socket.once("close", () => {
      inFlight -= 1;
    });
    void connection;
  }

  server.on("connect", (_request, socket: Duplex) => {
    // Node has taken its own listener away, and an error without one would end the process.
    socket.on("error", () => socket.destroy());
    answerRaw(socket, "BAD_REQUEST");
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === "ECONNRESET") socket.destroy();
    else if (error.code === "HPE_HEADER_OVERFLOW") answerRaw(socket, "HEADERS_TOO_LARGE");
    else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") answerRaw(socket, "REQUEST_TIMEOUT");
    else answerRaw(socket, "BAD_REQUEST");
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new EdgeError("EDGE_ADDRESS", `http ${options.host}:${options.port}: ${error.code}`));
    });
    server.listen(options.port, options.host, () => resolve());
  });
  server.on("error", (error) => options.log(`http listener: ${error.message}`));

  return {
    port: (server.address() as AddressInfo).port,
    counters,
    inFlight: () => inFlight,
    stopAccepting: () => {
      stopping = true;
      server.close();
      server.closeIdleConnections();
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Framing that some origin might read differently than Node did (HTTP request smuggling). */
function isAmbiguous(request: IncomingMessage): boolean {
  const te = request.headers["transfer-encoding"];
  if (te !== undefined && (request.httpVersion === "1.0" || te.toLowerCase() !== "chunked")) return true;
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    if (name.includes("_") && /^(content_length|transfer_encoding|host_?)$/i.test(name)) return true;
  }
  return false;
}
