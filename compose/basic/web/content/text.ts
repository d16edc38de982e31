/** Text of strangers: what of it may stand in a line of ours, what in it can be opened, and whether there is anything to see. */

export type Bag = Record<string, unknown>;

export function bag(value: unknown): Bag {
  return typeof value === "object" && value !== null ? (value as Bag) : {};
}

/** null for what is not text, or empty. */
export function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** Text, or a number as text; null for anything else. */
export function word(value: unknown): string | null {
  return typeof value === "number" ? String(value) : text(value);
}

/** Meta writes flags as text, too; what is there and does not say no, means yes. */
export function flag(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== "" && value !== "false" && value !== "0";
}

// Controls, direction overrides and isolates, and what has no width; not the joiners, which emoji and Persian need.
const unseen = /[\p{Cc}\u00AD\u061C\u200B\u200E\u200F\u202A-\u202E\u2028\u2029\u2060-\u206F\uFEFF\u{E0000}]/gu;
const blank = /^[\s\p{Cc}\p{Cf}\u034F\u115F\u1160\u17B4\u17B5\u2800\u3164\uFFA0]*$/u;

/** One line without what could rearrange or hide its surroundings: for names, titles and file names. */
export function line(value: string, longest = 200): string {
  const seen = value
    .slice(0, longest * 4)
    .replaceAll(/\s+/g, " ")
    .replaceAll(unseen, "")
    .trim();
  return shorten(seen, longest);
}

export function isBlank(value: string): boolean {
  return blank.test(value);
}

/** Never ends in half a character. */
export function shorten(value: string, longest: number): string {
  if (value.length <= longest) return value;
  return `${value.slice(0, longest).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/** Only ever http or https; null when there is nothing that may be opened. */
export function address(value: unknown): string | null {
  const given = text(value);
  return given !== null && /^https?:\/\//i.test(given) && URL.canParse(given) ? given : null;
}

/** `pages_show_list` -> "Pages show list". */
export function readable(name: string): string {
  const words = line(name.replaceAll("_", " "), 60);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export interface Run {
  text: string;
  /** Where it leads, when it is an address. */
  url: string | null;
}

/** Text cut into addresses and what is between them. */
export function runsOf(value: string): Run[] {
  const runs: Run[] = [];
  let from = 0;
  for (const found of value.matchAll(/https?:\/\/[^\s<>"\p{Cc}\u202A-\u202E\u2066-\u2069]+/giu)) {
    // A full stop or bracket behind an address belongs to the sentence.
    const whole = found[0].replace(/[.,;:!?'”’»)\]}]+$/, "");
    if (address(whole) === null) continue;
    if (found.index > from) runs.push({ text: value.slice(from, found.index), url: null });
    runs.push({ text: whole, url: whole });
    from = found.index + whole.length;
  }
  if (from < value.length) runs.push({ text: value.slice(from), url: null });
  return runs;
}
