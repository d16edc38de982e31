/** HTTP around the stand-in: fastify reads requests and bodies; what is answered is decided elsewhere. */
import { randomBytes } from "node:crypto";
import multipart from "@fastify/multipart";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { metaJson } from "../../facebook/contract.ts";
import { answerCommand, requireOwnCaller } from "./commands.ts";
import { CommandError, GraphError, InstagramError, commandErrors, graphErrors } from "./errors.ts";
import { MOST_FILE_BYTES } from "./files.ts";
import { type GraphAnswer, answerGraph } from "./graph/dispatch.ts";
import { chatFile, publicFile } from "./pages.ts";
import { type GraphRequest, type Params, type Upload, parseForm, parseJsonBody, readGraphRequest } from "./request.ts";
import { Usage } from "./usage.ts";
import type { World } from "./world.ts";

const BODY_LIMIT_BYTES = 1024 * 1024;

export async function createServer(world: World): Promise<FastifyInstance> {
  const usage = new Usage();
  const app = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
    requestTimeout: 30_000,
    routerOptions: { maxParamLength: 2_000 },
    frameworkErrors: (_, __, reply) => void sendRefusal(reply, graphErrors.unknownPath("/")),
  });
  readBodies(app);

  app.get("/health", (_, reply) => reply.send({ status: "ok" }));
  app.get("/chat", (request, reply) => chatFile(world, "index.html", request, reply));
  app.get<{ Params: { file: string } }>("/chat/:file", (request, reply) => chatFile(world, request.params.file, request, reply));
  app.get<{ Params: { id: string } }>("/files/:id/:name", (request, reply) => publicFile(world, "file", request.params.id, reply));
  app.get<{ Params: { id: string } }>("/pictures/:id", (request, reply) => publicFile(world, "picture", request.params.id, reply));
  app.all("/sandbox/*", (request, reply) => answerChannel(world, request, reply));
  app.all("/", (request, reply) => graph(request, reply));
  app.all("/*", (request, reply) => graph(request, reply));
  app.setNotFoundHandler((_, reply) => sendRefusal(reply, graphErrors.unknownPath("/")));
  app.setErrorHandler((error, request, reply) => {
    if (request.url.startsWith("/sandbox/")) return refuseCommand(world, reply, error);
    if (error instanceof InstagramError) return sendInstagramRefusal(reply, error);
    return sendRefusal(reply, graphRefusal(world, error));
  });

  async function graph(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const given = await readRequest(request);
    const fault = await world.faults.meet(given);
    if (fault === "reset") {
      reply.hijack();
      request.raw.socket.resetAndDestroy();
      return reply;
    }
    if (fault) return reply.code(fault.status).headers(fault.headers).send(fault.body);
    const answer = await answerGraph(world, given);
    const now = world.store.clock.now();
    if (answer.caller) usage.count(answer.caller, world.store.settings, now);
    // What was answered well is still known after a power cut; messages alone may take a moment.
    if (given.method !== "GET" && given.path[1] !== "messages") await world.store.saved();
    return sendGraph(reply, 200, answer.value, headersOf(answer));
  }

  function headersOf({ caller, version }: GraphAnswer): Record<string, string> {
    const used = caller ? usage.headers(caller, world.store.settings, world.store.clock.now()) : {};
    return { "facebook-api-version": version, ...used };
  }

  await app.ready();
  return app;
}

