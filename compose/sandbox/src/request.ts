/** Reads HTTP requests the way the Graph API does: parameters from query, form body and JSON body, the token from any of them or as Bearer. */
import type { IncomingMessage } from "node:http";
import { graphErrors } from "./errors.ts";

/** Parameters by name: strings from query and forms, any JSON value from JSON bodies. */
export type Params = Record<string, unknown>;

export interface GraphRequest {
  method: string;
  /** `v26.0`; the newest where the path had none. */
  version: string;
  /** Decoded path segments after the version. */
  path: string[];
  params: Params;
  token: string | null;
}

const BODY_LIMIT_BYTES = 1024 * 1024;

/** Throws GraphError for a body that cannot be read. */
export async function readGraphRequest(req: IncomingMessage, url: URL, newestVersion: string): Promise<GraphRequest> {
  const body = await readBody(req);
  if (body === null) throw graphErrors.parameterWrong("body", "is too large");
  const params: Params = { ...Object.fromEntries(url.searchParams), ...parseBody(body, req.headers["content-type"] ?? "") };
  const segments = url.pathname.split("/").filter(Boolean).map(decodeSegment);
  const version = /^v\d+\.\d+$/.test(segments[0] ?? "") ? segments.shift() : undefined;
  return { method: req.method ?? "GET", version: version ?? newestVersion, path: segments, params, token: readToken(req, params) };
}

/** The whole body, or null when it is larger than 1 MB. */
export async function readBody(req: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= BODY_LIMIT_BYTES) chunks.push(chunk);
  }
  return size <= BODY_LIMIT_BYTES ? Buffer.concat(chunks) : null;
}

/** The token of `Authorization: Bearer <token>`. */
export function bearerToken(req: IncomingMessage): string | null {
  return /^Bearer\s+(.+)$/i.exec(req.headers.authorization ?? "")?.[1]?.trim() ?? null;
}

export function textParam(params: Params, name: string): string | null {
  const value = params[name];
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}

/** A list given as JSON array, as comma string (spaces after commas are fine, Meta's own sample sends them) or as JSON text. */
export function listParam(params: Params, name: string): string[] | null {
  const value = structured(params[name]);
  if (Array.isArray(value)) return value.map(String);
  if (typeof value !== "string" || value.trim() === "") return null;
  return value
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);
}

/** An object given as JSON or, in forms and queries, as JSON text. */
export function objectParam(params: Params, name: string): Record<string, unknown> | null {
  const value = structured(params[name]);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}

function structured(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

function parseBody(body: Buffer, contentType: string): Params {
  // Meta's sample client announces JSON and sends an empty body.
  if (body.length === 0) return {};
  if (!contentType.startsWith("application/json")) return Object.fromEntries(new URLSearchParams(body.toString("utf8")));
  try {
    const value = JSON.parse(body.toString("utf8")) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Params;
  } catch {
    // answered below
  }
  throw graphErrors.parameterWrong("body", "must be a JSON object");
}

function readToken(req: IncomingMessage, params: Params): string | null {
  return textParam(params, "access_token") ?? bearerToken(req);
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
