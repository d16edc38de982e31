/**
 * ```
 *  airy up · starting                                    4.1s
 *
 *  ✔ Check this machine   done                           0.2s
 *  ⠙ Start the platform   running    postgres            3.9s
 *    ✔ postgres           healthy                        1.1s
 *    ⠙ platform           starting   waits for postgres  2.7s
 *      · listening on 4200
 *  · Open the tunnel      pending
 *
 *  Ctrl-C stop the start, airy up resumes it   l show logs
 * ```
 * The services stand below the step that is running, with the last line of the log of those that are slow. When the frame is too low, blank
 * lines go first, then services that are up, then steps that are done.
 */
import { Box } from "ink";
import { asCalled } from "../../report/called.ts";
import { elapsedText } from "../format.ts";
import { type Frame, useFrame } from "../frame.ts";
import type { LogBuffer } from "../log-buffer.ts";
import type { ServiceView, StepView, View } from "../state.ts";
import { serviceTone, serviceWord, stepTones } from "../theme.ts";
import { initialUi } from "../ui.ts";
import { Keybar } from "./keybar.tsx";
import { Logs } from "./logs.tsx";
import { Notices } from "./notices.tsx";
import { type Progress, ProgressRow, rowsOf } from "./progress-row.tsx";
import { Row, Toned } from "./row.tsx";

/** Milliseconds after which a service counts as slow, and after which the user is asked. */
const slowMs = 5000;
const askAfterMs = 30_000;

interface StartProps {
  view: View;
  logs: LogBuffer;
  /** Whether the user wants to see the logs, and whether there are any to be had. */
  showLogs: boolean;
  canShowLogs: boolean;
  /** Since when the user has said to keep waiting, epoch milliseconds; the question comes back after the same time. */
  waitingSince: number | null;
}

export function Start({ view, logs, showLogs, canShowLogs, waitingSince }: StartProps) {
  const frame = useFrame();
  const elapsed = view.startedAt === null ? 0 : frame.now - Date.parse(view.startedAt);
  const asking = isAsking(view, waitingSince, frame.now);
  const room = frame.height - 2 - (asking ? 1 : 0);
  const all = progressOf(view, logs, frame, () => true);
  const nameWidth = nameWidthOf(all, frame);
  const rows = (list: Progress[]) => list.reduce((sum, one) => sum + rowsOf(one, nameWidth, frame.width), 0);
  const notices = view.notices.toReversed();
  const roomy = rows(all) + notices.length + 2 <= room;
  const tight = roomy ? all : progressOf(view, logs, frame, (item) => item.ms === null);
  const fitting = fit(tight, nameWidth, frame.width, room - (roomy ? 2 : 0) - Math.min(notices.length, 2));
  const more = tight.length - fitting.length;
  const shownNotices = roomy ? notices : notices.slice(-2);
  const used = rows(fitting) + (more > 0 ? 1 : 0) + shownNotices.length + (roomy ? 2 : 0);
  const logRows = showLogs ? Math.max(0, room - used) : 0;
  return (
    <Box flexDirection="column" width={frame.width} height={logRows > 0 ? frame.height : undefined} overflow="hidden">
      <Row right={view.startedAt === null ? undefined : <Toned tone="dim">{elapsedText(elapsed)}</Toned>}>
        <Toned tone="strong">airy up</Toned> {frame.glyphs.separator} starting
      </Row>
      {roomy ? <Row> </Row> : null}
      <ProgressRows list={fitting} nameWidth={nameWidth} />
      {more > 0 ? (
        <Row>
          <Toned tone="dim">{`${frame.glyphs.ellipsis} ${more} more`}</Toned>
        </Row>
      ) : null}
      <Notices notices={shownNotices} />
      {roomy ? <Row> </Row> : null}
      {logRows > 1 ? <Logs logs={logs} ui={{ ...initialUi, pane: "requests" }} width={frame.width} height={logRows} /> : null}
      {asking ? <Question view={view} /> : null}
      <Keybar keys={[keysOf(asking, canShowLogs, showLogs, frame)]} />
    </Box>
  );
}

