/** One thing that starts, in the grammar of Compose: glyph, name, state, what it waits for, and at the right how long it has taken. */
import { Text } from "ink";
import { elapsedText } from "../format.ts";
import { useFrame } from "../frame.ts";
import { cutEnd, printable } from "../text.ts";
import type { Tone } from "../theme.ts";
import { Mark } from "./mark.tsx";
import { Row, Toned } from "./row.tsx";

export interface Progress {
  tone: Tone;
  name: string;
  word: string;
  detail: string | null;
  running: boolean;
  /** Elapsed milliseconds; null: nothing to show yet. */
  ms: number | null;
  /** Below another one. */
  nested: boolean;
  /** The newest line of its log, where that is worth a row. */
  lastLine: string | null;
}

const wordWidth = "unhealthy".length;

/** A detail of something that runs and does not fit beside it has a row of its own. */
function detailBelow({ detail, running, nested }: Progress, nameWidth: number, width: number): boolean {
  return detail !== null && running && detail.length > width - (nested ? 2 : 0) - nameWidth - wordWidth - 14;
}

export function rowsOf(progress: Progress, nameWidth: number, width: number): number {
  return 1 + (detailBelow(progress, nameWidth, width) ? 1 : 0) + (progress.lastLine === null ? 0 : 1);
}

export function ProgressRow({ progress, nameWidth }: { progress: Progress; nameWidth: number }) {
  const { glyphs, width } = useFrame();
  const { tone, word, nested, detail, lastLine } = progress;
  const indent = nested ? 3 : 1;
  const room = nameWidth - (nested ? 2 : 0);
  const below = detailBelow(progress, nameWidth, width);
  const said = detail === null ? "" : printable(detail);
  return (
    <>
      <Row indent={indent} right={<Toned tone="dim">{(progress.ms === null ? "" : elapsedText(progress.ms)).padStart(6)}</Toned>}>
        <Mark tone={tone} /> {cutEnd(printable(progress.name), room, glyphs.ellipsis).padEnd(room)}{" "}
        <Toned tone={tone}>{word.padEnd(wordWidth)}</Toned>
        <Toned tone="dim">{below || said === "" ? "" : ` ${said}`}</Toned>
      </Row>
      {below ? (
        <Row indent={indent + 2}>
          <Toned tone="dim">{said}</Toned>
        </Row>
      ) : null}
      {lastLine === null ? null : (
        <Row indent={indent + 2}>
          <Text dimColor>{`${glyphs.separator} ${lastLine}`}</Text>
        </Row>
      )}
    </>
  );
}
