/** One launcher at a time changes a workspace. A lock whose owner is gone is taken over. */
import { link, rename, rm } from "node:fs/promises";
import { z } from "zod";
import type { Io } from "../io/io.ts";
import { errno, readText, writeAtomic } from "../io/files.ts";
import { isAlive, startTime } from "../io/process.ts";
import { fail } from "../errors.ts";

const holderSchema = z.object({ pid: z.int(), started: z.string(), command: z.string(), since: z.string() });

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
      // link(2) fails when the target exists, and what it creates is complete at once.
      const taken = await link(draft, file).then(
        () => true,
        (error: unknown) => {
          if (errno(error) === "EEXIST") return false;
          throw error;
        },
      );
      if (taken) return { release: () => release(file, mine) };
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
  // Somebody else may have taken the stale lock over since it was read: what was moved away is looked at again, and put back.
  const aside = `${draft}.stale`;
  try {
    await rename(file, aside);
  } catch (error) {
    if (errno(error) === "ENOENT") return;
    throw error;
  }
  if ((await readText(aside)) !== text) await link(aside, file).catch(() => {});
  await rm(aside, { force: true });
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
