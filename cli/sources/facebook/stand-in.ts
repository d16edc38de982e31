/** Which stand-in for Facebook a command means: that of the workspace, or one that runs alone (`airy sandbox`) with its folder here. */
import path from "node:path";
import { z } from "zod";
import { readText } from "../../io/files.ts";
import { isAlive } from "../../io/process.ts";
import { parseJson } from "./answers.ts";

/** Folder of a stand-in that runs alone, where nothing else was said. */
export const ALONE_DIR = "airy-sandbox";

const RUNNING_FILE = "running.json";

/** What a stand-in that runs alone leaves in its folder as long as it runs. */
const runningSchema = z.object({
  pid: z.int().positive(),
  started: z.string().nullable(),
  port: z.int().min(1).max(65_535),
  commandToken: z.string().min(1),
});

export type Running = z.output<typeof runningSchema>;

export function runningFile(dir: string): string {
  return path.join(dir, RUNNING_FILE);
}

/** null where none runs with this folder. */
export async function readRunning(dir: string): Promise<Running | null> {
  const text = await readText(runningFile(dir));
  const parsed = text === null ? null : runningSchema.safeParse(parseJson(Buffer.from(text)));
  if (!parsed?.success) return null;
  const { pid, started } = parsed.data;
  return started === null || (await isAlive(pid, started)) ? parsed.data : null;
}

/**
 * The one with its folder here, or the one whose folder this is. Only a port is taken from the file: what it leads to is always this
 * machine.
 */
export async function findAlone(cwd: string): Promise<{ sandboxUrl: string; commandToken: string } | null> {
  const running = (await readRunning(path.join(cwd, ALONE_DIR))) ?? (await readRunning(cwd));
  return running && { sandboxUrl: `http://127.0.0.1:${running.port}`, commandToken: running.commandToken };
}
