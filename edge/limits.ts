/** What an edge allows, in numbers that its operator may change while it runs. Networks are /24 of IPv4 and /48 of IPv6. */
import { z } from "zod";

/** One limit: from 1 up, so that none of them is turned off by a slip. */
const limit = (usual: number, meaning: string) => z.int().min(1).max(1_000_000_000).default(usual).describe(meaning);

/**
 * Each is a key of `limits` in a file of settings, and a NAME of `--limit NAME=NUMBER`. What is usual fits an edge among friends, where one
 * tunnel may use all of the machine; templates/airy-edge.env has stricter ones for an edge that is open to all.
 */
export const Limits = z.strictObject({
  "requests-in-flight": limit(1_000, "requests in flight of one tunnel, open WebSockets included (503 TOO_MANY_REQUESTS)"),
  "requests-in-flight-per-network": limit(500, "of those, requests that come from one network (429 SENDER_BUSY)"),
  "requests-per-second": limit(50_000, "requests per second of one tunnel, in bursts of up to two seconds' worth (429 RATE_LIMITED)"),
  "megabytes-per-day": limit(1_000_000, "MB of bodies and WebSockets of one tunnel per day (UTC), both ways together (429 BYTES_USED_UP)"),
  "buffered-megabytes": limit(
    96,
    "MB of one tunnel's answers that wait for slow readers, before it gets no more requests (503 TUNNEL_BUSY)",
  ),
  "body-bytes-per-second": limit(64, "what a request's body has to bring, on average over 30 s (408 BODY_TOO_SLOW)"),
  "header-seconds": limit(10, "for the head of a request to arrive (408 REQUEST_TIMEOUT)"),
  "connections-per-network": limit(2_000, "HTTP connections of one network (429 TOO_MANY_CONNECTIONS)"),
  "new-connections-per-second": limit(
    20_000,
    "new HTTP connections of one network, in bursts of up to two seconds' worth (429 TOO_MANY_CONNECTIONS)",
  ),
  "ssh-connections-per-key": limit(20, "SSH connections of one key"),
  "ssh-connections-per-network": limit(20_000, "SSH connections of one network"),
  "ssh-logins": limit(1_024, "SSH connections that have not proven a key yet, in all"),
  "ssh-logins-per-network": limit(256, "of those, the ones that come from one network"),
  "tunnels-per-key": limit(10, "names that one key has tunnels for at the same time (TOO_MANY_TUNNELS)"),
  "claims-per-hour": limit(1_000, "new names that clients of one network may claim in an hour (TOO_MANY_CLAIMS)"),
  "certificate-orders-per-hour": limit(20, "certificates that are ordered in an hour; a quarter is kept for renewals"),
  "first-certificates-per-week": limit(45, "certificates that are ordered in a week for names that had none"),
});
export type Limits = z.output<typeof Limits>;
export type LimitName = keyof Limits;

const LIMIT_NAMES = Object.keys(Limits.shape) as LimitName[];

export const DEFAULT_LIMITS: Limits = Limits.parse({});

/** What has changed, a line each. */
export function changedLimits(before: Limits, after: Limits): string[] {
  return LIMIT_NAMES.filter((name) => before[name] !== after[name]).map((name) => `limit: ${name} ${after[name]}`);
}

/** How often each limit has refused something. */
export class Refusals {
  readonly #counts = new Map<LimitName, number>(LIMIT_NAMES.map((name) => [name, 0]));

  /** To be handed on. */
  readonly add = (limit: LimitName): void => {
    this.#counts.set(limit, (this.#counts.get(limit) ?? 0) + 1);
  };

  entries(): Iterable<[LimitName, number]> {
    return this.#counts;
  }
}
