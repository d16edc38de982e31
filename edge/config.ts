/** What an edge is told when it starts. */
import { EdgeError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Limits } from "./limits.ts";
import type { TlsConfig } from "./tls/open.ts";
import type { AccessConfig } from "./ssh/access.ts";

export interface EdgeConfig {
  /** Names are `<identifier>.<domain>`. */
  domain: string;
  /** Port 0 picks a free one. */
  ssh: { host: string; port: number };
  http: { host: string; port: number };
  /** TLS, and SSH for those who get out by no other port; null or absent: no such listener. */
  https?: { host: string; port: number } | null;
  /** Where certificates come from; needed with `https`. */
  tls?: TlsConfig;
  /** Whether a browser that opens a page by http is sent to https. */
  redirect?: boolean;
  /** Health and state for the operator; null: none. */
  admin: { host: string; port: number } | null;
  /** Claims, the host key and held webhooks live here. */
  dataDir: string;
  /** Private host key in OpenSSH format; null: one is made in `dataDir` on first start. */
  hostKey: string | null;
  /** Which keys may connect; default: every key. */
  access?: AccessConfig;
  /** Port in the URLs that clients are told (443: https, whoever has the certificate); null: the listener's own. */
  publicPort: number | null;
  /** Proxies, as addresses or networks, of which it is believed from where a connection or request comes. */
  trust?: readonly string[];
  /** Default: those of limits.ts. */
  limits?: Limits;
  /** Hosts that are not below the domain, in lower case, and the name that each leads to. */
  hosts?: Readonly<Record<string, string>>;
  log: Log;
}

/** A name has 63 characters at most, a host name 253 (RFC 1035 section 2.3.4). */
const LONGEST_DOMAIN = 253 - 63 - 1;

/** The domain in lower case. Throws EDGE_DOMAIN for anything under which no Host header could ever name a tunnel. */
export function parseDomain(text: string): string {
  const reason = faultInDomain(text);
  if (reason) throw new EdgeError("EDGE_DOMAIN", `${JSON.stringify(text)} ${reason}. It is a name like tunnel.example.com.`);
  return text.toLowerCase();
}

/** What is wrong with a domain, as the end of a sentence; null: nothing. */
export function faultInDomain(text: string): string | null {
  if (text === "") return "is empty";
  if (text.includes("://")) return "is a URL";
  if (/:\d*$/.test(text)) return "has a port; the ports are --http and --public-port";
  if (text.includes("*")) return "has a wildcard; every name below the domain is meant anyway";
  if (text.endsWith(".")) return "ends with a dot";
  if (text.length > LONGEST_DOMAIN) return `is longer than ${LONGEST_DOMAIN} characters`;
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(text)) {
    return "is not a host name (letters, digits and hyphens between dots; other scripts as xn--...)";
  }
  return /(?:^|\.)\d+$/.test(text) ? "is an address, and there are no names below an address" : null;
}
