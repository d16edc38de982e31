/** The marks of the workspaces that airy made for this user: `<state home>/workspaces/<id>.json`. No repository can bring one along. */
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { fail } from "../errors.ts";
import { errno, makePrivateDir, readText, writeAtomic } from "../io/files.ts";
import { stateHome } from "./home.ts";

type Env = Readonly<Record<string, string | undefined>>;

const markSchema = z.object({
  version: z.literal(1),
  /** Real path of the workspace when it was seen last. */
  root: z.string(),
  /** Of its state folder; decimal. */
  dev: z.string(),
  ino: z.string(),
  /** By which docker knows it. */
  name: z.string(),
  /** ISO time. */
  seen: z.string(),
});

export type Mark = z.output<typeof markSchema>;

/** A workspace that is gone is forgotten after this long; until then its containers can be told from strangers'. */
const FORGET_AFTER_MS = 90 * 24 * 3_600_000;

export function marksDir(env: Env): string {
  return path.join(stateHome(env), "workspaces");
}

/** 128 random bits: who knows one has read it in a private file of ours. */
export function isMark(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}

export async function readMark(env: Env, id: string): Promise<Mark | null> {
  return isMark(id) ? parse(await readText(fileOf(env, id)).catch(unusable(env))) : null;
}

/** Throws STATE_HOME_UNUSABLE. */
export async function writeMark(env: Env, id: string, mark: Mark): Promise<void> {
  try {
    await makePrivateDir(marksDir(env));
    await forgetOld(env);
    await writeAtomic(fileOf(env, id), `${JSON.stringify(mark)}\n`);
  } catch (error) {
    unusable(env)(error);
  }
}

export async function removeMark(env: Env, id: string): Promise<void> {
  await rm(fileOf(env, id), { force: true });
}

/** Names of the workspaces that were at this path before and are gone from it: what docker keeps for them is still there. */
export async function namesBefore(env: Env, root: string, self: { id: string }): Promise<string[]> {
  const names: string[] = [];
  for (const id of await ids(env)) {
    const mark = id === self.id ? null : await readMark(env, id);
    if (mark?.root === root) names.push(mark.name);
  }
  return names;
}

/** Where the workspaces of this user were seen last; each once. */
export async function rootsOf(env: Env): Promise<string[]> {
  const marks = await Promise.all((await ids(env)).map((id) => readMark(env, id)));
  return [...new Set(marks.flatMap((mark) => (mark ? [mark.root] : [])))];
}

async function forgetOld(env: Env): Promise<void> {
  for (const id of await ids(env)) {
    const file = fileOf(env, id);
    const { mtimeMs } = await stat(file);
    if (Date.now() - mtimeMs < FORGET_AFTER_MS) continue;
    const mark = parse(await readText(file));
    const gone = mark && (await stat(path.join(mark.root, ".airy")).then(isFalse, (error: unknown) => errno(error) === "ENOENT"));
    if (!mark || gone) await rm(file, { force: true });
  }
}

const isFalse = (): boolean => false;

async function ids(env: Env): Promise<string[]> {
  const names = await readdir(marksDir(env)).catch(() => []);
  return names.map((name) => name.replace(/\.json$/, "")).filter(isMark);
}

function fileOf(env: Env, id: string): string {
  return path.join(marksDir(env), `${id}.json`);
}

function parse(text: string | null): Mark | null {
  try {
    return text === null ? null : markSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function unusable(env: Env): (error: unknown) => never {
  return (error) =>
    fail("STATE_HOME_UNUSABLE", { dir: marksDir(env), reason: error instanceof Error ? error.message : String(error) }, { cause: error });
}
