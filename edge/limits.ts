/** What an edge allows, in numbers that its operator may change while it runs. */
import { z } from "zod";

/** One limit: from 1 up, so that none of them is turned off by a slip. */
const limit = (usual: number, meaning: string) => z.int().min(1).max(1_000_000_000).default(usual).describe(meaning);

/** Each is a key of `limits` in a file of settings, and a NAME of `--limit NAME=NUMBER`. */
export const Limits = z.strictObject({
  "requests-in-flight": limit(1_000, "requests in flight of one tunnel"),
  "certificate-orders-per-hour": limit(20, "certificates that are ordered in an hour; a quarter is kept for renewals"),
  "first-certificates-per-week": limit(45, "certificates that are ordered in a week for names that had none"),
});
export type Limits = z.output<typeof Limits>;

export const DEFAULT_LIMITS: Limits = Limits.parse({});
