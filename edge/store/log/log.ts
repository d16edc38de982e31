/**
 * A map from keys to bytes, kept in a log of segments: a change is appended and synced, the index is in memory. Segments go as a whole, the
 * oldest first, when nothing in them counts any more; what still counts is carried over to the end. So room on the disk comes back.
 *
 * Why not an embedded database: with lmdb 3.5 a full disk overflowed a buffer of its own and killed the process (mdb.c: `malloc(100)`, then
 * `sprintf` of up to 110 characters); by its design a file that was cut short ends in SIGBUS, and its file never shrinks. classic-level 3
 * rewrites its log when it is opened, and could not be opened while syncs failed.
 */
import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { open, rename, truncate, unlink, type FileHandle } from "node:fs/promises";
import { COMMIT_BYTES, encodeBatch, encodeHeader, HEADER_BYTES, sizeOfChange, valueIn, type KeyChange } from "./format.ts";
import { Head } from "./head.ts";
import { replay, Segment, segmentFile } from "./replay.ts";

const MIB = 1024 * 1024;
/** A segment that is this long is followed by a new one. */
const SEGMENT_BYTES = 2 * MIB;
/** So much that does not count may be on the disk, beyond as much as does. */
const GARBAGE_BYTES = 4 * SEGMENT_BYTES;
/**
 * Room allocated in advance, so that a full disk shows before anything is written. The second part of it is kept for removing: more than
 * it takes to remove all that a segment can hold, so that segments go and room comes back.
 */
const PREALLOCATE_BYTES = 2 * MIB;
const RESERVED_FOR_REMOVING_BYTES = MIB;
const ZEROS = Buffer.alloc(MIB / 4);

interface Tail {
  segment: Segment;
  handle: FileHandle;
  /** Bytes of the file, zeros at its end included. */
  allocated: number;
}

export class Log {
  readonly #dir: string;
  readonly #head: Head;
  readonly #index: Map<string, Segment>;
  /** Ascending; the last is the one that is written, once there is a tail. */
  readonly #segments: Segment[];
  #sequence: number;
  /** The disk is: the last attempt to take room failed. */
  #diskFull = false;
  #tail: Tail | null = null;
  /** Whether the last segment may be gone on with after opening. */
  #reusable: boolean;
  /** The segment that was read last stays open for reader. */
  #reader: { number: number; fd: number } | null = null;

  /**
   * Reads what is in `dir`, which must exist and be locked. Throws `Damage` (a message that says what is wrong) when anything that was ever
   * acknowledged is missing or not as it was written; then nothing has been changed.
   */
  constructor(dir: string) {
    const found = replay(dir);
    for (const file of found.leftovers) unlinkSync(file);
    this.#dir = dir;
    this.#head = new Head(dir, found.head);
    this.#index = found.index;
    this.#segments = found.segments;
    this.#sequence = found.sequence;
    this.#reusable = found.reusable;
  }

  keys(): Iterable<string> {
    return this.#index.keys();
  }

