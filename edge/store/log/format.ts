/**
 * What a segment of the log looks like; pure. A segment is a header and then batches of records; a batch counts only with its commit record.
 *
 *   header   "AIRYLOG1", number u32, 0 u32, previous u64: the last batch that counts before this segment, crc u32 of all that
 *   record   crc u32 of the rest, payload length u32, kind u8, payload
 *            1 put: key length u16, key, value    2 remove: key    3 commit: sequence u64
 *
 * Numbers are big-endian. Behind the last record there are zeros: room that was taken in advance.
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
  bytes.writeBigUInt64BE(BigInt(header.previous), 16);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 24)), 24);
  return bytes;
}

/** Null for bytes that are not a whole header. */
export function decodeHeader(bytes: Buffer): SegmentHeader | null {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC) || bytes.readUInt32BE(24) !== crc32(bytes.subarray(0, 24)))
    return null;
  return { number: bytes.readUInt32BE(8), previous: Number(bytes.readBigUInt64BE(16)) };
}

export function sizeOfChange(change: KeyChange): number {
  const key = Buffer.byteLength(change.key);
  return FRAME_BYTES + (change.value ? 2 + key + change.value.length : key);
}

/** The bytes of a batch that will be at offset `at`, and where its changes are in them. */
export function encodeBatch(changes: readonly KeyChange[], sequence: number, at: number): { bytes: Buffer; batch: PlacedBatch } {
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
    frame(bytes, start, end, change.value ? PUT : REMOVE);
    placed.push({ key: change.key, removed: !change.value, at: at + start, bytes: end - start });
    offset = end;
  }
  const end = bytes.writeBigUInt64BE(BigInt(sequence), offset + FRAME_BYTES);
  frame(bytes, offset, end, COMMIT);
  return { bytes, batch: { sequence, changes: placed, end: at + end } };
}

/** The whole batches of a segment, in order, up to the first byte that is not as it was written. */
export function* batchesOf(segment: Buffer): Iterable<PlacedBatch> {
  let changes: PlacedChange[] = [];
  let at = HEADER_BYTES;
  while (at + FRAME_BYTES <= segment.length) {
    const end = at + FRAME_BYTES + segment.readUInt32BE(at + 4);
    if (end > segment.length || segment.readUInt32BE(at) !== crc32(segment.subarray(at + 4, end))) return;
    const kind = segment[at + 8];
    const payload = segment.subarray(at + FRAME_BYTES, end);
    if (kind === PUT) changes.push({ key: payload.toString("utf8", 2, 2 + payload.readUInt16BE()), removed: false, at, bytes: end - at });
    else if (kind === REMOVE) changes.push({ key: payload.toString(), removed: true, at, bytes: end - at });
    else if (kind === COMMIT) {
      yield { sequence: Number(payload.readBigUInt64BE()), changes, end };
      changes = [];
    } else return;
    at = end;
  }
}

/** The value in the bytes of a put record; undefined when they are not as they were written. */
export function valueIn(record: Buffer): Buffer | undefined {
  if (record.length < FRAME_BYTES + 2 || record.readUInt32BE(0) !== crc32(record.subarray(4)) || record[8] !== PUT) return undefined;
  return record.subarray(FRAME_BYTES + 2 + record.readUInt16BE(FRAME_BYTES));
}

function frame(bytes: Buffer, start: number, end: number, kind: number): void {
  bytes.writeUInt32BE(end - start - FRAME_BYTES, start + 4);
  bytes[start + 8] = kind;
  bytes.writeUInt32BE(crc32(bytes.subarray(start + 4, end)), start);
}
