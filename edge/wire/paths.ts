/** How a path is compared with a prefix. Both ends do it: the agent exposes prefixes, the edge holds for them. */

/**
 * The decoded path of a request target, or null for one that two programs might read differently: dot segments (for Tomcat `..;x` is one,
 * too), an empty segment, a backslash, an encoded slash, backslash or dot, encoded once or twice, control characters, broken encoding.
 */
export function decodedPath(target: string): string | null {
  const raw = target.split("?", 1)[0] ?? "";
  if (!raw.startsWith("/") || raw.includes("\\") || raw.includes("#") || raw.includes("//")) return null;
  if (/%(?:25)*(?:2e|2f|5c|[01][0-9a-f]|7f)/i.test(raw)) return null;
  try {
    const path = decodeURIComponent(raw);
    return path.split("/").some((segment) => /^\.\.?(?:;|$)/.test(segment)) ? null : path;
  } catch {
    return null;
  }
}

/** `/facebook` covers itself and `/facebook/...`, not `/facebook2`; `/` covers everything. */
export function isUnder(path: string, prefix: string): boolean {
  const base = prefix.replace(/\/+$/, "");
  return path === base || path.startsWith(`${base}/`);
}
