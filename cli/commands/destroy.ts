/** `airy destroy`: stops everything and deletes what the workspace has stored; the key of its public name is kept. */
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { forgetHeld } from "../agent/forget.ts";
import { stopAgent } from "../agent/start.ts";
import { acquireLock } from "../config/lock.ts";
import { findWorkspace, type WorkspacePaths } from "../config/paths.ts";
import { readState } from "../config/state.ts";
import { readText } from "../io/files.ts";
import { loadEngine } from "../platform/engines.ts";
import type { Emit } from "../events.ts";
import { AiryError, asAiryError, fail } from "../errors.ts";
import { createLines } from "../report/lines.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Throws CONFIRMATION_REQUIRED without a terminal and without --yes, and when the answer is no. */
export async function runDestroy(options: Options<"destroy">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await findWorkspace(io.cwd, options.workspace);
  const exists = await readdir(paths.dir).then(
    () => true,
    () => false,
  );
  if (!exists) return out.result({ destroyed: false, kept: [] }, { text: "There is nothing to delete here." });
  if (!options.yes) await confirm(paths, ctx);
  const lock = await acquireLock(paths.lock, "destroy", io);
  try {
    const { engine, heldAt } = await readState(paths).catch(() => ({ engine: null, heldAt: null }));
    if (heldAt) await forget(paths, heldAt, ctx);
    await stopAgent(io, paths);
    const lines = createLines();
    const emit: Emit = (event) => {
      const line = lines.line(out.stamp(event));
      if (line !== null) out.line(line);
    };
    if (engine) await (await loadEngine(engine, io)).destroy(paths.root, emit);
    await clear(paths);
  } finally {
    await lock.release();
  }
  const kept = (await readText(paths.identity)) === null ? [] : [paths.identity];
  out.result(
    { destroyed: true, kept },
    { text: `Deleted.${kept.length > 0 ? ` The key of the public name is kept: ${paths.identity}` : ""}\nstart anew: airy up` },
  );
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

async function confirm(paths: WorkspacePaths, { io, out, signal }: Context): Promise<void> {
  if (out.json || !io.tty.stdin || !io.tty.stdout) fail("CONFIRMATION_REQUIRED", { dir: paths.dir, declined: false });
  const prompt = createInterface({ input: io.stdin, output: io.terminal });
  const answer = await new Promise<string>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    // The terminal is in raw mode while it is asked, so that Ctrl-C arrives as a key; Ctrl-D closes.
    prompt.on("SIGINT", () => reject(new AiryError("INTERRUPTED", { signal: "SIGINT" })));
    prompt.on("close", () => resolve(""));
    prompt.question(`All messages and settings in ${paths.dir} will be deleted for good.\nDelete? [y/N] `).then(resolve, reject);
  }).finally(() => prompt.close());
  if (!/^y(es)?$/i.test(answer.trim())) fail("CONFIRMATION_REQUIRED", { dir: paths.dir, declined: true });
}

/** The key makes the URL, which a source may still point to; host keys pinned for it stay with it. The lock is released later. */
async function clear(paths: WorkspacePaths): Promise<void> {
  const kept = new Set([path.join(paths.dir, ".gitignore"), paths.identity, `${paths.identity}.pub`, paths.knownEdges, paths.lock]);
  for (const name of await readdir(paths.dir)) {
    const file = path.join(paths.dir, name);
    if (!kept.has(file)) await rm(file, { recursive: true, force: true });
  }
}
