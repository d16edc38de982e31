/** What the process that runs the services leaves for others to read: `.airy/embedded.json`. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { readText, writeAtomic } from "../../io/files.ts";
import { isAlive, startTime } from "../../io/process.ts";

const recordSchema = z.object({
  pid: z.int().positive(),
  /** Start time of the process, see io/process.ts. */
  started: z.string(),
  /** Where each service that runs inside the process answers over HTTP. */
  services: z.array(z.object({ name: z.string(), port: z.int(), path: z.string() })),
});

export type StackRecord = z.output<typeof recordSchema>;

function fileOf(workspace: string): string {
  return path.join(workspace, ".airy", "embedded.json");
}

export async function writeRecord(workspace: string, pid: number, services: StackRecord["services"]): Promise<void> {
  const record: StackRecord = { pid, started: (await startTime(pid)) ?? "", services };
  await writeAtomic(fileOf(workspace), `${JSON.stringify(record)}\n`);
}

/** What was started last, and whether its process still lives. A file that cannot be understood counts as none. */
export async function readRecord(workspace: string): Promise<(StackRecord & { alive: boolean }) | null> {
  const text = await readText(fileOf(workspace));
  if (text === null) return null;
  try {
    const record = recordSchema.parse(JSON.parse(text));
    return { ...record, alive: await isAlive(record.pid, record.started) };
  } catch {
    return null;
  }
}

export async function removeRecord(workspace: string): Promise<void> {
  await rm(fileOf(workspace), { force: true });
}
