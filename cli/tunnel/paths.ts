/** Which request targets are public. Only used where a client exposes less than everything. */
import { decodedPath, isUnder } from "../../edge/wire/paths.ts";

export type PathVerdict = "exposed" | "hidden" | "malformed";

/** Malformed: a path that two programs might read differently. */
export function verdictOf(target: string, prefixes: readonly string[]): PathVerdict {
  if (prefixes.length === 0) return "exposed";
  const path = decodedPath(target);
  if (path === null) return "malformed";
  return prefixes.some((prefix) => isUnder(path, prefix)) ? "exposed" : "hidden";
}