/** Whether something has taken so long that the user is asked what to do. */
export function isAsking(view: View, waitingSince: number | null, now: number): boolean {
  const from = Math.max(view.startedAt === null ? now : Date.parse(view.startedAt), waitingSince ?? 0);
  return view.phase === "start" && now - from >= askAfterMs;
}

function Question({ view }: { view: View }) {
  const slow = view.services.find((service) => service.ms === null) ?? view.steps.find((step) => step.state === "running");
  const name = slow === undefined ? "the start" : "title" in slow ? slow.title : slow.name;
  return (
    <Row>
      <Toned tone="warn">{`This takes long: ${name} is not ready yet. Keep waiting, look at the logs, or stop?`}</Toned>
    </Row>
  );
}

function keysOf(asking: boolean, canShowLogs: boolean, showLogs: boolean, { width }: Frame) {
  const narrow = width < 56;
  const stop = {
    key: "Ctrl-C",
    word: narrow ? "stop" : asking ? "stop the start" : asCalled("stop the start, airy up resumes it"),
    what: "",
  };
  const wait = asking ? [{ key: "k", word: narrow ? "wait" : "keep waiting", what: "" }] : [];
  const logs = canShowLogs ? [{ key: "l", word: showLogs ? "hide logs" : "show logs", what: "" }] : [];
  return [...wait, ...logs, stop];
}

export function ProgressRows({ list, nameWidth }: { list: readonly Progress[]; nameWidth: number }) {
  return list.map((progress, index) => <ProgressRow key={index} progress={progress} nameWidth={nameWidth} />);
}

export function nameWidthOf(list: readonly Progress[], { width }: Pick<Frame, "width">): number {
  const longest = Math.max(12, ...list.map((one) => one.name.length + (one.nested ? 2 : 0)));
  return Math.min(longest, Math.max(Math.floor(width * 0.45), width - 32));
}

/** The first ones that fit, with a row left for saying how many do not. */
function fit(list: Progress[], nameWidth: number, width: number, room: number): Progress[] {
  let used = 0;
  const count = list.findIndex((one) => (used += rowsOf(one, nameWidth, width)) > room);
  if (count < 0) return list;
  let kept = 0;
  const rest = list.findIndex((one) => (kept += rowsOf(one, nameWidth, width)) > room - 1);
  return list.slice(0, Math.max(0, rest));
}

/** Steps, with the services below the one that runs. */
export function progressOf(view: View, logs: LogBuffer | null, frame: Frame, shown: (item: StepView | ServiceView) => boolean): Progress[] {
  const current = view.steps.findLastIndex((s) => s.state === "running" || s.state === "failed");
  const services = view.services.filter(shown).map((service) => serviceProgress(service, logs, frame));
  const list = view.steps.flatMap((step, index) => {
    const own = shown(step) || index === current ? [stepProgress(step, frame)] : [];
    return index === current ? [...own, ...services] : own;
  });
  return current < 0 ? [...list, ...services] : list;
}

function stepProgress(step: StepView, frame: Frame): Progress {
  const running = step.state === "running";
  return {
    tone: stepTones[step.state],
    name: step.title,
    word: step.state,
    detail: step.detail,
    running,
    ms: elapsedMs(step, running, frame),
    nested: false,
    lastLine: null,
  };
}

function serviceProgress(service: ServiceView, logs: LogBuffer | null, frame: Frame): Progress {
  const running = service.ms === null;
  const ms = elapsedMs(service, running, frame);
  const slow = running && ms !== null && ms >= slowMs;
  return {
    tone: serviceTone(service),
    name: service.name,
    word: serviceWord(service),
    detail: service.detail,
    running,
    ms,
    nested: true,
    lastLine: slow ? (logs?.last(service.name)?.line ?? null) : null,
  };
}

function elapsedMs(item: StepView | ServiceView, running: boolean, frame: Frame): number | null {
  if (item.ms !== null || item.startedAt === null) return item.ms;
  return running ? frame.now - Date.parse(item.startedAt) : null;
}
