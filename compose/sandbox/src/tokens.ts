/** Who is calling: the app (token `ID|SECRET`) or the page. */
import { createHash, timingSafeEqual } from "node:crypto";
import { graphErrors } from "./errors.ts";

export type Caller = "app" | "page";

interface Known {
  app: { id: string; secret: string };
  page: { token: string };
}

/** Throws GraphError 104, 190 or 101. */
export function identifyCaller(known: Known, token: string | null): Caller {
  if (token === null) throw graphErrors.tokenMissing();
  if (sameSecret(token, known.page.token)) return "page";
  const bar = token.indexOf("|");
  if (bar === -1) throw graphErrors.tokenUnreadable();
  if (token.slice(0, bar) !== known.app.id) throw graphErrors.appUnknown();
  if (!sameSecret(token.slice(bar + 1), known.app.secret)) throw graphErrors.tokenSignature();
  return "app";
}

/** Compares in constant time, whatever the lengths. */
export function sameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(createHash("sha256").update(given).digest(), createHash("sha256").update(expected).digest());
}
