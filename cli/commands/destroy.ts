/**
 * `airy destroy`: stops everything and deletes what the workspace has stored; the key of its public name is kept, and a backup of the
 * messages in `.airy/backups`.
 */
import { lstat, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { forgetHeld } from "../agent/forget.ts";
import { stopAgent } from "../agent/start.ts";
import { acquireLock } from "../config/lock.ts";
import { isMade, type WorkspacePaths } from "../config/paths.ts";
import { readState, type State } from "../config/state.ts";
import { openWorkspace } from "../config/workspace.ts";
import { errno, readText } from "../io/files.ts";
import { loadEngine } from "../platform/engines.ts";
import { backUpFirst, type Kept } from "../upkeep/last-backup.ts";
import type { Platform } from "../platform/platform.ts";
import type { Emit } from "../events.ts";
import { AiryError, asAiryError, fail } from "../errors.ts";
import { createLines } from "../report/lines.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/**
 * Throws CONFIRMATION_REQUIRED without a terminal and without --yes, and when the answer is no; NOT_BACKED_UP; and as {@link openWorkspace}
 * does.
 */
export async function runDestroy(options: Options<"destroy">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace, { adopt: options.adopt });
  const there = await readdir(paths.dir).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return null;
    throw error;
  });
  if (!there?.some(isDeleted))
    return out.result({ destroyed: false, kept: [], left: [], backup: null }, { text: `There is nothing to delete in ${paths.dir}.` });
  if (!options.yes) await confirm(paths, options.noBackup, ctx);
  const lock = await acquireLock(paths.lock, "destroy", io);
  let left: string[];
  let backup: Kept | null = null;
  try {
    const state = await readState(paths).catch(() => null);
    const engines = await enginesOf(state, io);
    // Before anything is deleted: an engine that does not answer, or is another one, would keep its part.
    for (const engine of engines) await engine.status(paths.root);
    if (!options.noBackup) backup = await backUp(paths, state, engines, ctx);
    if (state?.heldAt) await forget(paths, state.heldAt, ctx);
    await stopAgent(io, paths);
    for (const engine of engines) await engine.destroy(paths.root, showing(out));
    left = await clear(paths, io);
  } finally {
    await lock.release();
  }
  const kept = (await readText(paths.identity)) === null ? [] : [paths.identity];
  const said = [`Deleted: messages, settings and logs of ${paths.root} (in ${paths.dir}).`];
  if (kept.length > 0) said.push(`The key of the public name is kept: ${paths.identity}`);
  if (backup) said.push(`A backup is kept: ${backup.file} (${Math.ceil(backup.bytes / 1024)} KB; with page tokens).`);
  if (left.length > 0) said.push(`Left alone, because airy did not make it: ${left.join(", ")}`);
  const hint = `start anew: airy up${backup ? `   then the messages back: airy restore ${backup.file}` : ""}`;
  out.result({ destroyed: true, dir: paths.dir, kept, left, backup }, { text: said.join("\n"), hint });
}

/** Where the state does not say any more which engine it was, both are cleared as far as they are there. */
async function enginesOf(state: State | null, io: Context["io"]): Promise<Platform[]> {
  if (state) return state.engine === null ? [] : [await loadEngine(state.engine, io, state)];
  const all = await Promise.all([loadEngine("embedded", io, null), loadEngine("docker", io, null)]);
  const usable = await Promise.all(all.map(async (one) => (await one.facts()).usable));
  return all.filter((_, i) => usable[i]);
}

function showing(out: Context["out"]): Emit {
  const lines = createLines();
  return (event) => {
    const line = lines.line(out.stamp(event));
    if (line !== null) out.line(line);
  };
}

/** What waits at the edge goes as well. An edge that cannot be asked does not keep the rest from being deleted. */
async function forget(paths: WorkspacePaths, edge: { host: string; port: number; key: string | null }, { out }: Context): Promise<void> {
  try {
    const count = await forgetHeld(paths, edge);
    if (count > 0) out.line(`The edge has deleted ${count === 1 ? "one message" : `${count} messages`} that waited there.`);
  } catch (error) {
    const { code } = asAiryError(error);
    out.warn({ code, message: `The edge ${edge.host} could not be told to forget what waits there; it keeps that for at most 36 hours.` });
  }
}

const OF_BASIC =
  "Those of the basic edition are kept beside Airy Core's, and only it can write a backup of them: airy up --edition basic, then airy destroy.";

/** Airy Core's data is in Kafka and in its own store: there is no backup of it, which is said. */
async function backUp(paths: WorkspacePaths, state: State | null, engines: Platform[], ctx: Context): Promise<Kept | null> {
  let kept: Kept | null = null;
  for (const engine of engines) {
    if (state?.edition === "core") {
      if (await engine.stored(paths.root)) fail("NOT_BACKED_UP", { dir: paths.dir, reason: OF_BASIC });
      ctx.out.line("No backup is made: airy has none of Airy Core's data.");
    } else kept = await backUpFirst(paths, engine, ctx, () => stopAgent(ctx.io, paths));
  }
  return kept;
}

async function confirm(paths: WorkspacePaths, noBackup: boolean, { io, out, signal }: Context): Promise<void> {
  if (out.json || !io.tty.stdin || !io.tty.stdout) fail("CONFIRMATION_REQUIRED", { dir: paths.dir, declined: false });
  const prompt = createInterface({ input: io.stdin, output: io.terminal });
  const kept = noBackup ? "for good" : `; a backup of the messages is kept in ${path.join(paths.dir, "backups")}`;
  const consequence = `All messages and settings in ${paths.dir} will be deleted${noBackup ? " " : ""}${kept}.`;
  const answer = await new Promise<string>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    // The terminal is in raw mode while it is asked, so that Ctrl-C arrives as a key; Ctrl-D closes.
    prompt.on("SIGINT", () => reject(new AiryError("INTERRUPTED", { signal: "SIGINT" })));
    prompt.on("close", () => resolve(""));
    prompt.question(`${consequence}\nDelete? [y/N] `).then(resolve, reject);
  }).finally(() => prompt.close());
  if (!/^y(es)?$/i.test(answer.trim())) fail("CONFIRMATION_REQUIRED", { dir: paths.dir, declined: true });
}

/**
 * The key makes the URL, which a source may still point to; host keys pinned for it stay with it, and so does who the workspace is. The
 * lock is released later.
 */
const KEPT = new Set([".gitignore", "workspace.json", "identity", "identity.pub", "known_edges", "up.lock", "backups"]);

function isDeleted(name: string): boolean {
  return isMade(name) && !KEPT.has(name);
}

/** Deletes what airy made, and returns what else lies there. Throws WORKSPACE_OWNER. */
async function clear(paths: WorkspacePaths, { uid }: Context["io"]): Promise<string[]> {
  const left: string[] = [];
  for (const name of await readdir(paths.dir)) {
    const file = path.join(paths.dir, name);
    if (isDeleted(name)) await rm(file, { recursive: true, force: true }).catch(notMine);
    else if (!isMade(name)) left.push(file);
  }
  return left;

  async function notMine(cause: NodeJS.ErrnoException): Promise<never> {
    if ((cause.code !== "EACCES" && cause.code !== "EPERM") || uid === null) throw cause;
    const { uid: owner } = await lstat(cause.path ?? paths.dir).catch(() => ({ uid: 0 }));
    return fail("WORKSPACE_OWNER", { dir: paths.root, owner, uid });
  }
}
