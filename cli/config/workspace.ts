/**
 * Which state folder is used at all. `.airy` decides what is executed, which database is opened and where webhooks go, and it may come with
 * somebody else's files: git carries links and JSON. So one is used only when airy made it on this machine for this user, which a mark
 * outside the workspace proves; every command comes through {@link openWorkspace}.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { AiryError, fail } from "../errors.ts";
import { readText, writeAtomic } from "../io/files.ts";
import type { Io } from "../io/io.ts";
import { inspectStateDir } from "./inspect.ts";
import { isMark, marksDir, readMark, removeMark, writeMark, type Mark } from "./marks.ts";
import { findWorkspace, pathHash, workspacePaths, type WorkspacePaths } from "./paths.ts";

type Who = Pick<Io, "cwd" | "env" | "uid" | "now">;

const selfSchema = z.object({
  version: z.literal(1),
  /** Random, known to nobody else: what is marked under it was made by us. */
  id: z.string().refine(isMark),
  /** 8 hex digits by which others (docker) know the workspace. */
  name: z.string().regex(/^[0-9a-f]{8}$/),
});

/** Who a workspace is, wherever its folder lies. */
export type Self = z.output<typeof selfSchema>;

/** `new`: there is no state folder, or nothing in it. `unknown`: airy cannot tell that it made it. */
type Standing = { kind: "new" } | { kind: "ours"; self: Self } | { kind: "copy"; self: Self; of: string } | { kind: "unknown" };

export interface OpenOptions {
  /** The user's word that the state folder is theirs. */
  adopt?: boolean;
  /** Whether a copy is let through, for {@link claimStateDir} to make it a workspace of its own. */
  copies?: boolean;
}

/**
 * Finds the workspace and looks whether its state may be used. Throws STATE_UNSAFE, WORKSPACE_OWNER, WORKSPACE_UNKNOWN, WORKSPACE_COPY,
 * STATE_HOME_UNUSABLE.
 */
export async function openWorkspace(io: Who, asked: string | undefined, options: OpenOptions = {}): Promise<WorkspacePaths> {
  const paths = await findWorkspace(io.cwd, asked);
  const standing = await judge(paths, io);
  if (standing.kind === "copy" && !options.copies) fail("WORKSPACE_COPY", { dir: paths.root, original: standing.of });
  if (standing.kind !== "unknown") return paths;
  if (!options.adopt) fail("WORKSPACE_UNKNOWN", { dir: paths.dir, marks: marksDir(io.env) });
  // Before there were marks, docker knew a workspace by its path.
  await markAs(paths, { version: 1, id: randomBytes(16).toString("hex"), name: pathHash(paths.root) }, io);
  return paths;
}

export interface Claimed {
  self: Self;
  /** The workspace that this one was copied from, when it became one of its own just now; and whether its database ran meanwhile. */
  copyOf: { root: string; running: boolean } | null;
}

/** Makes the state folder, or makes a copy a workspace of its own. Throws as {@link openWorkspace} does, and WORKSPACE_NOT_WRITABLE. */
export async function claimStateDir(paths: WorkspacePaths, io: Who): Promise<Claimed> {
  const standing = await judge(paths, io);
  if (standing.kind === "ours") return { self: standing.self, copyOf: null };
  if (standing.kind === "unknown") fail("WORKSPACE_UNKNOWN", { dir: paths.dir, marks: marksDir(io.env) });
  let copyOf: Claimed["copyOf"] = null;
  try {
    await mkdir(paths.dir, { recursive: true, mode: 0o700 });
    if (standing.kind === "copy") copyOf = { root: standing.of, running: await dropTheOriginals(paths) };
    const id = randomBytes(16).toString("hex");
    await markAs(paths, { version: 1, id, name: id.slice(0, 8) }, io);
  } catch (error) {
    if (error instanceof AiryError) throw error;
    fail("WORKSPACE_NOT_WRITABLE", { dir: paths.root, reason: error instanceof Error ? error.message : String(error) });
  }
  // Another airy may have done the same at the same time: whose file lies there now is who both are.
  const self = (await readSelf(paths.root)) ?? fail("WORKSPACE_NOT_WRITABLE", { dir: paths.root, reason: `${paths.self} went away.` });
  return { self, copyOf };
}

