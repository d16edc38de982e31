/** Answers, and the headers every answer carries. */

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
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

/** The shape Airy Core's framework gives to a request it cannot read or does not let in, with the reason added. */
export function springError(status: number, error: string, path: string, reason: string): Reply {
  return json(status, { timestamp: new Date().toISOString(), status, error, message: reason, path });
}

/** What the answers of an API need: nothing in them may be run, framed, sniffed, cached or read by another site. */
export const securityHeaders: Record<string, string> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
};
