/** The last requests that came through the tunnel, newest first. */
import type { RequestRecord } from "../../events.ts";
import { durationText, sizeText, timeText } from "../format.ts";
import type { Frame } from "../frame.ts";
import { cutMiddle, type Line, printable, span, type Tone } from "../line.ts";
import type { View } from "../state.ts";

/** From this width on, the sizes of request and answer have columns of their own. */
const wide = 76;
/** On a wide terminal the numbers stay near the path. */
const widestPath = 60;
const methodWidth = 7;
const numberWidth = 9;

/** At most `rows` lines, the heading included; none when there is no room for both. */
export function requestLines(view: View, frame: Frame, rows: number): Line[] {
  if (rows < 2) return [];
  if (view.requests.length === 0) {
    const hint = view.sandbox ? `none yet: airy trigger message --text "hello"` : "none yet";
    return [[span(" Requests", "strong")], [span(` ${hint}`, "dim")]];
  }
  return [heading(frame), ...view.requests.slice(0, rows - 1).map((request) => row(request, frame))];
}

function heading(frame: Frame): Line {
  const room = pathWidth(frame);
  const left = span(` ${"Requests".padEnd(10 + methodWidth + room)}`, "strong");
  const columns = ["status", "took", ...(frame.width >= wide ? ["in", "out"] : [])];
  return [left, span(columns.map((name) => name.padStart(numberWidth)).join(""), "dim")];
}

function row(request: RequestRecord, frame: Frame): Line {
  const room = pathWidth(frame);
  const path = cutMiddle(shownPath(request.path, frame), room - 1, frame.glyphs.ellipsis).padEnd(room);
  const sizes = frame.width >= wide ? [sizeText(request.bytesIn), sizeText(request.bytesOut)] : [];
  const numbers = [durationText(request.durationMs), ...sizes].map((text) => text.padStart(numberWidth)).join("");
  return [
    span(` ${timeText(request.at, frame.now).slice(-8)}  `, "dim"),
    span(
      printable(request.method)
        .slice(0, methodWidth - 1)
        .padEnd(methodWidth),
    ),
    span(path),
    span((request.status === 0 ? "aborted" : String(request.status)).padStart(numberWidth), statusTone(request.status)),
    span(numbers),
  ];
}

/** Without the query: verify tokens travel in it (`hub.verify_token`). */
function shownPath(path: string, frame: Frame): string {
  const [before = "", query] = path.split("?", 2);
  return printable(before) + (query === undefined ? "" : `?${frame.glyphs.ellipsis}`);
}

function pathWidth(frame: Frame): number {
  const numbers = frame.width >= wide ? 4 : 2;
  return Math.min(widestPath, Math.max(4, frame.width - 11 - methodWidth - numbers * numberWidth));
}

function statusTone(status: number): Tone {
  if (status === 0 || status >= 500) return "bad";
  if (status >= 400) return "warn";
  return status >= 300 ? "dim" : "ok";
}
