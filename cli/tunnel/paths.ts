/** Which request targets are public. Only used where a client exposes less than everything. */

export type PathVerdict = "exposed" | "hidden" | "malformed";

/**
 * `/facebook` exposes itself and `/facebook/...`, compared on the decoded path. A path that two programs might read differently is
 * malformed: dot segments (for Tomcat `..;x` is one, too), an empty segment, a backslash, an encoded slash, backslash or dot, encoded
 * once or twice, control characters.
 */
export function verdictOf(target: string, prefixes: readonly string[]): PathVerdict {
  if (prefixes.length === 0) return "exposed";
  const raw = target.split("?", 1)[0] ?? "";
  if (!raw.startsWith("/") || raw.includes("\\") || raw.includes("#") || raw.includes("//")) return "malformed";
  if (/%(?:25)*(?:2e|2f|5c|[01][0-9a-f]|7f)/i.test(raw)) return "malformed";
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return "malformed";
  }
  if (path.split("/").some((segment) => /^\.\.?(?:;|$)/.test(segment))) return "malformed";
  return prefixes.some((prefix) => isBelow(path, prefix)) ? "exposed" : "hidden";
}

function isBelow(path: string, prefix: string): boolean {
  const base = prefix.replace(/\/+$/, "");
  return path === base || path.startsWith(`${base}/`);
}
