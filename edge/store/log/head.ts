/**
 * The log's memory of itself: which segment is the first, and which batch was acknowledged last. Without it a log whose end is missing
 * would look like a shorter log. Layout: "AIRYHEAD", first u32, sequence u64, salt u32, crc u32 of all that; big-endian. Earlier versions
 * had no salt.
 */
import { randomInt } from "node:crypto";
import { closeSync, existsSync, fdatasync, openSync, readFileSync, write } from "node:fs";
import { open, rename } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";

const writeTo = promisify(write);
const sync = promisify(fdatasync);
const MAGIC = Buffer.from("AIRYHEAD");
const BYTES = 28;
const BYTES_WITHOUT_SALT = 24;

export interface HeadState {
  first: number;
  /** At least this batch was acknowledged. After the power has failed it may have been more. */
  sequence: number;
  /** What the checksums of this log's records begin with (format.ts). */
  salt: number;
}

/** What the head says; null when there is none, undefined when it is damaged. */
export function readHead(dir: string): HeadState | null | undefined {
  const file = headFile(dir);
  if (!existsSync(file)) return null;
  const bytes = readFileSync(file);
  const { length } = bytes;
  if ((length !== BYTES && length !== BYTES_WITHOUT_SALT) || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  if (bytes.readUInt32BE(length - 4) !== crc32(bytes.subarray(0, length - 4))) return undefined;
  const salt = length === BYTES ? bytes.readUInt32BE(20) : newSalt();
  return { first: bytes.readUInt32BE(8), sequence: Number(bytes.readBigUInt64BE(12)), salt };
}

/** By chance, and never 0, which is what segments of earlier versions have. */
export function newSalt(): number {
  return randomInt(1, 2 ** 32 - 1);
}

export class Head {
  readonly salt: number;
  readonly #dir: string;
  #first: number;
  #fd: number | null = null;

  constructor(dir: string, state: HeadState | null) {
    this.#dir = dir;
    this.#first = state?.first ?? 0;
    this.salt = state?.salt ?? newSalt();
    if (state) this.#fd = openSync(headFile(dir), "r+");
  }

  /** Makes it before the first segment is made. */
  async make(first: number): Promise<void> {
    if (this.#fd !== null) return;
    const file = headFile(this.#dir);
    const handle = await open(`${file}.new`, "w", 0o600);
    try {
      await handle.write(encodeHead({ first, sequence: 0, salt: this.salt }));
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.new`, file);
    this.#first = first;
    this.#fd = openSync(file, "r+");
  }

  /** Not synced: it only has to survive the process. A failure is no reason to refuse what is on disk already. */
  async advance(sequence: number): Promise<void> {
    if (this.#fd === null) return;
    await writeTo(this.#fd, encodeHead({ first: this.#first, sequence, salt: this.salt }), 0, BYTES, 0).catch(() => {});
  }

  /** On disk when it resolves: the segments before `first` may go. */
  async dropBefore(first: number, sequence: number): Promise<void> {
    if (this.#fd === null) return;
    await writeTo(this.#fd, encodeHead({ first, sequence, salt: this.salt }), 0, BYTES, 0);
    await sync(this.#fd);
    this.#first = first;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

export function headFile(dir: string): string {
  return path.join(dir, "head");
}

export function encodeHead(state: HeadState): Buffer {
  const bytes = Buffer.alloc(BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32BE(state.first, 8);
  bytes.writeBigUInt64BE(BigInt(state.sequence), 12);
  bytes.writeUInt32BE(state.salt, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 24)), 24);
  return bytes;
}
