/** Answers, and the headers every answer carries. */
import type { ServerResponse } from "node:http";

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** Thrown by a handler to answer something other than success. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly reply: Reply;

  constructor(reply: Reply) {
    super(`answered ${reply.status}`);
    this.reply = reply;
  }
}

export function json(status: number, value: unknown): Reply {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

export function empty(status: number): Reply {
  return { status };
}

/** Airy's shape of a business error. */
export function message(status: number, text: string): Reply {
  return json(status, { message: text });
}

// What the answers of an API need: nothing in them may be run, framed, sniffed, cached or read by another site.
const always: Record<string, string> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
};

/** @param withBody false for HEAD. */
export function write(response: ServerResponse, reply: Reply, withBody: boolean): void {
  if (response.destroyed) return;
  const body = reply.body ?? "";
  response.writeHead(reply.status, {
    ...always,
    ...reply.headers,
    ...(reply.status === 204 ? {} : { "content-length": Buffer.byteLength(body) }),
  });
  response.end(withBody ? body : undefined);
}
