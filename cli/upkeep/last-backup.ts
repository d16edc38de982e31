/** What `airy destroy` keeps of the messages that it deletes. */
import type { Readable } from "node:stream";
import path from "node:path";
import type { WorkspacePaths } from "../config/paths.ts";
import { readSecrets } from "../config/state.ts";
import type { Context } from "../context.ts";
import { asAiryError, fail, whyOf } from "../errors.ts";
import { makePrivateDir } from "../io/files.ts";
import type { Platform } from "../platform/platform.ts";
import { adminOf } from "./admin.ts";
import { writeBackup } from "./backup-file.ts";

export interface Kept {
  file: string;
  bytes: number;
}

const ANSWER_WITHIN_MS = 10_000;

/**
 * Writes everything that the platform has stored into `.airy/backups`: as the running platform tells it, or, with an engine that can start
 * the database alone, once all is stopped. null: nothing is stored. Throws NOT_BACKED_UP.
 * @param stop ends what runs in the workspace.
 */
export async function backUpFirst(
  paths: WorkspacePaths,
  engine: Platform,
  ctx: Context,
  stop: () => Promise<unknown>,
): Promise<Kept | null> {
  if (!(await engine.stored(paths.root))) return null;
  const dir = path.join(paths.dir, "backups");
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, "-");
  const file = path.join(dir, `${time}.airy`);
  try {
    await makePrivateDir(dir);
    const asked = await fromRunning(paths, file, ctx).catch((error: unknown) => ({ failed: error }));
    if (!("failed" in asked)) return asked;
    if (!engine.offline) throw asked.failed;
    await stop();
    return await fromStopped(paths, engine, file, ctx);
  } catch (error) {
    ctx.signal.throwIfAborted();
    return fail("NOT_BACKED_UP", { dir: paths.dir, reason: whyOf(asAiryError(error)) });
  }
}

async function fromRunning(paths: WorkspacePaths, file: string, ctx: Context): Promise<Kept> {
  // A platform that hangs must not hold us up for ever; one that has begun to answer may take its time.
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`The platform did not answer within 10 s.`)), ANSWER_WITHIN_MS);
  try {
    const admin = await adminOf(paths, { ...ctx, signal: AbortSignal.any([ctx.signal, late.signal]) });
    const open = async (): Promise<Readable> => {
      const answer = await admin.ask("backup");
      clearTimeout(timer);
      return answer;
    };
    return { file, bytes: await writeBackup(admin.secrets.platformSecret ?? "", open, file) };
  } finally {
    clearTimeout(timer);
  }
}

async function fromStopped(paths: WorkspacePaths, engine: Platform, file: string, { signal }: Context): Promise<Kept> {
  const secrets = await readSecrets(paths);
  if (!secrets || !engine.offline) return fail("NOT_RUNNING", { workspace: paths.root });
  const { lines, close } = await engine.offline(paths.root, secrets.databasePassword, signal);
  try {
    return { file, bytes: await writeBackup(secrets.platformSecret ?? "", async () => lines, file) };
  } finally {
    await close();
  }
}
