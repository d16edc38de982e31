/** The rules of holding, as pure functions: what may be held, what an answer means, when to try again. */
import { decodedPath, isUnder } from "../wire/paths.ts";

/** The largest body that is held; the sender of a larger one is told to retry. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** For so long 401, 403 and 500 may be a service that is being set up; then they are its verdict. */
export const REFUSAL_PATIENCE_MS = 15 * 60 * 1000;

export interface Outcome {
  /** Status that the local service answered; null when there was no answer: refused, timed out, broke off, or no tunnel. */
  status: number | null;
  /** Since when this entry has been answered with nothing but 401, 403 or 500, in milliseconds; 0 for the first such answer. */
  refusedForMs: number;
}

export type Verdict = "delivered" | "retry" | "dead";

/** What becomes of an entry after an attempt. Only 2xx is a delivery; a redirect is not followed, so it is tried again. */
export function classify(outcome: Outcome): Verdict {
  const { status } = outcome;
  if (status === null) return "retry";
  if (status >= 200 && status < 300) return "delivered";
  if (isRefusal(status)) return outcome.refusedForMs >= REFUSAL_PATIENCE_MS ? "dead" : "retry";
  if (status === 408 || status === 425 || status === 429) return "retry";
  // 501 is what an agent answers itself where its HTTP client cannot send such a request; nothing changes that.
  if (status === 501) return "dead";
  return status >= 400 && status < 500 ? "dead" : "retry";
}

/** Whether this answer starts or continues the patience of {@link REFUSAL_PATIENCE_MS}; any other answer ends it. */
export function isRefusal(status: number | null): boolean {
  return status === 401 || status === 403 || status === 500;
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30_000;

/**
 * Milliseconds to wait after the `attempt`th attempt (from 1) has failed: doubling from 250 ms to 30 s, of which the second half is by
 * chance (`random` gives 0 to 1).
 */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(Math.max(attempt, 1) - 1, 16));
  return Math.round(full / 2 + (full / 2) * random());
}

export interface HoldRules {
  /** Path prefixes that the tunnel asked to be held, decoded, e.g. `/facebook`. */
  prefixes: readonly string[];
  /** Only POSTs with a well-formed `X-Hub-Signature-256` are held, so that strangers cannot fill the store with anything. */
  requireSignature: boolean;
}

export interface HoldCandidate {
  method: string;
  /** The request target as received: path and query. */
  target: string;
  /** Length of the body, or as much as is known of it so far. */
  bodyBytes: number;
  /** Every value of `X-Hub-Signature-256`. */
  signatures: readonly string[];
}

export type NotHeld = "METHOD" | "PATH" | "SIGNATURE" | "BODY_TOO_LARGE";

/** True, or why this request is never held. */
export function holdable(request: HoldCandidate, rules: HoldRules): true | NotHeld {
  if (request.method !== "POST") return "METHOD";
  const path = decodedPath(request.target);
  if (path === null || !rules.prefixes.some((prefix) => isUnder(path, prefix))) return "PATH";
  if (rules.requireSignature && !isWellFormed(request.signatures)) return "SIGNATURE";
  return request.bodyBytes > MAX_BODY_BYTES ? "BODY_TOO_LARGE" : true;
}

function isWellFormed(signatures: readonly string[]): boolean {
  const [signature] = signatures;
  return signatures.length === 1 && signature !== undefined && /^sha256=[0-9a-f]{64}$/.test(signature);
}
