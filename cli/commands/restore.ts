/** `airy restore FILE`: a backup into a workspace that runs and has no messages yet. */
import path from "node:path";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { adminOf } from "../upkeep/admin.ts";
import { readBackup } from "../upkeep/backup-file.ts";
import type { Options } from "./table.ts";

/** Throws NOT_RUNNING, PLATFORM_REFUSED, BACKUP_FILE. */
export async function runRestore(options: Options<"restore">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const file = path.resolve(io.cwd, options.file);
  const admin = await adminOf(await openWorkspace(io, options.workspace), ctx);
  const { secret, body } = await readBackup(file);
  const answer = await admin.ask("restore", { "content-type": "application/gzip", "airy-backup-secret": secret }, body());
  answer.resume();
  out.result({ file }, { text: `${file} is restored. Pages of another Facebook app have to be connected again.` });
}
