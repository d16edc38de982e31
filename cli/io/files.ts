/** Files of the state folder: private, and never half written. */
import { randomBytes } from "node:crypto";
import { appendFile, chmod, lstat, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";

/** The file's text, null when it does not exist. */
export async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return null;
    throw error;
  }
}

/** Replaces the file in one step, flushed to the disk, readable by its owner alone unless `mode` says otherwise. */
export async function writeAtomic(file: string, text: string, mode = 0o600): Promise<void> {
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

/** Makes the folder with mode 0700, and tightens one that is more open. */
export async function makePrivateDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  // A folder that came with somebody's checkout must not lead our writes elsewhere.
  if ((await lstat(dir)).isSymbolicLink()) throw new Error(`${dir} is a symbolic link`);
  const { mode } = await stat(dir);
  if ((mode & 0o077) !== 0) await chmod(dir, 0o700);
}

/** Appends, and moves the file to `<name>.1` once it is larger than `maxBytes`. One older file is kept. */
export async function appendBounded(file: string, text: string, maxBytes: number): Promise<void> {
  const size = await stat(file).then(
    (s) => s.size,
    () => 0,
  );
  if (size > maxBytes) await rename(file, `${file}.1`);
  await appendFile(file, text, { mode: 0o600 });
}

/** The last lines of a text file, oldest first; reads at most its last 256 KB. None when it does not exist. */
export async function tailLines(file: string, count: number): Promise<string[]> {
  const window = 256 * 1024;
  const handle = await open(file, "r").catch(() => null);
  if (!handle) return [];
  try {
    const { size } = await handle.stat();
    const from = Math.max(0, size - window);
    const buffer = Buffer.alloc(size - from);
    await handle.read(buffer, 0, buffer.length, from);
    const lines = buffer.toString("utf8").split("\n");
    if (lines.at(-1) === "") lines.pop();
    if (from > 0) lines.shift(); // cut in the middle
    return count === 0 ? [] : lines.slice(-count);
  } finally {
    await handle.close();
  }
}

/** The `code` of a system error, e.g. ENOENT. */
export function errno(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