/** null when there is none. For whoever came through {@link openWorkspace}. */
export async function readSelf(root: string): Promise<Self | null> {
  const text = await readText(workspacePaths(root).self).catch(() => null);
  try {
    return text === null ? null : selfSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The workspace goes on with what docker keeps under the name of one that was in this folder before. */
export async function takeName(root: string, name: string, io: Who): Promise<void> {
  const paths = workspacePaths(root);
  const self = await readSelf(root);
  if (!self) return;
  const renamed = { ...self, name };
  await writeMark(io.env, self.id, markOf(paths, await stat(paths.dir), renamed, io));
  await writeAtomic(paths.self, `${JSON.stringify(renamed)}\n`);
}

async function judge(paths: WorkspacePaths, io: Who): Promise<Standing> {
  const names = await inspectStateDir(paths, io.uid);
  if (names === null || names.every(saysNothing)) return { kind: "new" };
  const self = await readSelf(paths.root);
  const mark = self && (await readMark(io.env, self.id));
  if (!self || !mark) return { kind: "unknown" };
  const here = await stat(paths.dir);
  const ours: Standing = { kind: "ours", self };
  const sameFolder = mark.ino === String(here.ino) && mark.dev === String(here.dev);
  if (sameFolder && mark.root === paths.root) return ours;
  // Moved; or, at the place of old, put back from a backup, or the system numbers its disks anew.
  if (!sameFolder && mark.root !== paths.root) {
    const there = await stat(workspacePaths(mark.root).dir).catch(() => null);
    const original = there !== null && (await readSelf(mark.root))?.id === self.id;
    if (original && (there.ino !== here.ino || there.dev !== here.dev)) return { kind: "copy", self, of: mark.root };
    // One folder that is reached by two ways (a bind mount).
    if (original) return ours;
  }
  // Only a note of where it is now: a home that cannot be written to is said where something is made.
  await writeMark(io.env, self.id, markOf(paths, here, self, io)).catch(() => {});
  return ours;
}

/** What airy leaves when it is killed before the folder is marked, and what a user may have made by hand. */
function saysNothing(name: string): boolean {
  return name === ".gitignore" || /^workspace\.json\.[0-9a-f]{8}\.tmp$/.test(name);
}

async function markAs(paths: WorkspacePaths, self: Self, io: Who): Promise<void> {
  // The mark first: a folder that says who it is has one.
  await writeMark(io.env, self.id, markOf(paths, await stat(paths.dir), self, io));
  await writeAtomic(paths.self, `${JSON.stringify(self)}\n`);
  const won = await readSelf(paths.root);
  if (won && won.id !== self.id) await removeMark(io.env, self.id);
}

function markOf(paths: WorkspacePaths, { dev, ino }: { dev: number; ino: number }, { name }: Self, { now }: Who): Mark {
  return { version: 1, root: paths.root, dev: String(dev), ino: String(ino), name, seen: now().toISOString() };
}

/** What a copy may keep: the messages, the password that opens them, and which edges were met. All else is the original's. */
const KEPT_BY_COPY = new Set([".gitignore", "postgres", "secrets.json", "known_edges", "state.json"]);

/**
 * The key makes the public URL, and two workspaces with one would take it from each other; ports, process and locks are the original's.
 * Returns whether the database ran while it was copied.
 */
async function dropTheOriginals(paths: WorkspacePaths): Promise<boolean> {
  for (const name of await readdir(paths.dir)) {
    if (!KEPT_BY_COPY.has(name)) await rm(path.join(paths.dir, name), { recursive: true, force: true });
  }
  const pidFile = path.join(paths.dir, "postgres", "data", "postmaster.pid");
  const running = (await stat(pidFile).catch(() => null)) !== null;
  await rm(pidFile, { force: true });
  const engine = z.object({ engine: z.enum(["docker", "embedded"]).nullable() }).safeParse(parseJson(await readText(paths.state)));
  const state = { version: 1, engine: engine.data?.engine ?? null, sandbox: null, ports: null, callbacks: [], heldAt: null };
  await writeAtomic(paths.state, `${JSON.stringify(state, null, 2)}\n`);
  return running;
}

function parseJson(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return null;
  }
}
