/** One launcher at a time changes a workspace. A lock whose owner is gone is taken over. */
import { rename, rm, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Io } from "../io/io.ts";
import { errno, readText, takeName, writeAtomic } from "../io/files.ts";
import { isAlive, startTime } from "../io/process.ts";
import { fail } from "../errors.ts";

const holderSchema = z.object({ pid: z.int(), started: z.string(), command: z.string(), since: z.string() });

const WRITTEN_WITHIN_MS = 500;

export interface Lock {
  /** Idempotent. */
  release(): Promise<void>;
}

/** Throws LOCKED while another living process holds the lock. */
export async function acquireLock(file: string, command: string, io: Pick<Io, "pid" | "now">): Promise<Lock> {
  const started = await startTime(io.pid);
  const mine = JSON.stringify({ pid: io.pid, started, command, since: io.now().toISOString() });
  const draft = `${file}.${io.pid}`;
  await writeAtomic(draft, mine);
  try {
    for (;;) {
      if (await takeName(draft, file)) return { release: () => release(file, mine) };
      await removeStale(file, draft);
    }
  } finally {
    await rm(draft, { force: true });
  }
}

export type LockHolder = z.output<typeof holderSchema>;

/** The living process that holds the lock. */
export async function lockHolder(file: string): Promise<LockHolder | null> {
  const text = await readText(file);
  const holder = text === null ? null : parse(text);
  return holder && (await isAlive(holder.pid, holder.started)) ? holder : null;
}

async function removeStale(file: string, draft: string): Promise<void> {
  const text = await readText(file);
  if (text === null) return;
  const holder = parse(text);
  if (holder && (await isAlive(holder.pid, holder.started))) fail("LOCKED", { ...holder, file });
  if (!holder && (await isFresh(file))) return sleep(50);
  // Somebody else may have taken the stale lock over since it was read: what was moved away is looked at again, and put back.
  const aside = `${draft}.stale`;
  try {
    await rename(file, aside);
  } catch (error) {
    if (errno(error) === "ENOENT") return;
    throw error;
  }
  if ((await readText(aside)) !== text) await takeName(aside, file).catch(() => {});
  await rm(aside, { force: true });
}

/** Without hard links a lock is being written for a moment after it was taken. */
async function isFresh(file: string): Promise<boolean> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: 0 }));
  return Math.abs(Date.now() - mtimeMs) < WRITTEN_WITHIN_MS;
}

async function release(file: string, mine: string): Promise<void> {
  if ((await readText(file)) === mine) await rm(file, { force: true });
}

function parse(text: string): LockHolder | null {
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
