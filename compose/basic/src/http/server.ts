/** The HTTP server: fastify with our hooks before it. Who is let in, what an error becomes, and what is answered where nothing is. */
import swagger from "@fastify/swagger";
import fastify from "fastify";
import type { FastifyReply, FastifyRequest } from "fastify";
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { describeError, isUnavailable } from "../database/errors.ts";
import { AIRY_VERSION } from "../version.ts";
import type { Access } from "./access.ts";
import type { Guard } from "./guard.ts";
import type { Reply } from "./reply.ts";
import { message, securityHeaders, springError } from "./reply.ts";

export interface HttpServer {
  port: number;
  /** Lets requests in flight finish, at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

interface ServerOptions {
  listen: { host: string; port: number };
  guard: Guard;
  access: Access;
  /** Adds every route. */
  routes: (app: App) => void;
  /** Paths that are reached under any Host: the webhook, which the sources call by its public name. */
  publicPaths: Set<string>;
  /** Files of the inbox page; null when the path cannot be one. */
  page: (pathname: string) => Promise<Reply | null>;
  socketPath: string;
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  log: (line: string) => void;
}

export type App = ReturnType<typeof createApp>;

function createApp() {
  return fastify({
    requestTimeout: 120_000,
    keepAliveTimeout: 60_000,
    bodyLimit: 1024 * 1024 * 1024, // our own readers limit what they read
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    frameworkErrors: (_error, _request, reply) => void write(reply as FastifyReply, message(404, "no such path")),
    clientErrorHandler(_error, socket) {
      if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    },
  }).withTypeProvider<ZodTypeProvider>();
}

/** Resolves when the port is bound; rejects with Node's error when it cannot be. */
export async function startHttp(options: ServerOptions): Promise<HttpServer> {
  const app = createApp();
  app.server.headersTimeout = 30_000;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Airy", description: "Airy's API as the basic platform speaks it; see docs/api.md.", version: AIRY_VERSION },
    },
    transform: jsonSchemaTransform,
  });
  const methods = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ url, method }) => {
    const known = methods.get(url) ?? new Set<string>();
    for (const one of [method].flat()) known.add(one);
    methods.set(url, known);
  });
  app.addHook("onRequest", (request, reply, done) => {
    void reply.headers(securityHeaders);
    const refusal = refuse(request, reply, options);
    if (refusal) return void write(reply, refusal);
    // The path is matched as it came: no other spelling of a path reaches it.
    if (!request.is404 && pathOf(request) !== request.routeOptions.url) return void reply.callNotFound();
    done();
  });
  app.setErrorHandler((error, request, reply) => write(reply, errorReply(error, request, options.log)));
  app.setNotFoundHandler(async (request, reply) => write(reply, await notFound(request, methods, options.page)));
  options.routes(app);
  app.get("/openapi.json", { schema: { hide: true } }, (_request, reply) => reply.send(app.swagger()));

  app.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => socket.destroy());
    const refusal = options.guard.refuses(request.headers) ?? options.access.refuses(request.headers);
    if (refusal !== null) return endSocket(socket, "403 Forbidden", refusal);
    if (rawPath(request.url) !== options.socketPath) return endSocket(socket, "404 Not Found", "no such path");
    options.upgrade(request, socket, head);
  });
  await app.listen({ port: options.listen.port, host: options.listen.host });
  return {
    port: (app.server.address() as AddressInfo).port,
    async close(graceMs) {
      const late = setTimeout(() => app.server.closeAllConnections(), graceMs);
      await app.close();
      clearTimeout(late);
    },
  };
}

export function write(reply: FastifyReply, { status, headers, body }: Reply): FastifyReply {
  if (headers) void reply.headers(headers);
  // As bytes, because fastify adds a charset to the type of text.
  return reply.code(status).send(typeof body === "string" ? Buffer.from(body) : body);
}

function refuse(request: FastifyRequest, reply: FastifyReply, { guard, access, publicPaths }: ServerOptions): Reply | null {
  const path = pathOf(request);
  if (publicPaths.has(path)) return null;
  const refusal = guard.refuses(request.headers);
  if (refusal !== null) return message(403, refusal);
  const origin = guard.sharedWith(request.headers);
  if (origin !== null) {
    void reply.headers({ "access-control-allow-origin": origin, "access-control-allow-credentials": "true", vary: "Origin" });
    void reply.header("cross-origin-resource-policy", "cross-origin");
    if (request.method === "OPTIONS") {
      const asked = request.headers["access-control-request-headers"];
      const headers = { "access-control-allow-methods": "GET,POST", "access-control-max-age": "1800" };
      return { status: 200, headers: asked === undefined ? headers : { ...headers, "access-control-allow-headers": asked } };
    }
  }
  if (access.open(path)) return null;
  const denied = access.refuses(request.headers);
  if (denied === null) return null;
  // A browser that opens the page is shown where to sign in; Airy's own clients go there by themselves after a 403.
  if (request.method === "GET" && path === "/") return { status: 303, headers: { location: "/login" } };
  return springError(403, "Forbidden", path, denied);
}

async function notFound(request: FastifyRequest, methods: Map<string, Set<string>>, page: ServerOptions["page"]): Promise<Reply> {
  const path = pathOf(request);
  const known = methods.get(path);
  if (known !== undefined) {
    const allow = [...known].join(", ");
    const refusal = message(405, `this path takes ${allow}`);
    return { ...refusal, headers: { ...refusal.headers, allow } };
  }
  const file = request.method === "GET" || request.method === "HEAD" ? await page(path) : null;
  return file ?? message(404, "no such path");
}

function errorReply(error: unknown, request: FastifyRequest, log: (line: string) => void): Reply {
  if (error instanceof Error && "validation" in error) return springError(400, "Bad Request", pathOf(request), error.message);
  if (error instanceof Error && "statusCode" in error && error.statusCode === 400) {
    return springError(400, "Bad Request", pathOf(request), error.message);
  }
  if (error instanceof Error && "statusCode" in error && typeof error.statusCode === "number" && error.statusCode < 500) {
    return message(error.statusCode, error.message);
  }
  log(`${request.method} ${pathOf(request)}: ${describeError(error)}`);
  return isUnavailable(error) ? message(503, "the database does not answer") : message(500, "internal error");
}

function pathOf(request: FastifyRequest): string {
  return rawPath(request.raw.url);
}

function rawPath(url = ""): string {
  const mark = url.indexOf("?");
  return mark < 0 ? url : url.slice(0, mark);
}

function endSocket(socket: Duplex, status: string, text: string): void {
  const body = JSON.stringify({ message: text });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
