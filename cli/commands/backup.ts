/** `airy backup`: everything the platform keeps, in one file that `airy restore` reads, whichever engine either runs. */
import path from "node:path";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { adminOf } from "../upkeep/admin.ts";
import { writeBackup } from "../upkeep/backup-file.ts";
import type { Options } from "./table.ts";

/** Throws NOT_RUNNING, PLATFORM_REFUSED, BACKUP_FILE. */
export async function runBackup(options: Options<"backup">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const admin = await adminOf(await openWorkspace(io, options.workspace), ctx);
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, "-");
  const file = path.resolve(io.cwd, options.file ?? `airy-backup-${time}.airy`);
  const bytes = await writeBackup(admin.secrets.platformSecret ?? "", () => admin.ask("backup"), file);
  const text = `${file}: ${Math.ceil(bytes / 1024)} KB. It holds messages and page tokens: keep it where only you can read it.`;
  out.result({ file, bytes }, { text, hint: `back: airy restore ${file}` });
}
