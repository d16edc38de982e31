/** Text from outside made safe for a column, and cut to it. Every character is one column wide afterwards. */

/**
 * Control characters (a path or a log line could carry escape sequences), wide glyphs and combining marks become `?`, white space becomes
 * a space. Letters of the Latin, Greek and Cyrillic scripts and the marks of our own glyph sets stay.
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

/** Without the query: verify tokens travel in it (`hub.verify_token`). */
export function shownPath(path: string, ellipsis: string): string {
  const [before = "", query] = path.split("?", 2);
  return printable(before) + (query === undefined ? "" : `?${ellipsis}`);
}

/** For terminals outside UTF-8: a frame of which nothing but ASCII and the colours is left. */
export function toAscii(frame: string): string {
  return frame.replaceAll("…", "~").replaceAll(/[\u0080-\u{10ffff}]/gu, "?");
}
