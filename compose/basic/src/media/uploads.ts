/**
 * Files that clients upload to send them (`media.upload`). They are kept in the database and reached on this machine only: a source cannot
 * fetch them, so that the outbox hands it the bytes.
 */
import { randomUUID } from "node:crypto";
import multipart from "@fastify/multipart";
import type { FastifyRequest } from "fastify";
import type { Database } from "../database/connect.ts";
import { json, message } from "../http/reply.ts";
import type { Reply } from "../http/reply.ts";
import type { App } from "../http/server.ts";
import { write } from "../http/server.ts";
import { storable } from "../text.ts";

export interface Upload {
  name: string;
  /** As the client called it, e.g. `image/png`. */
  type: string;
  body: Buffer;
}

/** Meta takes attachments of up to 25 MB. */
const MOST_BYTES = 25 * 1024 * 1024;
/** Each is held in memory while it comes. */
const AT_ONCE = 4;
const PATH = "/media.file";

const insert = { name: "insert_upload", text: "insert into upload (id, name, type, body) values ($1, $2, $3, $4)" };
const select = { name: "upload_by_id", text: "select name, type, body from upload where id = $1" };

/** The file behind an address that `media.upload` has answered; null when it is none of ours. */
export async function uploadAt(database: Database, address: unknown): Promise<Upload | null> {
  if (typeof address !== "string" || !URL.canParse(address)) return null;
  const { pathname, searchParams } = new URL(address);
  return pathname === PATH ? byId(database, searchParams.get("id")) : null;
}

async function byId(database: Database, id: string | null): Promise<Upload | null> {
  if (id === null || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return null;
  const [row] = await database.query<Upload & Record<string, unknown>>(select, [id]);
  return row ?? null;
}

/** What can run scripts is never opened in the place of the inbox page. */
export function uploadHeaders({ name, type }: Upload): Record<string, string> {
  const shown = /^(image\/(?!svg)|audio\/|video\/)/.test(type);
  const disposition = `${shown ? "inline" : "attachment"}; filename*=UTF-8''${encodeURIComponent(name)}`;
  return {
    "content-type": shown ? type : "application/octet-stream",
    "content-disposition": disposition,
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, max-age=86400",
  };
}

const TOO_LARGE = "the file is larger than 25 MB";

/** The file in the form, or why there is none. */
async function read(request: FastifyRequest): Promise<Upload | string> {
  try {
    const part = await request.file();
    if (!part) return "there is no file in the form";
    const body = await part.toBuffer();
    if (part.file.truncated) return TOO_LARGE;
    const type = /^[\w.+-]+\/[\w.+-]+$/.test(part.mimetype) ? part.mimetype.toLowerCase() : "application/octet-stream";
    return { name: storable(part.filename ?? "").slice(0, 200) || "file", type, body };
  } catch (error) {
    return error instanceof Error && "statusCode" in error && error.statusCode === 413 ? TOO_LARGE : "the form cannot be read";
  }
}

export function uploadRoutes(app: App, database: Database): void {
  let coming = 0;

  async function take(request: FastifyRequest): Promise<Reply> {
    if (!request.isMultipart()) return message(400, "the file has to come as multipart/form-data");
    if (coming >= AT_ONCE) return message(503, "too many files at once");
    coming += 1;
    try {
      const got = await read(request);
      if (typeof got === "string") return got === TOO_LARGE ? message(413, got) : message(400, got);
      const id = randomUUID();
      await database.query(insert, [id, got.name, got.type, got.body]);
      return json(200, { media_url: `${request.protocol}://${request.headers.host ?? "localhost"}${PATH}?id=${id}` });
    } finally {
      coming -= 1;
    }
  }

  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    await scope.register(multipart, { limits: { fileSize: MOST_BYTES, files: 1, fields: 20, fieldSize: 10_000, parts: 21 } });
    for (const path of ["/media.upload", "/media.uploadFile"]) {
      scope.post(path, { schema: { hide: true } }, async (request, reply) => write(reply, await take(request)));
    }
  });
  app.get(PATH, { schema: { hide: true } }, async (request, reply) => {
    const { id } = request.query as { id?: unknown };
    const found = await byId(database, typeof id === "string" ? id : null);
    return write(reply, found ? { status: 200, headers: uploadHeaders(found), body: found.body } : message(404, "no such file"));
  });
}
