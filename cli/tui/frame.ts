/** How big a frame may be, and what it is drawn with. The last row and the last column stay free, so that no terminal scrolls or wraps. */
import { createContext, useContext } from "react";
import { type Glyphs, glyphsFor } from "./theme.ts";

export interface Frame {
  /** Columns and rows that may be used; already without the free ones. */
  width: number;
  height: number;
  /** Epoch milliseconds. */
  now: number;
  /** Which of the busy glyphs is shown. */
  tick: number;
  glyphs: Glyphs;
}

export function frameOf(size: { columns: number; rows: number }, at: { now: number; tick: number }, utf8: boolean): Frame {
  const width = Math.max(1, Math.min(size.columns, 200) - 1);
  return { width, height: Math.max(1, size.rows - 1), now: at.now, tick: at.tick, glyphs: glyphsFor(utf8) };
}

export const FrameContext = createContext<Frame>(frameOf({ columns: 80, rows: 24 }, { now: 0, tick: 0 }, true));

export function useFrame(): Frame {
  return useContext(FrameContext);
}
