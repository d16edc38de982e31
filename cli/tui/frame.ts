/** The frame policy: how big a frame may be. The last row and the last column stay free, so that no terminal ever scrolls or wraps. */
import { cutLine, type Line, span } from "./line.ts";
import { type Glyphs, glyphsFor } from "./theme.ts";

export interface Frame {
  /** Columns and rows that may be used; already without the free ones. */
  width: number;
  height: number;
  /** Epoch milliseconds. */
  now: number;
  /** Which of the busy glyphs is shown. */
  tick: number;
  utf8: boolean;
  glyphs: Glyphs;
}

export function frameOf(size: { columns: number; rows: number }, at: { now: number; tick: number }, utf8: boolean): Frame {
  return { width: Math.min(size.columns, 200) - 1, height: size.rows - 1, now: at.now, tick: at.tick, utf8, glyphs: glyphsFor(utf8) };
}

/** Holds any screen to the frame: what is too high or too wide is cut, and outside UTF-8 nothing but ASCII is left. */
export function fit(lines: Line[], frame: Frame): Line[] {
  return lines.slice(0, frame.height).map((line) => {
    const narrow = frame.utf8 ? line : line.map((s) => span(s.text.replaceAll(/[^\u0020-\u007e]/g, "?"), s.tone));
    return cutLine(narrow, frame.width, frame.glyphs.ellipsis);
  });
}
