/** Progress of the start in the grammar of Compose: glyph, name, state, what it waits for, and at the right how long it has taken. */
import { elapsedText } from "../format.ts";
import type { Frame } from "../frame.ts";
import { blank, cutEnd, justify, type Line, printable, span, type Tone, widthOf } from "../line.ts";
import { mark, serviceTone, serviceWord, stepTone } from "../parts/mark.ts";
import { noticeLines } from "../parts/notice.ts";
import type { ServiceView, StepView, View } from "../state.ts";

const stateWidth = "unhealthy".length;
/** A detail that is cut shorter than this says nothing. */
const leastDetail = 12;

/**
 * ```
 *  airy up · starting                                    4.1s
 *
 *  ✔ Check this machine   done                           0.2s
 *  ⠙ Start the platform   running    postgres            3.9s
 *    ✔ postgres           healthy                        1.1s
 *    ⠙ platform           starting   waits for postgres  2.7s
 *  · Open the tunnel      pending
 *
 *  Ctrl-C stop the start
 * ```
 * The services stand below the step that is running. When the frame is too low, blank lines go first, then services that are up, then
 * steps that are done.
 */
export function startScreen(view: View, frame: Frame): Line[] {
  const header = justify(
    [span(" "), span("airy up", "strong"), span(` ${frame.glyphs.separator} starting`)],
    view.startedAt === null ? [] : [span(elapsedText(frame.now - Date.parse(view.startedAt)), "dim")],
    frame.width,
    frame.glyphs.ellipsis,
  );
  const keys: Line = [
    span(" "),
    span("Ctrl-C", "strong"),
    span(" stop the start"),
    span(frame.width >= 56 ? ", airy up resumes it" : "", "dim"),
  ];
  const room = frame.height - 2;
  const roomy = [blank, ...progress(view, frame, () => true), blank];
  if (roomy.length <= room) return [header, ...roomy, keys];
  const tight = progress(view, frame, (item) => item.ms === null);
  if (tight.length <= room) return [header, ...tight, keys];
  const hidden = span(` ${frame.glyphs.ellipsis} ${tight.length - room + 1} more`, "dim");
  return [header, ...tight.slice(0, room - 1), [hidden], keys];
}

/** What stays of the start in the scrollback: its steps and, where they say why it did not end well, the services. */
export function startRecord(view: View, frame: Frame): Line[] {
  return progress(view.readyAt === null ? view : { ...view, services: [] }, frame, () => true);
}

function progress(view: View, frame: Frame, shown: (item: StepView | ServiceView) => boolean): Line[] {
  const names = [...view.steps.map((s) => s.title.length + 2), ...view.services.map((s) => s.name.length + 4)];
  const nameWidth = Math.min(Math.max(12, ...names), Math.max(Math.floor(frame.width * 0.45), frame.width - 32));
  const current = view.steps.findLastIndex((s) => s.state === "running" || s.state === "failed");
  const lines: Line[] = [];
  view.steps.forEach((step, index) => {
    if (shown(step) || index === current) lines.push(...row(stepCells(step, frame), 0, nameWidth, frame));
    if (index === current) lines.push(...serviceRows(view, frame, shown, nameWidth));
  });
  if (current < 0) lines.push(...serviceRows(view, frame, shown, nameWidth));
  return [...lines, ...view.notices.toReversed().flatMap((n) => noticeLines(n, frame))];
}

function serviceRows(view: View, frame: Frame, shown: (item: ServiceView) => boolean, nameWidth: number): Line[] {
  return view.services.filter(shown).flatMap((s) => row(serviceCells(s, frame), 2, nameWidth, frame));
}

interface Cells {
  tone: Tone;
  name: string;
  word: string;
  detail: string | null;
  running: boolean;
  /** Elapsed milliseconds; null: nothing to show yet. */
  ms: number | null;
}

/** A detail that does not fit beside the state of something that still runs gets a line of its own; of what is over it is dropped. */
function row(cells: Cells, indent: number, nameWidth: number, frame: Frame): Line[] {
  const name = cutEnd(printable(cells.name), nameWidth - indent - 2, frame.glyphs.ellipsis);
  const left: Line = [
    span(" ".repeat(1 + indent)),
    mark(cells.tone, frame),
    span(` ${name.padEnd(nameWidth - indent - 2)} `),
    span(cells.word.padEnd(stateWidth), cells.tone),
  ];
  const elapsed = (cells.ms === null ? "" : elapsedText(cells.ms)).padStart(6);
  const room = frame.width - widthOf(left) - elapsed.length - 2;
  const detail = cells.detail === null ? "" : printable(cells.detail);
  const beside = detail.length <= room || (!cells.running && room >= leastDetail);
  if (beside && detail !== "") left.push(span(` ${detail}`, "dim"));
  const lines = [justify(left, [span(elapsed, "dim")], frame.width, frame.glyphs.ellipsis)];
  if (!beside && cells.running) lines.push([span(`${" ".repeat(3 + indent)}${detail}`, "dim")]);
  return lines;
}

function stepCells(step: StepView, frame: Frame): Cells {
  const running = step.state === "running";
  return {
    tone: stepTone(step.state),
    name: step.title,
    word: step.state,
    detail: step.detail,
    running,
    ms: runningMs(step, running, frame),
  };
}

function serviceCells(service: ServiceView, frame: Frame): Cells {
  const running = service.ms === null;
  const word = serviceWord(service);
  return { tone: serviceTone(service), name: service.name, word, detail: service.detail, running, ms: runningMs(service, running, frame) };
}

function runningMs(item: StepView | ServiceView, running: boolean, frame: Frame): number | null {
  if (item.ms !== null || item.startedAt === null) return item.ms;
  return running ? frame.now - Date.parse(item.startedAt) : null;
}
