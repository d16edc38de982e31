/**
 * Room on the disk for what LMDB is about to write, taken beforehand. When LMDB itself runs out of disk, its error text overflows the
 * buffer made for it (mdb.c of lmdb 3.5.6: `malloc(100)`, then `sprintf` of up to 110 characters) and the process dies; here a full disk is an
 * ordinary ENOSPC. It also leaves LMDB the room that it needs for removing.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";

/** Taken ahead of what a batch is known to need. */
const AHEAD_BYTES = 4 * 1024 * 1024;
/** Of this, left for removing when the disk is full; the list of free pages takes 8 bytes for each of them. */
const FOR_REMOVING_BYTES = 1024 * 1024;
const STEP_BYTES = 1024 * 1024;
/** A changed key copies the page it is in, or splits it. */
const BYTES_A_CHANGE = 2 * 4096;
/** Of the head pages: page size, and the number of the last page (`MDB_meta` behind the 24 bytes of a page header). */
const PAGE_SIZE_AT = 48;
const LAST_PAGE_AT = 144;

export class Room {
  private readonly fd: number;

  /** `file` is a LMDB data file that exists. */
  constructor(file: string) {
    this.fd = openSync(file, "r+");
  }

  /** Takes room for `changes` writes of `bytes` in all, and some more. Throws the system's error (ENOSPC, EDQUOT) and leaves the file as it was. */
  extend(changes: number, bytes: number): void {
    const size = fstatSync(this.fd).size;
    const wanted = this.used() + changes * BYTES_A_CHANGE + bytes + AHEAD_BYTES;
    if (size >= wanted) return;
    try {
      const zeros = Buffer.alloc(STEP_BYTES);
      for (let at = size; at < wanted; at += STEP_BYTES) {
        if (writeSync(this.fd, zeros, 0, STEP_BYTES, at) < STEP_BYTES) throw new Error("No room is left on the disk.");
      }
    } catch (error) {
      ftruncateSync(this.fd, size);
      throw error;
    }
  }

  /** Whether `changes` writes of `bytes` in all fit into what was taken before, and enough is left for removing if these are `adding`. */
  has(changes: number, bytes: number, adding: boolean): boolean {
    const left = fstatSync(this.fd).size - this.used();
    return left >= changes * BYTES_A_CHANGE + bytes + (adding ? FOR_REMOVING_BYTES : FOR_REMOVING_BYTES / 8);
  }

  close(): void {
    closeSync(this.fd);
  }

  /** To the end of the last page in use, according to the newer head. */
  private used(): number {
    const head = Buffer.alloc(256);
    readSync(this.fd, head, 0, 256, 0);
    const pageSize = head.readUInt32LE(PAGE_SIZE_AT);
    const last = head.readBigUInt64LE(LAST_PAGE_AT);
    readSync(this.fd, head, 0, 256, pageSize);
    const other = head.readBigUInt64LE(LAST_PAGE_AT);
    return (Number(last > other ? last : other) + 1) * pageSize;
  }
}
