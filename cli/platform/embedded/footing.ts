/**
 * As whom Postgres runs. It refuses root ("The server must be started by the user that owns the data directory", and that user must
 * not be uid 0), so for root there are three ways, tried in this order until one reaches programs and data:
 *
 * 1. namespace: `unshare -U` without a mapping. The kernel still knows the process as root's, so it reads and owns root's files, but
 *    it sees itself and the owner of the data as uid 65534. Nothing changes hands. A plain docker container forbids it (seccomp), and
 *    so do hosts with `user.max_user_namespaces=0`; files of another user under a closed folder (`sudo airy up`) are out of its reach.
 * 2. capability: `setpriv` to nobody with CAP_DAC_OVERRIDE as its one capability. Data belongs to nobody, and the path to it may lead
 *    through folders that are closed to nobody (`/root`, `.airy`). Works in a plain docker container.
 * 3. user: nobody without any capability, where util-linux is missing (macOS, slim images). Data then lies under /var/lib/airy, where
 *    nobody can get to it, and so does a copy of the programs if their folder is closed.
 *
 * Who is not root runs it as he is, or where his number has no name, by the first way.
 *
 * In 1 and 2 the database can touch what root can, as the platform that runs as root beside it could anyway.
 */
import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { chmod, cp, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { readSelf } from "../../config/workspace.ts";
import { makePrivateDir } from "../../io/files.ts";
import { start } from "../../io/spawn.ts";
import { fail } from "../../errors.ts";
import { findNative, libraryPath, mendBinaries, tryPrograms, type Binaries } from "./binaries.ts";

interface Owner {
  uid: number;
  gid: number;
}

export interface Footing {
  way: "self" | "namespace" | "capability" | "user";
  /** Put before program and arguments. Each execs, so the child's pid is that of Postgres. */
  prefix: readonly string[];
  /** Drop to this user when starting the child. */
  drop: Owner | null;
  /** Who has to own the data; null: whoever runs this. */
  owner: Owner | null;
  /** Folder for everything of this database, made by {@link findFooting}. */
  base: string;
  binaries: Binaries;
  /** Of the programs, e.g. `18.4`. */
  version: string;
}

export interface FootingInput {
  /** `<workspace>/.airy/postgres` */
  base: string;
  os: string;
  arch: string;
  /** null where the system has no user ids. */
  uid: number | null;
  /** Search path for `unshare` and `setpriv`. */
  path: string;
}

/**
 * Finds out how Postgres can run here. Throws POSTGRES_MISSING, POSTGRES_UNUSABLE, POSTGRES_OWNER, POSTGRES_FILESYSTEM.
 * @param native where the programs are.
 */
export async function findFooting(input: FootingInput, native = findNative(input.os, input.arch)): Promise<Footing> {
  await makeBase(input);
  const binaries = await mendBinaries(native, path.join(input.base, "lib"));
  const trial = await tryPrograms(binaries);
  // Root may copy them to where they may be executed.
  if ("reason" in trial && !(trial.denied && input.uid === 0)) return fail("POSTGRES_UNUSABLE", { reason: trial.reason, root: false });
  const plain = { base: input.base, binaries, drop: null, owner: null };
  if (input.uid !== 0) return asUser({ ...plain, way: "self", prefix: [] }, input);

  const nobody = await findNobody();
  const beside = await besideBase(input);
  // Data stays where it is, also when another way has become possible.
  if (nobody && (await stat(path.join(beside, "data")).catch(() => null))) {
    return proven(await besideEverything(nobody, binaries, input), input);
  }
  const ways: Candidate[] = [{ ...plain, way: "namespace", prefix: ["unshare", "-U"], owner: { uid: 0, gid: 0 } }];
  if (nobody) {
    const ids = ["--reuid", String(nobody.uid), "--regid", String(nobody.gid), "--clear-groups"];
    const only = ["--inh-caps", "--ambient-caps", "--bounding-set"].flatMap((set) => [set, "-all,+dac_override"]);
    // access(2) ignores the capabilities of whoever is not root unless this bit is set, and initdb looks for its programs with it.
    const kept = ["--securebits", "+no_setuid_fixup"];
    ways.push({ ...plain, way: "capability", prefix: ["setpriv", ...kept, ...ids, ...only], owner: nobody });
  }
  const failures: string[] = [];
  for (const way of ways) {
    const tried = await prove(way, input);
    if (typeof tried === "object") return tried;
    failures.push(tried);
  }
  const elsewhere = await stat(path.join(input.base, "data")).catch(() => null);
  if (nobody && !elsewhere) {
    const tried = await prove(await besideEverything(nobody, binaries, input), input);
    if (typeof tried === "object") return tried;
    failures.push(tried);
  }
  return fail("POSTGRES_UNUSABLE", { reason: failures.join("; "), root: true });
}

/**
 * Under a number without a name (containers are given such), initdb sees a name in a namespace: there everybody is 65534, which is nobody.
 */
async function asUser(self: Candidate, input: FootingInput): Promise<Footing> {
  const tried = await prove(self, input);
  if (typeof tried === "object") return tried;
  if (!/could not look up effective user ID/.test(tried)) return fail("POSTGRES_UNUSABLE", { reason: tried, root: false });
  const inside = await prove({ ...self, way: "namespace", prefix: ["unshare", "-U"] }, input);
  if (typeof inside === "object") return inside;
  return fail("POSTGRES_UNUSABLE", { reason: `${tried}; ${inside}`, root: false, nameless: input.uid ?? undefined });
}

async function makeBase({ base, uid }: FootingInput): Promise<void> {
  await mkdir(base, { recursive: true, mode: 0o700 });
  const { uid: owner } = await stat(base);
  if (uid !== null && uid !== 0 && owner !== uid) fail("POSTGRES_OWNER", { dir: base, owner, uid });
  // Where permissions are not kept, chmod fails or does nothing.
  await makePrivateDir(base).catch(() => undefined);
  if (((await stat(base)).mode & 0o077) !== 0) fail("POSTGRES_FILESYSTEM", { dir: base });
}

/**
 * Starts one of the Postgres programs; the environment is empty but for what they need, so that no PG variable of the user changes
 * anything.
 */
export function launch(
  footing: Candidate,
  program: "initdb" | "postgres",
  args: readonly string[],
  options: { path: string; input?: string },
): ChildProcess {
  const command = [...footing.prefix, path.join(footing.binaries.native, "bin", program), ...args];
  return begin(footing, command, options);
}

type Candidate = Omit<Footing, "version">;

function begin(footing: Candidate, command: readonly string[], options: { path: string; input?: string }): ChildProcess {
  const env = { PATH: options.path, LC_ALL: "C", ...libraryPath(footing.binaries.libraries) };
  const [file = "", ...rest] = command;
  const child = start(file, rest, {
    // The folder airy was started in may be out of the child's reach, or go away.
    cwd: "/",
    env,
    uid: footing.drop?.uid,
    gid: footing.drop?.gid,
    // Ctrl-C in a terminal goes to the whole group; the database ends after the services that use it.
    detached: true,
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.input ?? "");
  return child;
}

async function proven(candidate: Candidate, input: FootingInput): Promise<Footing> {
  const tried = await prove(candidate, input);
  return typeof tried === "object" ? tried : fail("POSTGRES_UNUSABLE", { reason: tried, root: input.uid === 0 });
}

/** Tries the way with the real programs and folder; a string says why it does not work. */
async function prove(candidate: Candidate, input: FootingInput): Promise<Footing | string> {
  try {
    // Checks the user, the server program beside it and the shared files, says the version, and changes nothing.
    const said = await output(launch(candidate, "initdb", ["--show", "-D", candidate.base], input));
    const version = /^VERSION=(\S+)/m.exec(said.code === 0 ? said.text : "")?.[1];
    if (version === undefined) return `${candidate.way}: ${said.text.trim().split("\n")[0]}`;
    // "/." asks for the right to pass through the folder itself, not only to see it.
    const reached = await output(begin(candidate, [...candidate.prefix, "ls", "-d", `${candidate.base}/.`], input));
    return reached.code === 0 ? { ...candidate, version } : `${candidate.way}: ${reached.text.trim()}`;
  } catch (error) {
    // Without CAP_SETUID, starting a child as another user fails at once.
    return `${candidate.way}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Where the third way keeps the data of the workspace whose `.airy/postgres` is `base`: by who the workspace is, as it may be moved. */
export async function besideBase({ base }: Pick<FootingInput, "base">): Promise<string> {
  const byPath = besideOf(path.resolve(base));
  const self = await readSelf(path.resolve(base, "../.."));
  if (!self) return byPath;
  const byId = besideOf(self.id);
  // An earlier airy went by the path.
  if (!(await stat(byId).catch(() => null))) await rename(byPath, byId).catch(() => {});
  return byId;
}

function besideOf(text: string): string {
  return path.join("/var/lib/airy", createHash("sha256").update(text).digest("hex").slice(0, 16));
}

/** The third way. `.airy` holds keys and stays closed, so data and, when needed, programs go to a place of their own. */
async function besideEverything(nobody: Owner, binaries: Binaries, input: FootingInput): Promise<Candidate> {
  const base = await besideBase(input);
  const shared = path.dirname(base);
  await mkdir(base, { recursive: true });
  for (const folder of [shared, base]) await chmod(folder, 0o755);
  const candidate: Candidate = { way: "user", prefix: [], drop: nobody, owner: nobody, base, binaries };
  const tried = await prove(candidate, input);
  // Only what cannot be reached is copied: another failure would be the same there.
  if (typeof tried === "object" || !/EACCES|Permission denied/i.test(tried)) return candidate;
  return { ...candidate, binaries: { native: await copyNative(binaries, shared), libraries: null } };
}

async function copyNative(binaries: Binaries, shared: string): Promise<string> {
  const { mtimeMs, size } = await stat(path.join(binaries.native, "bin/postgres"));
  const target = path.join(shared, `postgres-${size.toString(36)}-${Math.trunc(mtimeMs).toString(36)}`);
  if (await stat(target).catch(() => null)) return target;
  const half = `${target}.${randomBytes(4).toString("hex")}`;
  await cp(binaries.native, half, { recursive: true, verbatimSymlinks: true });
  if (binaries.libraries !== null) await cp(binaries.libraries, path.join(half, "lib"), { recursive: true, dereference: true });
  await rename(half, target).catch(() => rm(half, { recursive: true, force: true })); // another airy was quicker
  return target;
}

/** initdb looks its user up by name, so a number alone does not do. */
async function findNobody(): Promise<Owner | null> {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const fields = /^nobody:[^:]*:(-?\d+):(-?\d+):/m.exec(passwd);
  // macOS writes -2, and takes the same number without a sign.
  return fields ? { uid: Number(fields[1]) >>> 0, gid: Number(fields[2]) >>> 0 } : null;
}

function output(child: ChildProcess): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve) => {
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.once("error", (error) => resolve({ code: null, text: error.message }));
    child.once("close", (code) => resolve({ code, text }));
  });
}
