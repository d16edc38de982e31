/**
 * Who may talk to API, page and WebSocket: only requests addressed to this machine by its own names (else a site whose name was pointed
 * at 127.0.0.1 could read conversations: DNS rebinding), and, where a browser says which page asks, only our own page.
 */
import type { IncomingHttpHeaders } from "node:http";

const loopback = ["localhost", "127.0.0.1", "[::1]"];

/** Says why a request is refused, or null. */
export type Guard = (headers: IncomingHttpHeaders) => string | null;

/** @param allowedHosts names beside the loopback ones, without port. */
export function createGuard(allowedHosts: string[]): Guard {
  const allowed = new Set([...loopback, ...allowedHosts.map((host) => host.toLowerCase())]);
  return ({ host, origin }) => {
    const own = host !== undefined && /^[\w.[\]:-]+$/.test(host) && URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : null;
    if (own === null || !allowed.has(own.hostname)) return "foreign Host";
    // What another local port serves is another page: somebody's project, or another user's.
    if (origin !== undefined && origin.replace(/^https:/, "http:") !== own.origin) return "foreign Origin";
    return null;
  };
}