/** JSON, forms and multipart become {@link Params}; what calls itself otherwise is taken for a form, as curl's `-d` sends it. */
function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  void app.register(multipart, { limits: { fileSize: MOST_FILE_BYTES, files: 1, fields: 100, fieldSize: BODY_LIMIT_BYTES, parts: 101 } });
  const text = { parseAs: "string" } as const;
  app.addContentTypeParser("application/json", text, (_, body, done) => {
    try {
      done(null, parseJsonBody(String(body)));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser("*", text, (_, body, done) => done(null, parseForm(String(body))));
}

async function readRequest(request: FastifyRequest): Promise<GraphRequest> {
  const { params, upload } = await readParams(request);
  return readGraphRequest({
    method: request.method,
    url: request.raw.url ?? "/",
    authorization: request.headers.authorization,
    body: params,
    upload,
  });
}

async function readParams(request: FastifyRequest): Promise<{ params: Params; upload: Upload | null }> {
  if (!request.isMultipart()) return { params: (request.body ?? {}) as Params, upload: null };
  const pairs: [string, string][] = [];
  let upload: Upload | null = null;
  for await (const part of request.parts()) {
    if (part.type === "field") pairs.push([part.fieldname, String(part.value)]);
    else upload = { name: part.filename, type: part.mimetype, bytes: await part.toBuffer() };
  }
  // Brackets in names of parts mean the same as in a form.
  return { params: parseForm(new URLSearchParams(pairs).toString()), upload };
}

async function answerChannel(world: World, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const path = (request.raw.url ?? "/").split("?")[0] ?? "/";
  try {
    requireOwnCaller(world, request);
    if (request.method === "GET" && path === "/sandbox/stream") {
      reply.hijack();
      reply.raw.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
      world.streams.add(reply.raw);
      return reply;
    }
    const { params, upload } = await readParams(request);
    const value = await answerCommand(world, { method: request.method, path, body: params, upload });
    return reply.header("cache-control", "no-store").header("x-content-type-options", "nosniff").send(value);
  } catch (error) {
    return refuseCommand(world, reply, error);
  }
}

function refuseCommand(world: World, reply: FastifyReply, error: unknown): FastifyReply {
  const refusal = commandRefusal(world, error);
  return reply.code(refusal.status).send({ error: { code: refusal.code, message: refusal.message, layer: refusal.layer } });
}

function commandRefusal(world: World, error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  if (error instanceof GraphError) return commandErrors.invalid(error.message);
  if (isTooLarge(error)) return commandErrors.invalid("The body is too large.");
  logBug(world, error);
  return commandErrors.internal();
}

function graphRefusal(world: World, error: unknown): GraphError {
  if (error instanceof GraphError) return error;
  if (isTooLarge(error)) return graphErrors.parameterWrong("body", "is too large");
  logBug(world, error);
  return graphErrors.internal();
}

/** Fastify's and multipart's own refusals of a body. */
function isTooLarge(error: unknown): boolean {
  const { statusCode } = error as { statusCode?: number };
  return statusCode === 413 || statusCode === 400;
}

function logBug(world: World, error: unknown): void {
  world.config.log(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : "unknown"}`);
}

function sendInstagramRefusal(reply: FastifyReply, { message }: InstagramError): FastifyReply {
  return sendGraph(reply, 400, { error_type: "OAuthException", code: 400, error_message: message });
}

function sendRefusal(reply: FastifyReply, { status, message, type, code, subcode }: GraphError): FastifyReply {
  const trace = `A${randomBytes(16).toString("base64url")}`;
  const body = { message, type, code, ...(subcode === null ? {} : { error_subcode: subcode }), fbtrace_id: trace };
  const word = code === 190 ? "invalid_token" : "invalid_request";
  const plain = message.replaceAll(/[^\x20-\x7e]|"/g, "'").slice(0, 300);
  return sendGraph(
    reply,
    status,
    { error: body },
    {
      "x-fb-trace-id": trace,
      "www-authenticate": `OAuth "Facebook Platform" "${word}" "${plain}"`,
    },
  );
}

/** Graph API answers are escaped like deliveries, and `<` as well, so that no browser reads markup in them. */
function sendGraph(reply: FastifyReply, status: number, value: unknown, headers: Record<string, string> = {}): FastifyReply {
  const body = Buffer.from(metaJson(value).toString("latin1").replaceAll("<", "\\u003C"), "latin1");
  return reply
    .code(status)
    .headers({
      "content-type": "application/json; charset=UTF-8",
      "cache-control": "private, no-cache, no-store, must-revalidate",
      "x-fb-request-id": randomBytes(8).toString("hex"),
      "x-fb-rev": "1000000000",
      "x-content-type-options": "nosniff",
      ...headers,
    })
    .send(body);
}
