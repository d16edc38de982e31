/**
 * What is left of a log that is damaged. Records that are as they were written count, wherever they are; the damaged files are kept
 * beside, and others are put in their place that hold the rest. {@link inspect} changes nothing.
 *
 * What may come of it: an entry that was removed comes back when the record of its removal is damaged, and one that was never acknowledged
 * may be among those that were. Nothing that is readable is lost.
 */
import {
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { makeFolder } from "../folder.ts";
import {
  decodeHeader,
  encodeBatch,
  encodeHeader,
  endOfRecord,
  HEADER_BYTES,
  isBlank,
  keyNear,
  recordAt,
  valueIn,
  type KeyChange,
  type SegmentHeader,
} from "./format.ts";
import { encodeHead, headFile, newSalt, readHead } from "./head.ts";
import { segmentFile } from "./replay.ts";

const NOTHING = Buffer.alloc(0);

/** One damaged place. */
export interface Damaged {
  /** Relative to the log's folder. */
  file: string;
  what: string;
  /** Key of the record that is damaged, where that can still be read. */
  key: string | null;
}

export interface Salvage {
  damaged: Damaged[];
  /** Files that are to be put in the place of damaged or missing ones, by path. */
  repaired: Map<string, Buffer>;
}

/** Looks for damage in the log in `dir`, and for what is left of it. Throws the system's error when a file cannot be read. */
export function inspect(dir: string): Salvage {
  const salvage: Salvage = { damaged: [], repaired: new Map() };
  const head = readHead(dir);
  const numbers = readdirSync(dir)
    .filter((name) => /^\d{8}\.log$/.test(name))
    .map(Number.parseFloat)
    .sort((a, b) => a - b);
  if (!head && numbers.length === 0 && head !== undefined) return salvage;
  const first = head?.first ?? numbers[0] ?? 1;
  const last = Math.max(first, numbers.at(-1) ?? 0);
  if (!head) salvage.damaged.push({ file: "head", what: head === null ? "is missing" : "is damaged", key: null });
  const headers = numbers.map((number) => readSegment(dir, number)?.header).filter((header) => header != null);
  const salts = [...new Set([...(head ? [head.salt] : []), ...headers.map(({ salt }) => salt)])];
  const salt = salts.find((each) => each !== 0) ?? newSalt();
  let sequence: number | null = null;
  if (head?.sequence !== 0 || numbers.length > 0) {
    for (let number = first; number <= last; number++) {
      const next = number < last ? (readSegment(dir, number + 1)?.header?.previous ?? null) : null;
      const least = number < last ? next : (head?.sequence ?? null);
      sequence = inspectSegment(dir, { number, sequence, least, most: next, salts, salt }, salvage);
    }
  }
  if (!head) salvage.repaired.set(headFile(dir), encodeHead({ first, sequence: sequence ?? 0, salt }));
  return salvage;
}

/** Puts the repaired files in their places; what was there goes into the folder `damaged` beside them. */
export function repair(dir: string, { repaired }: Salvage): void {
  const kept = path.join(dir, "damaged", new Date().toISOString().replaceAll(":", "."));
  makeFolder(kept);
  for (const [file, bytes] of repaired) {
    const made = openSync(`${file}.new`, "w", 0o600);
    try {
      writeSync(made, bytes);
      fsyncSync(made);
    } finally {
      closeSync(made);
    }
    if (existsSync(file)) keep(file, path.join(kept, path.basename(file)));
    renameSync(`${file}.new`, file);
  }
  for (const folder of [kept, dir]) {
    const fd = openSync(folder, "r");
    fsyncSync(fd);
    closeSync(fd);
  }
}

/** A second name takes no room, which a full disk would not have. */
function keep(file: string, as: string): void {
  try {
    linkSync(file, as);
  } catch {
    copyFileSync(file, as);
  }
}

interface Expected {
  number: number;
  /** The last batch before this segment; null: not known. */
  sequence: number | null;
  /** The last batch of this segment at least, and at most; null: not known. */
  least: number | null;
  most: number | null;
  /** Salts of this log, for a segment that cannot tell its own, and the one for a new segment. */
  salts: number[];
  salt: number;
}

/** Returns the last batch of this segment. */
function inspectSegment(dir: string, expected: Expected, salvage: Salvage): number {
  const file = segmentFile(dir, expected.number);
  const name = path.basename(file);
  const found = readSegment(dir, expected.number);
  const before = salvage.damaged.length;
  const damage = (what: string, key: string | null = null) => salvage.damaged.push({ file: name, what, key });
  if (!found) damage("is missing");
  else if (!found.header) damage("does not begin like a segment");
  const scans = (found?.header ? [found.header.salt] : expected.salts).map((salt) =>
    scanRecords(found?.bytes ?? NOTHING, salt, expected.most),
  );
  const scan = scans.sort((a, b) => b.changes.length - a.changes.length)[0] ?? scanRecords(NOTHING, 0, null);
  const previous = expected.sequence ?? found?.header?.previous ?? (scan.firstSequence !== null ? scan.firstSequence - 1 : null);
  const end = Math.max(previous ?? 0, scan.sequence ?? 0, expected.least ?? 0);
  const complete = (scan.sequence ?? previous ?? 0) >= end;
  // Behind the last batch that counts there is nothing to miss: what is there was never acknowledged.
  const last = scan.damaged.findLastIndex(({ inside }) => inside);
  const counted = complete ? scan.damaged.slice(0, last + 1) : scan.damaged;
  for (const { at, key } of counted) damage(`is damaged at byte ${at}`, key);
  if (!complete && counted.length === 0) damage(`ends too early: the last ${end - (scan.sequence ?? previous ?? 0)} batches are missing`);
  if (salvage.damaged.length === before) return end;
  const changes = complete ? scan.changes : [...scan.changes, ...scan.open];
  salvage.repaired.set(
    file,
    rebuilt({ number: expected.number, previous: previous ?? Math.max(0, end - 1), salt: expected.salt }, end, changes),
  );
  return end;
}

/** A segment with these changes and so many batches as there were, so that the next one goes on where it did. */
function rebuilt(header: SegmentHeader, end: number, changes: KeyChange[]): Buffer {
  const { previous, salt } = header;
  const parts = [encodeHeader(header)];
  let at = HEADER_BYTES;
  for (let sequence = previous + 1; sequence <= end; sequence++) {
    const { bytes } = encodeBatch(sequence === previous + 1 ? changes : [], { sequence, at, salt });
    parts.push(bytes);
    at += bytes.length;
  }
  return Buffer.concat(parts);
}

interface Scan {
  /** Of batches that count, in order. */
  changes: KeyChange[];
  firstSequence: number | null;
  /** The last batch that counts. */
  sequence: number | null;
  /** `inside`: something that counts is behind it. */
  damaged: { at: number; key: string | null; inside: boolean }[];
  /** Changes behind the last commit. */
  open: KeyChange[];
}

/** @param most batches behind this one do not count. */
function scanRecords(bytes: Buffer, salt: number, most: number | null): Scan {
  const scan: Scan = { changes: [], firstSequence: null, sequence: null, damaged: [], open: [] };
  for (let at = HEADER_BYTES; at < bytes.length;) {
    const record = recordAt(bytes, at, salt);
    if (!record) {
      if (isBlank(bytes, at)) return scan;
      const key = keyNear(bytes, at);
      scan.damaged.push({ at, key: /^[\w/.-]{3,200}$/.test(key) ? key : null, inside: false });
      at = nextRecord(bytes, at, salt);
      continue;
    }
    if ("change" in record) {
      const { change } = record;
      scan.open.push({ key: change.key, value: change.removed ? null : (valueIn(bytes.subarray(at, record.end), salt) ?? null) });
    } else if (most === null || record.sequence <= most) {
      scan.changes.push(...scan.open.splice(0));
      scan.firstSequence ??= record.sequence;
      scan.sequence = record.sequence;
      for (const place of scan.damaged) place.inside = true;
    } else return scan;
    at = record.end;
  }
  return scan;
}

/** Where the next record begins behind a damaged one, whose length may be what is damaged. */
function nextRecord(bytes: Buffer, at: number, salt: number): number {
  if (salt !== 0) {
    for (let i = at + 1; i < bytes.length; i++) if (recordAt(bytes, i, salt)) return i;
    return bytes.length;
  }
  // Without a salt a stranger's body could pass for records, so that none is looked for inside.
  const end = at + 8 <= bytes.length ? endOfRecord(bytes, at) : bytes.length;
  return recordAt(bytes, end, salt) ? end : bytes.length;
}

function readSegment(dir: string, number: number): { bytes: Buffer; header: SegmentHeader | null } | null {
  const file = segmentFile(dir, number);
  if (!existsSync(file)) return null;
  const bytes = readFileSync(file);
  const header = decodeHeader(bytes);
  return { bytes, header: header?.number === number ? header : null };
}

/** For logs: what is damaged, and whose entry it was. `store` is the log's folder as the operator knows it. */
export function damageText(store: string, { file, what, key }: Damaged): string {
  const [, name, id] = key?.split("/") ?? [];
  const whose = name ? `, a webhook of ${name}${id ? ` (${id})` : ""}` : key ? `, ${key}` : "";
  return `${store}/${file} ${what}${whose}`;
}
