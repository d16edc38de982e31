/** The HTTP server: who is let in, which handler answers, and what an error becomes. */
import http from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { describeError, isUnavailable } from "../database/errors.ts";
import type { Guard } from "./guard.ts";
import type { Reply } from "./reply.ts";
import { message, Refusal, write } from "./reply.ts";

interface Target {
  pathname: string;
  query: URLSearchParams;
}

export type Handler = (request: IncomingMessage, target: Target) => Promise<Reply>;
export type Routes = Map<string, { GET?: Handler; POST?: Handler }>;

export interface HttpServer {
  port: number;
  /** Lets requests in flight finish, at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

interface ServerOptions {
  listen: { host: string; port: number };
  guard: Guard;
  routes: Routes;
  /** Paths that are reached under any Host: the webhook, which the sources call by its public name. */
  publicPaths: Set<string>;
  /** Files of the inbox page; null when the path cannot be one. */
  page: (pathname: string) => Promise<Reply | null>;
  socketPath: string;
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  log: (line: string) => void;
}

/** Resolves when the port is bound; rejects with Node's error when it cannot be. */
export async function startHttp(options: ServerOptions): Promise<HttpServer> {
  const server = http.createServer({ requestTimeout: 120_000, headersTimeout: 30_000, keepAliveTimeout: 60_000 }, (request, response) => {
    answer(request, options).then(
      (reply) => {
        if (!server.listening) response.setHeader("connection", "close");
        write(response, reply, request.method !== "HEAD");
      },
      () => response.destroy(),
    );
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    const target = parseTarget(request);
    const refusal = options.guard(request.headers);
    if (refusal !== null) return endSocket(socket, "403 Forbidden", refusal);
    if (target?.pathname !== options.socketPath) return endSocket(socket, "404 Not Found", "no such path");
    options.upgrade(request, socket, head);
  });
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.listen.port, options.listen.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs) {
      const late = setTimeout(() => server.closeAllConnections(), graceMs);
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeIdleConnections();
      });
      clearTimeout(late);
    },
  };
}

/** Rejects only when there is nobody left to answer. */
async function answer(request: IncomingMessage, options: ServerOptions): Promise<Reply> {
  const target = parseTarget(request);
  if (target === null) return message(400, "malformed request target");
  if (!options.publicPaths.has(target.pathname)) {
    const refusal = options.guard(request.headers);
    if (refusal !== null) return message(403, refusal);
  }
  try {
    return await route(request, target, options);
  } catch (error) {
    if (error instanceof Refusal) return error.reply;
    if (request.destroyed && !request.complete) throw error;
    options.log(`${request.method} ${target.pathname}: ${describeError(error)}`);
    return isUnavailable(error) ? message(503, "the database does not answer") : message(500, "internal error");
  }
}

async function route(request: IncomingMessage, target: Target, { routes, page }: ServerOptions): Promise<Reply> {
  const method = request.method === "HEAD" ? "GET" : request.method;
  const handlers = routes.get(target.pathname);
  if (handlers === undefined) {
    const file = method === "GET" ? await page(target.pathname) : null;
    return file ?? message(404, "no such path");
  }
  const handler = method === "GET" || method === "POST" ? handlers[method] : undefined;
  if (handler !== undefined) return handler(request, target);
  const allow = Object.keys(handlers).join(", ");
  const refusal = message(405, `this path takes ${allow}`);
  return { ...refusal, headers: { ...refusal.headers, allow } };
}

/** The path is matched as it came: nothing is decoded or resolved, so that no spelling of one path reaches another. */
function parseTarget(request: IncomingMessage): Target | null {
  const url = request.url ?? "";
  if (!url.startsWith("/")) return null;
  const mark = url.indexOf("?");
  return { pathname: mark < 0 ? url : url.slice(0, mark), query: new URLSearchParams(mark < 0 ? "" : url.slice(mark)) };
}

function endSocket(socket: Duplex, status: string, text: string): void {
  const body = JSON.stringify({ message: text });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
