/** Turns a typed function into a route: JSON body read, bounded, parsed with its schema. */
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { createBodyReader } from "../http/body.ts";
import type { Reply } from "../http/reply.ts";
import type { App } from "../http/server.ts";
import { write } from "../http/server.ts";

const LIMITS = { each: 1024 * 1024, together: 32 * 1024 * 1024 };
/** Deeper nesting is no message, and overflows the stack of whoever writes it as JSON again. */
const MAX_DEPTH = 100;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Answers by status; null where there is no body. */
type Answers = Record<number, z.ZodType | null>;

export interface EndpointOptions<Schema extends z.ZodType> {
  body: Schema;
  answers: Answers;
}

export type Endpoint = ReturnType<typeof createEndpoints>;

/** Business errors have `message` alone, requests that cannot be read the shape of Airy Core's framework. */
const problem = z.object({
  message: z.string(),
  timestamp: z.string().optional(),
  status: z.number().optional(),
  error: z.string().optional(),
  path: z.string().optional(),
});

/**
 * Adds JSON endpoints to `app`. A missing body counts as `{}`, because Airy's client sends none where all fields are optional; whatever
 * content type is claimed, the body is read as JSON.
 */
export function createEndpoints(app: App) {
  const read = createBodyReader(LIMITS);
  const releases = new WeakMap<IncomingMessage, () => void>();
  app.addHook("onRequest", (request, reply, done) => {
    reply.raw.once("close", () => releases.get(request.raw)?.());
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", async (_request: unknown, payload: IncomingMessage) => {
    const got = await read(payload);
    if (!got.ok && got.reason === "too large") throw httpError(413, "the body is larger than 1 MB");
    if (!got.ok) throw httpError(503, "too many requests at once");
    releases.set(payload, got.release);
    if (got.body.length === 0) return {};
    return parseJson(got.body);
  });

  /** @param paths the name of the endpoint first, then other spellings of it. */
  return function endpoint<Schema extends z.ZodType>(
    paths: string | string[],
    { body, answers }: EndpointOptions<Schema>,
    work: (body: z.output<Schema>) => Promise<Reply>,
  ): void {
    const response = Object.fromEntries(
      Object.entries({ ...answers, 400: problem, 413: problem, 503: problem }).map(([status, schema]) => [
        status,
        schema ?? z.undefined().describe("no body"),
      ]),
    );
    for (const [index, url] of [paths].flat().entries()) {
      app.route({
        method: "POST",
        url,
        schema: { body, response, operationId: index === 0 ? url.slice(1) : `${url.slice(1)}.alias`, hide: index > 0 },
        preValidation: (request, _reply, done) => {
          if (request.body === undefined) (request as { body: unknown }).body = {};
          done();
        },
        handler: async (request, reply) => write(reply, await work(request.body as z.output<Schema>)),
      });
    }
  };
}

function parseJson(body: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(body));
  } catch {
    throw httpError(400, "the body is not JSON");
  }
  if (deeperThan(value, MAX_DEPTH)) throw httpError(400, `the body is nested deeper than ${MAX_DEPTH} levels`);
  return value;
}

/** Without recursion: what is measured here may be deeper than the stack. */
function deeperThan(value: unknown, depth: number): boolean {
  let level: unknown[] = [value];
  for (let at = 0; level.length > 0; at += 1) {
    if (at > depth) return true;
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
  }
  return false;
}

function httpError(statusCode: number, text: string): Error {
  return Object.assign(new Error(text), { statusCode });
}
