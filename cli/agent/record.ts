/** `.airy/agent.json`: how the background process of a workspace is found. Written by it, removed by it, and stale after a kill -9. */
import { rm } from "node:fs/promises";
import { z } from "zod";
import type { WorkspacePaths } from "../config/paths.ts";
import { readText, writeAtomic } from "../io/files.ts";
import { isAlive } from "../io/process.ts";

const recordSchema = z.object({
  version: z.literal(1),
  pid: z.int(),
  /** Start time of the process, see io/process.ts. */
  started: z.string(),
  /** Control API on 127.0.0.1. */
  port: z.int(),
  token: z.string(),
  build: z.string(),
  /** Which start made it, so that a launcher recognises the process that it started. */
  startId: z.string(),
  /** Hash of its configuration; another one means that it has to be replaced. */
  config: z.string(),
  phase: z.enum(["starting", "ready", "stopping"]),
});

export type AgentRecord = z.output<typeof recordSchema>;

export async function writeRecord(paths: WorkspacePaths, record: AgentRecord): Promise<void> {
  await writeAtomic(paths.agent, `${JSON.stringify(record, null, 2)}\n`);
}

/** The record as it is written, whether or not the process lives. A file that cannot be understood counts as none. */
export async function readRecord(paths: WorkspacePaths): Promise<AgentRecord | null> {
  const text = await readText(paths.agent);
  if (text === null) return null;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The living agent process of the workspace. */
export async function findAgent(paths: WorkspacePaths): Promise<AgentRecord | null> {
  const record = await readRecord(paths);
  return record && (await isAlive(record.pid, record.started)) ? record : null;
}

/** Removes the record, unless a newer process has put its own there. */
export async function removeRecord(paths: WorkspacePaths, startId: string): Promise<void> {
  const record = await readRecord(paths);
  if (record?.startId === startId) await rm(paths.agent, { force: true });
}
