/**
 * The file of a backup: one line with the secret that page tokens are encrypted under, then the platform's own lines of JSON, compressed.
 *
 *   airy-backup 1 SECRET\n  gzip
 */
import { createReadStream } from "node:fs";
import { open as openFile, rename, rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { fail } from "../errors.ts";
import { errno } from "../io/files.ts";

const MARK = "airy-backup 1 ";
const MAX_HEAD = 1_000;

/**
 * Appears whole, under its name, or not at all; readable by its owner alone. Returns its size. Throws BACKUP_FILE, PLATFORM_REFUSED, and
 * as `open` does.
 * @param secret what page tokens are encrypted under.
 * @param open the platform's lines, compressed.
 */
export async function writeBackup(secret: string, open: () => Promise<Readable>, file: string): Promise<number> {
  const made = `${file}.${process.pid}.part`;
  const answer = await open();
  try {
    // Taken at once, so that nothing is overwritten by surprise.
    await (await openFile(file, "wx", 0o600)).close();
  } catch (error) {
    answer.destroy();
    const there = errno(error) === "EEXIST";
    const reason = there ? "It is not overwritten." : `It cannot be written (${errno(error) ?? String(error)}).`;
    return fail("BACKUP_FILE", { file, there, reason });
  }
  try {
    const handle = await openFile(made, "w", 0o600);
    await handle.write(`${MARK}${secret}\n`);
    await pipeline(answer, handle.createWriteStream());
    if (!(await isWhole(made))) return fail("PLATFORM_REFUSED", { command: "backup", reason: "It stopped in the middle." });
    await rename(made, file);
  } catch (error) {
    await Promise.all([rm(made, { force: true }), rm(file, { force: true })]);
    throw error;
  }
  const written = await openFile(file, "r");
  const { size } = await written.stat().finally(() => written.close());
  return size;
}

/** Throws BACKUP_FILE. */
export async function readBackup(file: string): Promise<{ secret: string; body: () => Readable }> {
  const unreadable = (error: unknown) => fail("BACKUP_FILE", { file, reason: `It cannot be read (${errno(error) ?? String(error)}).` });
  const handle = await openFile(file, "r").catch(unreadable);
  try {
    const head = Buffer.alloc(MAX_HEAD);
    const { bytesRead } = await handle.read(head, 0, MAX_HEAD, 0).catch(unreadable);
    const end = head.subarray(0, bytesRead).indexOf("\n");
    const line = head.toString("latin1", 0, Math.max(0, end));
    if (!line.startsWith(MARK)) return fail("BACKUP_FILE", { file, reason: "It is no backup of airy." });
    return { secret: line.slice(MARK.length), body: () => createReadStream(file, { start: end + 1 }) };
  } finally {
    await handle.close();
  }
}

async function isWhole(file: string): Promise<boolean> {
  let tail = "";
  const { body } = await readBackup(file);
  try {
    await pipeline(body(), createGunzip(), async (source) => {
      for await (const chunk of source) tail = (tail + String(chunk)).slice(-200);
    });
  } catch {
    return false;
  }
  return /\n\{"end":true,"lines":\d+\}\n$/.test(tail);
}
