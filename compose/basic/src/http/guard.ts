/**
 * Who may talk to API, page and WebSocket: only requests addressed to this machine by its own names (else a site whose name was pointed
 * at 127.0.0.1 could read conversations: DNS rebinding), and, where a browser says which page asks, only our own page and those that the
 * configuration names.
 */
import type { IncomingHttpHeaders } from "node:http";

const loopback = ["localhost", "127.0.0.1", "[::1]"];

export interface Guard {
  /** Says why a request is refused, or null. */
  refuses(headers: IncomingHttpHeaders): string | null;
  /** The origin of another page that may read answers, or null. */
  sharedWith(headers: IncomingHttpHeaders): string | null;
}

/**
 * @param allowedHosts names beside the loopback ones, without port.
 * @param allowedOrigins origins of other pages, e.g. `http://localhost:3000`; `*` in one stands for any text without a slash, alone for
 * all.
 */
export function createGuard(allowedHosts: string[], allowedOrigins: string[]): Guard {
  const allowed = new Set([...loopback, ...allowedHosts.map((host) => host.toLowerCase())]);
  const patterns = allowedOrigins.map((pattern) => {
    if (pattern === "*") return /^/;
    const escaped = pattern.toLowerCase().replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`);
    return new RegExp(`^${escaped.replaceAll("*", "[^/]*")}$`);
  });

  function own(host: string | undefined): URL | null {
    const usable = host !== undefined && /^[\w.[\]:-]+$/.test(host) && URL.canParse(`http://${host}`);
    const url = usable ? new URL(`http://${host}`) : null;
    return url !== null && allowed.has(url.hostname) ? url : null;
  }

  function sharedWith({ origin }: IncomingHttpHeaders): string | null {
    return origin !== undefined && patterns.some((pattern) => pattern.test(origin.toLowerCase())) ? origin : null;
  }

  return {
    sharedWith,
    refuses(headers) {
      const url = own(headers.host);
      if (url === null) return "foreign Host";
      const { origin } = headers;
      // What another local port serves is another page: somebody's project, or another user's.
      const ours = origin === undefined || origin.replace(/^https:/, "http:") === url.origin;
      return ours || sharedWith(headers) !== null ? null : "foreign Origin";
    },
  };
}
