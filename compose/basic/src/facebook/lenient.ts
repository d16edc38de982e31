/** Members of a delivery, taken as far as they are understood: Meta writes null for absent, and text for numbers and booleans. */

type Members = Record<string, unknown>;

/** An object, or null for everything else. */
export function members(value: unknown): Members | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : null;
}

/** A list; anything else counts as an empty one. */
export function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** An id as text; null where there is none. */
export function idOf(value: unknown): string | null {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  return typeof value === "string" && value.trim() !== "" ? value : null;
}

export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** True, 1 and their texts; nothing else. */
export function flag(value: unknown): boolean {
  return value === true || value === 1 || (typeof value === "string" && /^\s*(true|1|yes)\s*$/i.test(value));
}

/** Everything but absent and a clear no: for what must not be overlooked, as a deletion. */
export function unlessDenied(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0) return false;
  return !(typeof value === "string" && /^\s*(false|0|no|null)?\s*$/i.test(value));
}

/** Facebook has no messages from before 2004; clocks differ by less than a day. */
const EARLIEST_MS = Date.UTC(2004, 0, 1);
const AHEAD_MS = 24 * 3_600_000;
/** Milliseconds have been more than this since 1973, seconds will be until the year 5138. */
const SECONDS_BELOW = 100_000_000_000;

/** Milliseconds, seconds, or a date, as number or text; what is absent or absurd is replaced by the time of receipt. */
export function timeOf(value: unknown, receivedAt: Date): Date {
  const at = milliseconds(value);
  if (at === null || !(at >= EARLIEST_MS && at <= receivedAt.getTime() + AHEAD_MS)) return receivedAt;
  return new Date(at);
}

function milliseconds(value: unknown): number | null {
  if (typeof value === "string" && !/^\s*\d+(\.\d+)?\s*$/.test(value)) {
    const parsed = Date.parse(value);
    return Number.isNaN(parsed) ? null : parsed;
  }
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  if (!Number.isFinite(number)) return null;
  return Math.floor(number < SECONDS_BELOW ? number * 1_000 : number);
}

const byWord: Record<string, string> = {
  smile: "😆",
  laugh: "😆",
  haha: "😆",
  angry: "😠",
  sad: "😢",
  wow: "😮",
  love: "❤️",
  like: "👍",
  dislike: "👎",
  yes: "👍",
  no: "👎",
};

/** A reaction as a sign: decoded where it is written as `\u{2764}`, made of its word where there is none. */
export function emojiOf(emoji: unknown, word: unknown): string {
  const decoded = (textOf(emoji) ?? "").replaceAll(/\\u\{([0-9a-f]{1,6})\}/gi, (found, hex: string) => {
    const point = Number.parseInt(hex, 16);
    return point <= 0x10_ff_ff ? String.fromCodePoint(point) : found;
  });
  if (decoded.trim() !== "") return decoded.slice(0, 64);
  const named = textOf(word)?.trim().toLowerCase() ?? "";
  return byWord[named] ?? "👍";
}
