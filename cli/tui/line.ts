/**
 * A screen is a list of lines, a line a list of spans; both are plain data, so that height and width are decided before anything is
 * drawn and can be tested without a terminal. Every character is one column wide: `printable` sees to it.
 */

export type Tone = "plain" | "ok" | "busy" | "warn" | "bad" | "dim" | "strong" | "link";

export interface Span {
  text: string;
  tone: Tone;
}

export type Line = Span[];

export function span(text: string, tone: Tone = "plain"): Span {
  return { text, tone };
}

export const blank: Line = [];

export function widthOf(line: Line): number {
  return line.reduce((sum, s) => sum + s.text.length, 0);
}

/**
 * Text from outside made safe for a column: control characters (a path or a log line could carry escape sequences), wide glyphs and
 * combining marks become `?`, white space becomes a space. Letters of the Latin, Greek and Cyrillic scripts and the marks of our own glyph sets stay.
 */
export function printable(text: string): string {
  return text
    .replaceAll(/[\s]+/g, " ")
    .replaceAll(/[^\u0020-\u007e\u00a1-\u00ac\u00ae-\u02af\u0370-\u0482\u048a-\u052f\u2013\u2014\u2018-\u201d\u2026]/gu, "?");
}

/** Cut at the end, with the ellipsis in the last column. */
export function cutEnd(text: string, width: number, ellipsis: string): string {
  if (text.length <= width) return text;
  if (width <= ellipsis.length) return text.slice(0, Math.max(0, width));
  return text.slice(0, width - ellipsis.length) + ellipsis;
}

/** Cut in the middle: of a URL both the host and the end of the path matter. */
export function cutMiddle(text: string, width: number, ellipsis: string): string {
  if (text.length <= width) return text;
  if (width <= ellipsis.length + 2) return cutEnd(text, width, ellipsis);
  const kept = width - ellipsis.length;
  const head = Math.ceil(kept / 2);
  return text.slice(0, head) + ellipsis + text.slice(text.length - (kept - head));
}

/** The line cut to a width; what stays keeps its tone. */
export function cutLine(line: Line, width: number, ellipsis: string): Line {
  if (widthOf(line) <= width) return line;
  const kept: Line = [];
  let left = width;
  for (const part of line) {
    if (part.text.length > left || (part.text.length === left && part !== line.at(-1))) {
      kept.push(span(cutEnd(part.text + ellipsis, left, ellipsis), part.tone));
      break;
    }
    kept.push(part);
    left -= part.text.length;
  }
  return kept;
}

/** `left` and `right` on one line of exactly `width` columns; `left` gives way when both do not fit. */
export function justify(left: Line, right: Line, width: number, ellipsis: string): Line {
  const room = width - widthOf(right) - 1;
  const cut = cutLine(left, Math.max(0, room), ellipsis);
  return [...cut, span(" ".repeat(Math.max(1, width - widthOf(right) - widthOf(cut)))), ...right];
}
