/** Who is calling, and what for: app tokens are `ID|SECRET`, user and page tokens are in the store. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { graphErrors } from "./errors.ts";
import type { App, Page, Token } from "./model.ts";
import { type Params, textParam } from "./request.ts";
import type { Store } from "./store.ts";

export type Caller =
  | { type: "app"; app: App }
  | { type: "user"; app: App; token: Token; accountId: string }
  | { type: "page"; app: App; token: Token; page: Page };

/** Throws GraphError 104, 190 or 101. */
export function identifyCaller(store: Store, token: string | null): Caller {
  if (token === null) throw graphErrors.tokenMissing();
  const bar = token.indexOf("|");
  if (bar !== -1) return { type: "app", app: appOf(store, token.slice(0, bar), token.slice(bar + 1)) };
  const known = store.tokens.get(token);
  const app = known && store.apps.get(known.appId);
  if (!known || !app) throw graphErrors.tokenUnreadable();
  requireAlive(known, store.clock.now());
  if (known.type === "user") return { type: "user", app, token: known, accountId: known.accountId ?? "" };
  const page = store.pages.get(known.pageId ?? "");
  if (!page) throw graphErrors.tokenUnreadable();
  return { type: "page", app, token: known, page };
}

/** Throws GraphError 101 (or 190, as set) for an unknown app, 190 for a wrong secret. */
export function appOf(store: Store, id: string, secret: string): App {
  const app = store.apps.get(id);
  if (!app) throw graphErrors.appUnknown(store.settings.unknownAppCode);
  if (!sameSecret(secret, app.secret)) throw graphErrors.tokenSignature();
  return app;
}

/** Subcode and text for a token that is not taken any more; null while it is. */
export function deathOf(token: Token, now: number): { subcode: number; why: string } | null {
  if (token.broken === "password") {
    return {
      subcode: 460,
      why:
        "The session has been invalidated because the user changed their password or Facebook has changed the session " +
        "for security reasons.",
    };
  }
  if (token.broken === "removed") return { subcode: 458, why: "The user has not authorized application." };
  if (token.broken === "invalid") return { subcode: 467, why: "The access token is invalid since the user has logged out." };
  if (token.broken === "session") return { subcode: 463, why: "Session has expired." };
  if (token.expiresAt === 0 || token.expiresAt > now) return null;
  return {
    subcode: 463,
    why: `Session has expired on ${new Date(token.expiresAt).toUTCString()}. The current time is ${new Date(now).toUTCString()}.`,
  };
}

function requireAlive(token: Token, now: number): void {
  const death = deathOf(token, now);
  if (death) throw graphErrors.tokenDead(death.subcode, death.why);
}

/** A proof that comes along must be right, also where none is demanded. With `appsecret_time` it is over `token|time`. */
export function checkProof(app: App, token: string | null, params: Params, now: number): void {
  const proof = textParam(params, "appsecret_proof");
  if (proof === null) {
    if (app.requireProof && token !== null) throw graphErrors.proofMissing();
    return;
  }
  const time = textParam(params, "appsecret_time");
  // Five minutes: as long as a signed time is taken is not documented.
  if (time !== null && Math.abs(now / 1_000 - Number(time)) > 300) throw graphErrors.proofWrong();
  const message = time === null ? (token ?? "") : `${token ?? ""}|${time}`;
  const expected = createHmac("sha256", app.secret).update(message).digest("hex");
  if (!sameSecret(proof, expected)) throw graphErrors.proofWrong();
}

/** Throws GraphError 200 where the token does not carry the permission. */
export function requireScope(store: Store, caller: Caller, scope: string, message?: string): void {
  if (caller.type === "app" || caller.token.scopes.includes(scope)) return;
  throw graphErrors.permission(store.settings.permissionStatus, message ?? `Requires ${scope} permission to manage the object`);
}

/** Compares in constant time, whatever the lengths. */
export function sameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(createHash("sha256").update(given).digest(), createHash("sha256").update(expected).digest());
}
