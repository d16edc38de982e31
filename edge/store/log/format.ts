/**
 * What a segment of the log looks like; pure. A segment is a header and then batches of records; a batch counts only with its commit
 * record.
 *
 *   header   "AIRYLOG1", number u32, salt u32, previous u64: the last batch that counts before this segment, crc u32 of all that
 *   record   crc u32 of the rest, begun with the salt, payload length u32, kind u8, payload
 *            1 put: key length u16, key, value    2 remove: key    3 commit: sequence u64
 *
 * The salt is by chance: a stranger's body that looks like records is none, also where the search for the next one begins in the middle of
 * it. Segments of earlier versions have 0. Numbers are big-endian. Behind the last record there are zeros: room that was taken in advance.
 */
import { crc32 } from "node:zlib";

const MAGIC = Buffer.from("AIRYLOG1");
const PUT = 1;
const REMOVE = 2;
const COMMIT = 3;
export const HEADER_BYTES = 28;
const FRAME_BYTES = 9;
/** Of a batch, beyond its changes. */
export const COMMIT_BYTES = FRAME_BYTES + 8;

/** `value` null removes the key. */
export interface KeyChange {
  key: string;
  value: Buffer | null;
}

export interface SegmentHeader {
  number: number;
  salt: number;
  previous: number;
}

/** A change as it was found in a segment: where its record is, and where the value begins in it. */
interface PlacedChange {
  key: string;
  removed: boolean;
  at: number;
  bytes: number;
}

export interface PlacedBatch {
  sequence: number;
  changes: PlacedChange[];
  /** Offset behind it. */
  end: number;
}

export function encodeHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32BE(header.number, 8);
  bytes.writeUInt32BE(header.salt, 12);
  bytes.writeBigUInt64BE(BigInt(header.previous), 16);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 24)), 24);
  return bytes;
}

/** Null for bytes that are not a whole header. */
export function decodeHeader(bytes: Buffer): SegmentHeader | null {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC) || bytes.readUInt32BE(24) !== crc32(bytes.subarray(0, 24)))
    return null;
  return { number: bytes.readUInt32BE(8), salt: bytes.readUInt32BE(12), previous: Number(bytes.readBigUInt64BE(16)) };
}

export function sizeOfChange(change: KeyChange): number {
  const key = Buffer.byteLength(change.key);
  return FRAME_BYTES + (change.value ? 2 + key + change.value.length : key);
}

/** The bytes of a batch that will be at offset `at`, and where its changes are in them. */
export function encodeBatch(
  changes: readonly KeyChange[],
  { sequence, at, salt }: { sequence: number; at: number; salt: number },
): { bytes: Buffer; batch: PlacedBatch } {
  const size = changes.reduce((sum, change) => sum + sizeOfChange(change), COMMIT_BYTES);
  const bytes = Buffer.allocUnsafe(size);
  const placed: PlacedChange[] = [];
  let offset = 0;
  for (const change of changes) {
    const start = offset;
    let end = start + FRAME_BYTES;
    if (change.value) end = bytes.writeUInt16BE(Buffer.byteLength(change.key), end);
    end += bytes.write(change.key, end);
    if (change.value) end += change.value.copy(bytes, end);
    frame(bytes, start, end, change.value ? PUT : REMOVE, salt);
    placed.push({ key: change.key, removed: !change.value, at: at + start, bytes: end - start });
    offset = end;
  }
  const end = bytes.writeBigUInt64BE(BigInt(sequence), offset + FRAME_BYTES);
  frame(bytes, offset, end, COMMIT, salt);
  return { bytes, batch: { sequence, changes: placed, end: at + end } };
}

/** A record as it lies in a segment: a change, or the commit of those before it. */
export type PlacedRecord = { end: number } & ({ change: PlacedChange } | { sequence: number });

/** The record at `at`, or null when what is there is not as it was written. */
export function recordAt(segment: Buffer, at: number, salt: number): PlacedRecord | null {
  if (at + FRAME_BYTES > segment.length) return null;
  const end = endOfRecord(segment, at);
  const kind = segment[at + 8];
  if (end > segment.length || kind === undefined || kind < PUT || kind > COMMIT) return null;
  if (segment.readUInt32BE(at) !== crc32(segment.subarray(at + 4, end), salt)) return null;
  const payload = segment.subarray(at + FRAME_BYTES, end);
  if (kind === COMMIT) return { sequence: Number(payload.readBigUInt64BE()), end };
  const removed = kind === REMOVE;
  return { change: { key: removed ? payload.toString() : keyOf(payload), removed, at, bytes: end - at }, end };
}

/** Where a record ends according to its length, which may be damaged. */
export function endOfRecord(segment: Buffer, at: number): number {
  return at + FRAME_BYTES + segment.readUInt32BE(at + 4);
}

/** What looks like the key of a record that is damaged. */
export function keyNear(segment: Buffer, at: number): string {
  const payload = segment.subarray(at + FRAME_BYTES, Math.min(segment.length, at + FRAME_BYTES + 512));
  return payload.length < 2 ? "" : keyOf(payload);
}

function keyOf(payload: Buffer): string {
  return payload.toString("utf8", 2, 2 + payload.readUInt16BE());
}

/** The whole batches of a segment, in order, up to the first byte that is not as it was written. */
export function* batchesOf(segment: Buffer): Iterable<PlacedBatch> {
  const salt = segment.length < HEADER_BYTES ? 0 : segment.readUInt32BE(12);
  let changes: PlacedChange[] = [];
  let at = HEADER_BYTES;
  for (let record = recordAt(segment, at, salt); record; record = recordAt(segment, at, salt)) {
    at = record.end;
    if ("change" in record) changes.push(record.change);
    else {
      yield { sequence: record.sequence, changes, end: at };
      changes = [];
    }
  }
}

/** The value in the bytes of a put record; undefined when they are not as they were written. */
export function valueIn(record: Buffer, salt: number): Buffer | undefined {
  if (record.length < FRAME_BYTES + 2 || record.readUInt32BE(0) !== crc32(record.subarray(4), salt) || record[8] !== PUT) return undefined;
  return record.subarray(FRAME_BYTES + 2 + record.readUInt16BE(FRAME_BYTES));
}

function frame(bytes: Buffer, start: number, end: number, kind: number, salt: number): void {
  bytes.writeUInt32BE(end - start - FRAME_BYTES, start + 4);
  bytes[start + 8] = kind;
  bytes.writeUInt32BE(crc32(bytes.subarray(start + 4, end), salt), start);
}

/** Whether nothing is behind `at` but room that was taken in advance. */
export function isBlank(segment: Buffer, at: number): boolean {
  const rest = segment.subarray(at);
  return rest.subarray(0, 64).every((byte) => byte === 0) && rest.equals(Buffer.alloc(rest.length));
}
