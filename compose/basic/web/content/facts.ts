/** Labels and values of what a source sends in a shape that nobody foresaw. */
import type { Fact } from "./parts.ts";
import { type Bag, line, readable, word } from "./text.ts";

/** The plain members of an object; what is nested or machine-made (ids) is left out. */
export function factsOf(object: Bag): Fact[] {
  return Object.entries(object)
    .flatMap(([key, value]): Fact[] => {
      const plain = typeof value === "boolean" ? String(value) : word(value);
      return plain === null || /(^|_)(id|url)$/.test(key) ? [] : [[readable(key), readableValue(plain)]];
    })
    .slice(0, 12);
}

function readableValue(value: string): string {
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value)) {
    // Safari wants the colon in "+00:00", which Meta leaves out.
    const date = new Date(value.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
    if (!Number.isNaN(date.getTime())) return date.toLocaleString(undefined, { dateStyle: "full", timeStyle: "short" });
  }
  return /^[A-Z][A-Z_]{3,}$/.test(value) ? readable(value.toLowerCase()) : line(value, 500);
}
