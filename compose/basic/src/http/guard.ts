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
  const ours = (url: string) => {
    const parsed = URL.canParse(url) ? new URL(url) : null;
    return parsed !== null && /^https?:$/.test(parsed.protocol) && allowed.has(parsed.hostname);
  };
  return ({ host, origin }) => {
    if (host === undefined || !/^[\w.[\]:-]+$/.test(host) || !ours(`http://${host}`)) return "foreign Host";
    if (origin !== undefined && !ours(origin)) return "foreign Origin";
    return null;
  };
}
