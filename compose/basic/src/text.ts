/** Text that came from outside, made fit for a Postgres `text` column or index. */
import { createHash } from "node:crypto";

// Lone halves of a surrogate pair: with the `u` flag, paired ones are one code point and do not match.
const unstorable = /\0|\p{Surrogate}/gu;

/** Replaces what Postgres cannot store in `text` or `jsonb` (NUL, lone surrogates) by U+FFFD. */
export function storable(text: string): string {
  return text.replaceAll(unstorable, "\ufffd");
}

/**
 * {@link storable}, and short enough for a btree index (Postgres refuses entries over 2704 bytes): longer text is replaced by its digest.
 */
export function storableKey(text: string): string {
  if (text.length <= 512) return storable(text);
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** A JSON value whose texts and keys are all {@link storable}. */
export function storableJson(value: unknown): unknown {
  if (typeof value === "string") return storable(value);
  if (Array.isArray(value)) return value.map(storableJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [storable(key), storableJson(member)]));
}
