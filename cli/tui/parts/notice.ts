/** A warning, and what to do about it: on one line where both fit, on two where not. */
import type { Frame } from "../frame.ts";
import { cutLine, type Line, printable, span, widthOf } from "../line.ts";
import type { Notice } from "../state.ts";
import { mark } from "./mark.ts";

export function noticeLines(notice: Notice, frame: Frame): Line[] {
  const tone = notice.level === "fail" ? "bad" : "warn";
  const word = notice.level === "fail" ? "failed" : "warning";
  const text: Line = [span(" "), mark(tone, frame), span(` ${word} `, tone), span(printable(notice.text))];
  if (notice.action === null) return [cutLine(text, frame.width, frame.glyphs.ellipsis)];
  const action = span(printable(notice.action), "strong");
  const joined: Line = [...text, span(` ${frame.glyphs.separator} `), action];
  if (widthOf(joined) <= frame.width) return [joined];
  return [text, [span(`   ${frame.glyphs.separator} `), action]].map((line) => cutLine(line, frame.width, frame.glyphs.ellipsis));
}
