/** Versions of the Graph API: an expired one silently runs as the oldest that is usable, one that never existed is refused. */
import { graphErrors } from "./errors.ts";
import type { Settings } from "./settings.ts";

/** Usable until (UTC), from Meta's changelog, late 2026; null: open. Everything older has ended. */
const usable: readonly (readonly [version: string, until: string | null])[] = [
  ["v21.0", "2027-01-21"],
  ["v22.0", "2027-05-20"],
  ["v23.0", "2027-10-08"],
  ["v24.0", "2028-02-18"],
  ["v25.0", "2028-07-29"],
  ["v26.0", null],
];

/** The minor versions that there were below v4.0. */
const early = ["v1.0", "v2.0", "v2.1", "v2.2", "v2.3", "v2.4", "v2.5", "v2.6", "v2.7", "v2.8", "v2.9", "v2.10", "v2.11", "v2.12"];

/** The version that a call runs as. Throws GraphError 2500. */
export function effectiveVersion(asked: string | null, settings: Settings, now: number): string {
  const version = asked ?? settings.defaultVersion;
  const current = usable.filter(([, until]) => until === null || Date.parse(until) > now).map(([name]) => name);
  if (current.includes(version)) return version;
  const oldest = current[0] ?? "v26.0";
  const major = Number(/^v(\d+)\.0$/.exec(version)?.[1] ?? 0);
  const newest = Number(/\d+/.exec(current.at(-1) ?? "")?.[0] ?? 0);
  const existed = early.includes(version) || ["v3.0", "v3.1", "v3.2", "v3.3"].includes(version) || (major >= 4 && major <= newest);
  if (!existed && settings.refuseUnknownVersions) throw graphErrors.unknownPath(`/${version}`);
  return oldest;
}
