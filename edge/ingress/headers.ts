/** What of a head goes on to the other side. Heads are flat arrays of names and values, so that order, case and repetition survive. */
import { answers } from "../errors.ts";
import { forwardedField, type Sender } from "./sender.ts";

/**
 * RFC 9110 section 7.6.1, and what browsers and proxies send in their place. Trailer fields are not passed on, so nothing may announce
 * them: Node throws where a message that is not chunked does (lib/_http_outgoing.js `_storeHeader`).
 */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Ours to say: whatever a stranger claims here is dropped. */
const FORWARDED = new Set(["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]);
/** Said by proxies, and of a trusted one not ours to drop. */
const ABOUT_SENDER = /^(?:x-forwarded-|x-real-ip$)/;

/** CGI, WSGI and PHP read `X_Forwarded_For` as `X-Forwarded-For`. */
function isOurs(lower: string, proxied: boolean): boolean {
  const name = lower.includes("_") ? lower.replaceAll("_", "-") : lower;
  if (FORWARDED.has(name) || name === "expect" || name === "x-request-id" || name.startsWith("airy-")) return true;
  return ABOUT_SENDER.test(name) && !(proxied && name === lower);
}

/** Request headers for the local service. */
export function requestHeaders(raw: readonly string[], sender: Sender, id: string, upgrade: string | null): string[] {
  const listed = connectionOptions(raw);
  const headers: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || isOurs(lower, sender.proxied)) continue;
    if (listed !== null && listed.has(lower)) continue;
    headers.push(name, raw[i + 1] ?? "");
  }
  headers.push("X-Forwarded-For", sender.chain, "X-Forwarded-Proto", sender.proto, "X-Forwarded-Host", sender.host);
  headers.push("Forwarded", forwardedField(sender), "X-Request-Id", id);
  if (upgrade !== null) headers.push("Connection", "Upgrade", "Upgrade", upgrade);
  return headers;
}

/**
 * Response headers for the public side.
 * @param id of the request; a local service that names one itself knows better.
 */
export function responseHeaders(raw: readonly string[], id: string): string[] {
  const listed = connectionOptions(raw);
  const headers: string[] = [];
  let named = false;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || (listed !== null && listed.has(lower))) continue;
    // A local service must not speak in the edge's name.
    if (lower === "airy-error" && (raw[i + 1] ?? "") in answers) continue;
    if (lower === "x-request-id") named = true;
    headers.push(name, lower === "set-cookie" ? withoutDomain(raw[i + 1] ?? "") : (raw[i + 1] ?? ""));
  }
  if (!named) headers.push("X-Request-Id", id);
  return headers;
}

/**
 * A cookie stays with the name that set it: with `Domain` a tunnel could set one for the whole domain of the edge, and so for everybody
 * else's. Attributes end at a semicolon, quoted or not (RFC 6265 section 5.2).
 */
function withoutDomain(cookie: string): string {
  return cookie.replaceAll(/;[\t ]*domain[\t ]*(?:=[^;]*)?(?=;|$)/gi, "");
}

/** Names that `Connection` declares to be for this hop only. `Host` and `Content-Length` are not for a client to remove. */
function connectionOptions(raw: readonly string[]): Set<string> | null {
  let listed: Set<string> | null = null;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() !== "connection") continue;
    for (const option of (raw[i + 1] ?? "").split(",")) {
      const name = option.trim().toLowerCase();
      if (name === "" || name === "close" || name === "keep-alive" || name === "host" || name === "content-length") continue;
      listed ??= new Set();
      listed.add(name);
    }
  }
  return listed;
}
