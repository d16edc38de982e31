/**
 * One agent process for each workspace. A launcher may be killed right after it has started one, before anything tells of it; that
 * process then meets the one that the next launcher starts. The latest start wins: it is written down before its process is started.
 */
import { rm } from "node:fs/promises";
import { acquireLock, lockHolder, type Lock } from "../config/lock.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readText, writeAtomic } from "../io/files.ts";
import type { Io } from "../io/io.ts";
import { terminate } from "../io/process.ts";
import { AiryError } from "../errors.ts";

/** Milliseconds in which an earlier agent process can end properly. */
const GRACE_MS = 15_000;

/** Called by the launcher before it starts the process: from now on only that one may run. */
export async function announceStart(paths: WorkspacePaths, startId: string): Promise<void> {
  await writeAtomic(paths.agentStart, startId);
}

/** Called by the process: ends the one that is there, and takes its place. null when a later start has been announced. */
export async function claimWorkspace(paths: WorkspacePaths, startId: string, io: Pick<Io, "pid" | "now" | "kill">): Promise<Lock | null> {
  while (await isLatest(paths, startId)) {
    const lock = await acquireLock(paths.agentLock, "agent", io).catch((error: unknown) => {
      if (error instanceof AiryError && error.code === "LOCKED") return null;
      throw error;
    });
    if (!lock) {
      await endHolder(paths, io);
      continue;
    }
    if (await isLatest(paths, startId)) return lock;
    await lock.release();
  }
  return null;
}

/** Called when a workspace is to be still: no process that was started before runs afterwards. Returns whether one was ended. */
export async function withdrawStarts(paths: WorkspacePaths, io: Pick<Io, "kill">): Promise<boolean> {
  await rm(paths.agentStart, { force: true });
  return endHolder(paths, io);
}

async function endHolder(paths: WorkspacePaths, io: Pick<Io, "kill">): Promise<boolean> {
  const holder = await lockHolder(paths.agentLock);
  if (holder) await terminate(io.kill, holder.pid, holder.started, GRACE_MS);
  return holder !== null;
}

async function isLatest(paths: WorkspacePaths, startId: string): Promise<boolean> {
  return (await readText(paths.agentStart)) === startId;
}
