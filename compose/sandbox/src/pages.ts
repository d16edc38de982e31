/** Files for browsers: the chat page, pictures of people, and attachments. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { FastifyReply, FastifyRequest } from "fastify";
import { isLocalHost } from "./local.ts";
import { avatarOf, fullName, samplePictures } from "./people.ts";
import type { World } from "./world.ts";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

/** Pictures in templates come from anywhere; nothing else does. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data: https: http:",
  "media-src 'self' https: http:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The page itself holds no secret: the token comes in the fragment of its address. */
export async function chatFile(world: World, name: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { chatDir } = world.config;
  const type = types[path.extname(name)];
  if (!isLocalHost(request.headers.host ?? ""))
    return reply.code(421).type("text/plain").send("This page answers to this machine's own names only.\n");
  if (type === undefined || !/^[\w-]+\.[a-z]+$/.test(name)) return reply.code(404).type("text/plain").send("There is no such file.\n");
  const body = chatDir ? await readFile(path.join(chatDir, name)).catch(() => null) : null;
  if (body === null) return reply.code(404).type("text/plain").send("The chat page is not built.\n");
  return reply
    .headers({
      "content-type": type,
      "content-security-policy": policy,
      "cache-control": "no-cache",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    })
    .send(body);
}

/** What a stranger uploaded is shown in a sandbox, so that it can do nothing here. */
export async function publicFile(world: World, kind: "file" | "picture", id: string, reply: FastifyReply): Promise<FastifyReply> {
  const found = kind === "picture" ? pictureOf(world, id.replace(/\.svg$/, "")) : await attachment(world, id);
  if (found === null) return reply.code(404).type("text/plain").send("There is no such file.\n");
  return reply
    .headers({
      "content-type": found.type,
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      "x-content-type-options": "nosniff",
      "cache-control": "private, max-age=3600",
      "cross-origin-resource-policy": "cross-origin",
      ...(found.type === "application/octet-stream" ? { "content-disposition": "attachment" } : {}),
    })
    .send(found.body);
}

async function attachment(world: World, id: string): Promise<{ type: string; body: Buffer } | null> {
  const found = await world.files.read(id);
  return found && { type: found.file.type, body: found.bytes };
}

function pictureOf({ store }: World, id: string): { type: string; body: string } | null {
  const type = "image/svg+xml";
  const sample = Object.hasOwn(samplePictures, id) ? samplePictures[id] : undefined;
  if (sample !== undefined) return { type, body: sample };
  const customer = store.customers.get(id);
  if (customer) return { type, body: avatarOf(id, fullName(customer)) };
  const page = store.pages.get(id) ?? [...store.pages.values()].find(({ instagram }) => instagram?.id === id);
  return page ? { type, body: avatarOf(id, page.name) } : null;
}
