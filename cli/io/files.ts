/** Files of the state folder: private, never half written, and never somewhere else: a link in place of one is not followed. */
import { randomBytes } from "node:crypto";
import { closeSync, constants, copyFileSync, fstatSync, openSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { chmod, copyFile, link, lstat, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";

/** Not waiting for the other end of a pipe that lies in a file's place. */
const NO_LINK = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** The file's text, null when it does not exist. */
export async function readText(file: string): Promise<string | null> {
  return textOf(file, constants.O_RDONLY | NO_LINK);
}

/** The same of a file that users write themselves, and may have put elsewhere and linked. */
export async function readLinkedText(file: string): Promise<string | null> {
  return textOf(file, constants.O_RDONLY);
}

async function textOf(file: string, flag: number): Promise<string | null> {
  try {
    return await readFile(file, { encoding: "utf8", flag });
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return null;
    throw error;
  }
}

/** Replaces the file in one step, flushed to the disk, readable by its owner alone unless `mode` says otherwise. */
export async function writeAtomic(file: string, text: string | Uint8Array, mode = 0o600): Promise<void> {
  const draft = `${file}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const handle = await open(draft, "wx", mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/**
 * Gives the file a second name unless that is taken, in one step; returns whether it did. Where the file system knows no hard links (exFAT,
 * shares) it is a copy, which others may find half written for a moment.
 */
export async function takeName(file: string, name: string): Promise<boolean> {
  try {
    await link(file, name).catch((error: unknown) => {
      if (!NO_HARD_LINKS.has(errno(error) ?? "")) throw error;
      return copyFile(file, name, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
}

/** Why {@link keepsModes} matters. */
export const NO_MODES =
  "Its file system does not keep permissions (a Windows drive in WSL, a share, exFAT), so that others could read the private key.";

/** Whether files in the folder can be closed to other users. One is made to find out, and removed. Throws where none can be made. */
export async function keepsModes(dir: string): Promise<boolean> {
  const probe = path.join(dir, `.airy-probe-${randomBytes(4).toString("hex")}`);
  const handle = await open(probe, "wx", 0o600);
  try {
    return ((await handle.stat()).mode & 0o077) === 0;
  } finally {
    await handle.close();
    await rm(probe, { force: true });
  }
}

const NO_HARD_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/** Makes the folder with mode 0700, and tightens one that is more open. */
export async function makePrivateDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  // A folder that came with somebody's checkout must not lead our writes elsewhere.
  if ((await lstat(dir)).isSymbolicLink()) throw new Error(`${dir} is a symbolic link`);
  const { mode } = await stat(dir);
  if ((mode & 0o077) !== 0) await chmod(dir, 0o700);
}

/** Appends, within the bounds of {@link rotate}. */
export function appendBounded(file: string, text: string, maxBytes: number): void {
  rotate(file, maxBytes);
  const fd = openAppend(file);
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/**
 * Once the file is larger than `maxBytes`, what is in it is at `<file>.1`, in place of what was there, and the file is empty. It is emptied
 * in place: whoever else has it open to append goes on in it. Throws when the disk is full.
 */
export function rotate(file: string, maxBytes: number): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxBytes) return;
  rmSync(`${file}.1`, { force: true });
  copyFileSync(file, `${file}.1`, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  truncateSync(file);
}

/**
 * A descriptor that appends to the file, made with mode 0600 where there is none. Throws when it is anything but a plain file with this one
 * name: what is appended would land elsewhere.
 */
export function openAppend(file: string): number {
  const fd = openSync(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | NO_LINK, 0o600);
  const stats = fstatSync(fd);
  if (stats.isFile() && stats.nlink <= 1) return fd;
  closeSync(fd);
  throw new Error(`${file} is not a plain file with one name`);
}

/**
 * The last lines of a text file, oldest first; none when it does not exist. Reads no more than its last 256 KB, or 512 bytes a line.
 * @param since only what was written after the file had this many bytes.
 */
export async function tailLines(file: string, count: number, since = 0): Promise<string[]> {
  const size = (await stat(file).catch(() => null))?.size ?? 0;
  const start = since > size ? 0 : since; // it was begun anew
  const from = Math.max(start, size - Math.max(256 * 1024, count * 512));
  const lines = (await readRange(file, from, size)).toString().split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (from > start) lines.shift(); // cut in the middle
  return count === 0 ? [] : lines.slice(-count);
}

/** What is in the file from byte `from` to byte `to`, as far as it is there. */
export async function readRange(file: string, from: number, to: number): Promise<Buffer> {
  const handle = await open(file, "r").catch(() => null);
  if (!handle) return Buffer.alloc(0);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(to - from), 0, to - from, from);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** The `code` of a system error, e.g. ENOENT. */
export function errno(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
