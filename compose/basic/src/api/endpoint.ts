/** Turns a typed function into a handler: JSON body read, bounded, parsed with its schema. */
import { z } from "zod";
import { createBodyReader } from "../http/body.ts";
import type { Reply } from "../http/reply.ts";
import { json, message } from "../http/reply.ts";
import type { Handler } from "../http/server.ts";

const LIMITS = { each: 1024 * 1024, together: 32 * 1024 * 1024 };
const read = createBodyReader(LIMITS);

/** A missing body counts as `{}`, because Airy's client sends none where all fields are optional. */
export function endpoint<Schema extends z.ZodType>(schema: Schema, work: (body: z.output<Schema>) => Promise<Reply>): { POST: Handler } {
  return {
    POST: async (request, { pathname }) => {
      const got = await read(request);
      if (!got.ok)
        return got.reason === "too large" ? message(413, "the body is larger than 1 MB") : message(503, "too many requests at once");
      try {
        const given = parseJson(got.body);
        if (given === undefined) return badRequest(pathname, "the body is not JSON");
        const parsed = schema.safeParse(given);
        return parsed.success ? await work(parsed.data) : badRequest(pathname, z.prettifyError(parsed.error));
      } finally {
        got.release();
      }
    },
  };
}

/** The shape Airy Core's framework gives to a request it cannot read, with the reason added. */
function badRequest(path: string, reason: string): Reply {
  return json(400, { timestamp: new Date().toISOString(), status: 400, error: "Bad Request", message: reason, path });
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