  /** Undefined for a key that is not there, and for a value that is damaged on disk. */
  get(key: string): Buffer | undefined {
    const segment = this.#index.get(key);
    const place = segment?.live.get(key);
    if (!segment || !place) return undefined;
    if (this.#reader?.number !== segment.number) {
      this.#closeReader();
      this.#reader = { number: segment.number, fd: openSync(segmentFile(this.#dir, segment.number), "r") };
    }
    const record = Buffer.allocUnsafe(place.bytes);
    return readSync(this.#reader.fd, record, 0, place.bytes, place.at) === place.bytes ? valueIn(record, segment.salt) : undefined;
  }

  has(key: string): boolean {
    return this.#index.has(key);
  }

  /** What a write will take. */
  static sizeOf(changes: readonly KeyChange[]): number {
    return changes.reduce((sum, change) => sum + sizeOfChange(change), COMMIT_BYTES);
  }

  /** Takes room for `bytes`, and some more. Throws the system's error (ENOSPC, EDQUOT, EIO); nothing has been written then. */
  async preallocate(bytes: number): Promise<void> {
    if (!this.#tail) await this.#reopen();
    else if (this.#tail.segment.end >= SEGMENT_BYTES) await this.#roll();
    const tail = this.#tail;
    if (!tail) return;
    const wanted = tail.segment.end + bytes + PREALLOCATE_BYTES;
    this.#diskFull = false;
    if (tail.allocated >= wanted) return;
    const before = tail.allocated;
    try {
      while (tail.allocated < wanted) {
        await writeAt(tail.handle, ZEROS, tail.allocated);
        tail.allocated += ZEROS.length;
      }
    } catch (error) {
      this.#diskFull = true;
      tail.allocated = before;
      await tail.handle.truncate(before).catch(() => {});
      throw error;
    }
  }

  /** Whether `bytes` fit into what was allocated before; when they are not for removing, without the part that is kept for that. */
  fits(bytes: number, adding: boolean): boolean {
    if (!this.#tail) return false;
    return this.#tail.allocated - this.#tail.segment.end >= bytes + (adding ? RESERVED_FOR_REMOVING_BYTES : 0);
  }

  /** Appends all changes or none, and syncs. To be called one at a time, after there was room. When it throws, none of them counts. */
  async commit(changes: readonly KeyChange[]): Promise<void> {
    const tail = this.#tail;
    if (!tail) throw new Error("No segment is open.");
    const { bytes, batch } = encodeBatch(changes, { sequence: this.#sequence + 1, at: tail.segment.end, salt: tail.segment.salt });
    try {
      await writeAt(tail.handle, bytes, tail.segment.end);
      await tail.handle.datasync();
    } catch (error) {
      // What is on disk now is not known. A new segment says that this batch does not count.
      this.#tail = null;
      await tail.handle.close().catch(() => {});
      throw error;
    }
    this.#sequence++;
    tail.segment.end = batch.end;
    tail.segment.apply(batch, this.#index);
    await this.#head.advance(this.#sequence);
  }

  /**
   * Gives back room, a little at a time; false when there is none to give. Drops the oldest segment when nothing in it counts, and moves
   * what counts out of it when the whole has become more than twice as long as what counts. `idle`: also begins a new segment when nothing
   * counts at all, so that nothing delivered stays on the disk.
   */
  async compact(idle: boolean): Promise<boolean> {
    if (idle && this.#index.size === 0 && this.#tail && this.#tail.segment.end > HEADER_BYTES) await this.#roll();
    const [oldest, next] = this.#segments;
    if (!oldest || !next || !this.#tail) return false;
    if (oldest.live.size > 0 && !(await this.#relocate(oldest))) return false;
    await this.#head.dropBefore(next.number, this.#sequence);
    this.#segments.shift();
    if (this.#reader?.number === oldest.number) this.#closeReader();
    await unlink(segmentFile(this.#dir, oldest.number));
    return true;
  }

  async close(): Promise<void> {
    this.#closeReader();
    await this.#tail?.handle.close();
    this.#head.close();
  }

  /** Whether it is worth it, and was done. On a full disk every segment of which half does not count is. */
  async #relocate(oldest: Segment): Promise<boolean> {
    const live = this.#segments.reduce((sum, segment) => sum + segment.liveBytes, 0);
    const all = this.#segments.reduce((sum, segment) => sum + segment.end, 0);
    if (all <= 2 * live + GARBAGE_BYTES && !(this.#diskFull && oldest.liveBytes * 2 < oldest.end)) return false;
    const changes: KeyChange[] = [];
    for (const key of oldest.live.keys()) {
      const value = this.get(key);
      // Damaged: it stays where it is, with all of its segment.
      if (!value) return false;
      changes.push({ key, value });
    }
    const bytes = Log.sizeOf(changes);
    await this.preallocate(bytes).catch(() => {});
    if (!this.fits(bytes, false)) return false;
    await this.commit(changes);
    return true;
  }

  #closeReader(): void {
    if (this.#reader) closeSync(this.#reader.fd);
    this.#reader = null;
  }

  /** The first write after opening: in the last segment, if nothing is behind its last batch. */
  async #reopen(): Promise<void> {
    const last = this.#segments.at(-1);
    if (!this.#reusable || !last) return this.#roll();
    const handle = await open(segmentFile(this.#dir, last.number), "r+");
    this.#reusable = false;
    this.#tail = { segment: last, handle, allocated: (await handle.stat()).size };
  }

  /** A new segment, which says from where on it counts. On a full disk the present one is kept as long as there is one. */
  async #roll(): Promise<void> {
    const last = this.#segments.at(-1);
    const number = (last?.number ?? 0) + 1;
    const file = segmentFile(this.#dir, number);
    const handle = await this.#createSegment(number, file);
    if (!handle) return;
    const before = this.#tail;
    // From here on the old one must not grow any more: if anything fails, the new file may be there and say that it ends here.
    this.#tail = null;
    await before?.handle.close().catch(() => {});
    try {
      await rename(`${file}.new`, file);
      await syncFolder(this.#dir);
    } catch (error) {
      await handle.close().catch(() => {});
      throw error;
    }
    const segment = new Segment({ number, salt: this.#head.salt });
    this.#segments.push(segment);
    this.#tail = { segment, handle, allocated: HEADER_BYTES + ZEROS.length };
    // Gives back the room that was taken in advance; what is behind the last batch does not count.
    if (last) await truncate(segmentFile(this.#dir, last.number), last.end).catch(() => {});
  }

  /** The file of a new segment under another name, synced; null when that fails and the present segment will do. */
  async #createSegment(number: number, file: string): Promise<FileHandle | null> {
    let handle: FileHandle | null = null;
    try {
      await this.#head.make(number);
      handle = await open(`${file}.new`, "w+", 0o600);
      await writeAt(handle, Buffer.concat([encodeHeader({ number, salt: this.#head.salt, previous: this.#sequence }), ZEROS]), 0);
      await handle.datasync();
      return handle;
    } catch (error) {
      await handle?.close().catch(() => {});
      await unlink(`${file}.new`).catch(() => {});
      if (this.#tail) return null;
      throw error;
    }
  }
}

async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position + written);
    if (bytesWritten === 0) throw new Error("Nothing more can be written.");
    written += bytesWritten;
  }
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
