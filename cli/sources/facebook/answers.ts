/** Reading what somebody else answered, and what is shown of it. */

const SHOWN_BYTES = 80;

/** The first 80 bytes on one line, without control characters (an answer must not steer the terminal it is shown on). */
export function firstBytes(body: Uint8Array): string {
  return inertLine(Buffer.from(body.subarray(0, SHOWN_BYTES)).toString("utf8"));
}

/** Somebody else's text on one line: no control characters, and none that turn the direction of writing. */
export function inertLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
}

/** An address that somebody else has written down: what could steer a terminal is percent-encoded, as every URL parser would have it. */
export function inertUrl(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, encodeURIComponent);
}

/** Node's code of a failed request (ECONNREFUSED, ENOTFOUND, ETIMEDOUT, a TLS code). */
export function networkCode(error: unknown): string {
  if (error instanceof Error && "code" in error) return String(error.code);
  return error instanceof Error ? error.message : "unknown";
}

/** The body as JSON; undefined when it is none. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
