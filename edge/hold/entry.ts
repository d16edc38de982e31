/** What the store keeps of a webhook, and how it is written: a small record that changes, and the bytes, which never do. */
import { z } from "zod";

const Dead = z.object({ reason: z.string(), at: z.number() });

const RecordOnDisk = z.object({
  identifier: z.string(),
  id: z.string(),
  position: z.number().int(),
  /** What it takes from the quota. */
  bytes: z.number().int(),
  source: z.string(),
  receivedAt: z.number(),
  queuedAt: z.number(),
  attempts: z.number().int(),
  dead: Dead.nullable(),
});

/** Times are milliseconds since 1970. */
export type EntryRecord = z.infer<typeof RecordOnDisk>;

/**
 * Every entry costs so much of the quota beyond its head and body. Record, keys and framing are 320 bytes of the log, and the log may be
 * twice as long as what counts in it (measured with 100,000 entries).
 */
export const ENTRY_OVERHEAD = 1024;

/** Bytes of heap for every entry: 620 were measured with 100,000 entries, whatever their bodies. */
export const HEAP_PER_ENTRY = 1024;

/** Unique over all tunnels: identifiers have no slash. */
export function recordKey(identifier: string, id: string): string {
  return `record/${identifier}/${id}`;
}

export function bytesKey(identifier: string, id: string): string {
  return `bytes/${identifier}/${id}`;
}

export function isRecordKey(key: string): boolean {
  return key.startsWith("record/");
}

/** Throws on a record that could not be read back. */
export function encodeRecord(record: EntryRecord): Buffer {
  return Buffer.from(JSON.stringify(RecordOnDisk.parse(record)));
}

/** Null for bytes that are no record. */
export function decodeRecord(bytes: Buffer): EntryRecord | null {
  try {
    return RecordOnDisk.parse(JSON.parse(bytes.toString()));
  } catch {
    return null;
  }
}

export function encodeBytes(rawHead: Buffer, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(rawHead.length);
  return Buffer.concat([length, rawHead, body]);
}

/** The other way round, for bytes that are known to be as they were written. */
export function decodeBytes(bytes: Buffer): { rawHead: Buffer; body: Buffer } {
  const end = 4 + bytes.readUInt32BE(0);
  return { rawHead: bytes.subarray(4, end), body: bytes.subarray(end) };
}
