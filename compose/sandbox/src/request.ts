/** Reads parameters the way the Graph API does: from query, form, multipart and JSON, structured ones also as text inside a form. */
import JSON5 from "json5";
import qs from "qs";
import { graphErrors } from "./errors.ts";

/** Parameters by name: strings from query and forms, any JSON value from JSON bodies. */
export type Params = Record<string, unknown>;

/** A file of a multipart form. */
export interface Upload {
  name: string;
  type: string;
  bytes: Buffer;
}

export interface GraphRequest {
  method: string;
  /** The one asked for, e.g. `v26.0`; null where the path names none. */
  version: string | null;
  /** Decoded path segments after the version. */
  path: string[];
  params: Params;
  token: string | null;
  upload: Upload | null;
}

/** A call of the command channel. */
export interface Command {
  method: string;
  path: string;
  body: Params;
  upload: Upload | null;
}

/** The most that a form may nest and hold; what is beyond is dropped (qs). */
const FORM_LIMITS = { depth: 6, parameterLimit: 1_000, arrayLimit: 1_000, ignoreQueryPrefix: true } as const;

export interface RawRequest {
  method: string;
  /** Path and query as they came. */
  url: string;
  authorization: string | undefined;
  /** Already read body, by its content type. */
  body: Params;
  upload: Upload | null;
}

/** `?method=delete` stands for the method, as old clients send it. */
export function readGraphRequest(raw: RawRequest): GraphRequest {
  const at = raw.url.indexOf("?");
  const pathname = at === -1 ? raw.url : raw.url.slice(0, at);
  const params: Params = { ...parseForm(at === -1 ? "" : raw.url.slice(at + 1)), ...raw.body };
  const segments = pathname.split("/").filter(Boolean).map(decodeSegment);
  const version = /^v\d+\.\d+$/.test(segments[0] ?? "") ? (segments.shift() ?? null) : null;
  const asked = textParam(params, "method")?.toUpperCase() ?? "";
  const method = raw.method !== "DELETE" && ["GET", "POST", "DELETE"].includes(asked) ? asked : raw.method;
  const token = textParam(params, "access_token") ?? headerToken(raw.authorization);
  return { method, version, path: segments, params, token, upload: raw.upload };
}

/** `a=1&b[c]=2` */
export function parseForm(text: string): Params {
  return qs.parse(text, FORM_LIMITS) as Params;
}

/** Throws GraphError for what is no JSON object. An empty body is none at all: Meta's sample client announces JSON and sends nothing. */
export function parseJsonBody(text: string): Params {
  if (text.trim() === "") return {};
  try {
    const value = JSON.parse(keepLongNumbers(text)) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Params;
  } catch {
    // answered below
  }
  throw graphErrors.parameterWrong("body", "must be a JSON object");
}

/** The token of `Authorization: Bearer <token>` or `OAuth <token>`. */
export function headerToken(authorization: string | undefined): string | null {
  return /^(?:Bearer|OAuth)\s+(.+)$/i.exec(authorization ?? "")?.[1]?.trim() ?? null;
}

export function textParam(params: Params, name: string): string | null {
  const value = params[name];
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}

export function flagParam(params: Params, name: string): boolean {
  return ["true", "1"].includes(textParam(params, name) ?? "");
}

/** A list given as JSON array, as comma string (spaces after commas are fine, Meta's own sample sends them) or as JSON text. */
export function listParam(params: Params, name: string): string[] | null {
  const value = structured(params[name]);
  // A form with `a[5]=x` and no smaller index arrives as an object, `a[]=` as a list of one empty text.
  if (typeof value === "object" && value !== null) {
    const items = Object.values(value).map(String).filter(Boolean);
    return items.length === 0 ? null : items;
  }
  if (typeof value !== "string" || value.trim() === "") return null;
  return value
    .split(",")
    .map((item) => item.trim())
    .filter(Boolean);
}

/**
 * An object given as JSON, by brackets in a form, or as text; the text may have single quotes and bare keys, as Meta's curls have. In an
 * address curl takes braces for itself: `{'id':'1'}` arrives without them.
 */
export function objectParam(params: Params, name: string): Record<string, unknown> | null {
  const given = params[name];
  const bare = typeof given === "string" && /^\s*(['"]?)\w+\1\s*:/.test(given);
  const value = structured(bare ? `{${given}}` : given);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}

export function arrayParam(params: Params, name: string): unknown[] | null {
  const value = structured(params[name]);
  return Array.isArray(value) ? value : null;
}

function structured(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON5.parse(keepLongNumbers(value)) as unknown;
  } catch {
    return value;
  }
}

/** Ids above 2^53 lose digits as numbers: those outside of strings are put into quotes. */
function keepLongNumbers(text: string): string {
  return text.replaceAll(/("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<![\w.+-])(\d{16,})(?![\w.])/g, (_, quoted: string | undefined, digits) =>
    quoted === undefined ? `"${digits}"` : quoted,
  );
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
