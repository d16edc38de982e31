/** Which tunnel a request is for. Routing is by Host alone, so a Host that two parsers could read differently is refused. */

export type HostResult = { name: string; host: string } | { error: "BAD_HOST" | "TUNNEL_NOT_FOUND" };

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * @param rawHeaders names and values alternating, as received; Node's `headers` keeps only the first of two Host headers.
 * @param domain lower-case, without a dot at the end.
 * @param nameOfHost of a host that is not below the domain; null: nobody's.
 * @returns the name, and the host as it was sent, port included
 */
export function tunnelOf(
  rawHeaders: readonly string[],
  domain: string,
  nameOfHost: (host: string) => string | null = () => null,
): HostResult {
  let host: string | null = null;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const header = rawHeaders[i];
    if (header === undefined || header.length !== 4 || header.toLowerCase() !== "host") continue;
    if (host !== null) return { error: "BAD_HOST" };
    host = rawHeaders[i + 1] ?? "";
  }
  if (host === null) return { error: "BAD_HOST" };
  const match = /^([A-Za-z0-9.-]+?)\.?(?::([0-9]{1,5}))?$/.exec(host);
  if (!match || (match[2] !== undefined && Number(match[2]) > 65_535)) return { error: "BAD_HOST" };
  const name = (match[1] ?? "").toLowerCase();
  if (!name.endsWith(`.${domain}`)) {
    const named = nameOfHost(name);
    return named === null ? { error: "TUNNEL_NOT_FOUND" } : { name: named, host };
  }
  const label = name.slice(0, -domain.length - 1);
  return LABEL.test(label) ? { name: label, host } : { error: "TUNNEL_NOT_FOUND" };
}
