/** Glyphs and colours. A glyph never stands alone: a word beside it says the same, and colour adds nothing that the word does not say. */
import type { Tone } from "./line.ts";

export interface Glyphs {
  ok: string;
  warn: string;
  bad: string;
  idle: string;
  /** Shown one after the other while something runs. */
  busy: readonly string[];
  ellipsis: string;
  separator: string;
}

/** The marks Compose uses; all of them one column wide. */
const unicode: Glyphs = { ok: "✔", warn: "!", bad: "✘", idle: "·", busy: ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇"], ellipsis: "…", separator: "·" };

const ascii: Glyphs = { ok: "+", warn: "!", bad: "x", idle: ".", busy: ["|", "/", "-", "\\"], ellipsis: "...", separator: "-" };

export function glyphsFor(utf8: boolean): Glyphs {
  return utf8 ? unicode : ascii;
}

/** Properties of Ink's `Text` for a tone; only the 16 colours of the terminal's own palette, so that light and dark both work. */
export function textStyle(tone: Tone): { color?: string; bold?: boolean; dimColor?: boolean } {
  switch (tone) {
    case "plain":
      return {};
    case "ok":
      return { color: "green" };
    case "busy":
      return { color: "cyan" };
    case "warn":
      return { color: "yellow" };
    case "bad":
      return { color: "red" };
    case "dim":
      return { dimColor: true };
    case "strong":
      return { bold: true };
    case "link":
      return { color: "cyan" };
  }
}
