/** From the files of a log to its index, with every byte that counts checked on the way. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { batchesOf, decodeHeader, HEADER_BYTES, isBlank, type PlacedBatch, type SegmentHeader } from "./format.ts";
import { readHead, type HeadState } from "./head.ts";

/** Something that was acknowledged is missing or not as it was written; the message says what. */
export class Damage extends Error {}

export function segmentFile(dir: string, number: number): string {
  return path.join(dir, `${String(number).padStart(8, "0")}.log`);
}

/** What is known of a segment: how far it counts, and what in it does. */
export class Segment {
  readonly number: number;
  readonly salt: number;
  /** Offset behind its last batch. */
  end = HEADER_BYTES;
  /** Keys whose value is here. */
  readonly live = new Map<string, { at: number; bytes: number }>();
  liveBytes = 0;

  constructor({ number, salt }: { number: number; salt: number }) {
    this.number = number;
    this.salt = salt;
  }

  apply(batch: PlacedBatch, index: Map<string, Segment>): void {
    for (const { key, removed, at, bytes } of batch.changes) {
      const before = index.get(key);
      if (before) before.#drop(key);
      if (removed) index.delete(key);
      else {
        index.set(key, this);
        this.live.set(key, { at, bytes });
        this.liveBytes += bytes;
      }
    }
    this.end = batch.end;
  }

  #drop(key: string): void {
    this.liveBytes -= this.live.get(key)?.bytes ?? 0;
    this.live.delete(key);
  }
}

export interface Replayed {
  head: HeadState | null;
  index: Map<string, Segment>;
  segments: Segment[];
  /** The last batch that counts. */
  sequence: number;
  /** Whether only zeros are behind the last batch of the last segment. */
  reusable: boolean;
  /** Files that a crash has left behind and that do not count. */
  leftovers: string[];
}

/** Reads the log in `dir`. Throws {@link Damage}. Changes nothing. */
export function replay(dir: string): Replayed {
  const files = readdirSync(dir);
  const head = readHead(dir);
  if (head === undefined) throw new Damage(`${path.join(dir, "head")} is damaged`);
  const first = head?.first ?? 0;
  const all = files.filter((name) => /^\d{8}\.log$/.test(name)).map(Number.parseFloat);
  const numbers = all.filter((number) => number >= first).sort((a, b) => a - b);
  if (!head && numbers.length > 0) throw new Damage(`${path.join(dir, "head")} is missing`);
  if (head && head.sequence > 0 && numbers[0] !== first) throw new Damage(`${segmentFile(dir, first)} is missing`);
  const leftovers = [
    ...files.filter((name) => name.endsWith(".new")).map((name) => path.join(dir, name)),
    ...all.filter((number) => number < first).map((number) => segmentFile(dir, number)),
  ];
  const found: Replayed = { head, index: new Map(), segments: [], sequence: 0, reusable: false, leftovers };
  readSegments(dir, numbers, found);
  if (head && found.sequence < head.sequence) {
    throw new Damage(`${head.sequence - found.sequence} of the last batches are missing or damaged (after batch ${found.sequence})`);
  }
  return found;
}

function readSegments(dir: string, numbers: number[], found: Replayed): void {
  let present = load(dir, numbers[0]);
  for (const [i, number] of numbers.entries()) {
    const next = load(dir, numbers[i + 1]);
    if (!present) return;
    if (i === 0) found.sequence = present.previous;
    if (next && next.number !== number + 1) throw new Damage(`${segmentFile(dir, number + 1)} is missing`);
    const segment = new Segment(present);
    found.segments.push(segment);
    for (const batch of batchesOf(present.bytes)) {
      // Not acknowledged, or its commit failed: the following segment says where it goes on.
      if (batch.sequence !== found.sequence + 1 || (next && batch.sequence > next.previous)) break;
      segment.apply(batch, found.index);
      found.sequence = batch.sequence;
    }
    if (next && found.sequence !== next.previous) {
      throw new Damage(`${segmentFile(dir, number)} is damaged after byte ${segment.end} (batch ${found.sequence} of ${next.previous})`);
    }
    if (!next) found.reusable = isBlank(present.bytes, segment.end);
    present = next;
  }
}

function load(dir: string, number: number | undefined): (SegmentHeader & { bytes: Buffer }) | null {
  if (number === undefined) return null;
  const bytes = readFileSync(segmentFile(dir, number));
  const header = decodeHeader(bytes);
  if (header?.number !== number) throw new Damage(`${segmentFile(dir, number)} does not begin like a segment`);
  return { bytes, ...header };
}
