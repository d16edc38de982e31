/** The data folder of the embedded Postgres: made once, kept for good, checked before each start. */
import { chown, lstat, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fail } from "../../errors.ts";
import { finish, linesOf } from "./child.ts";
import { launch, type Footing } from "./footing.ts";
import { separateRoles, SUPERUSER } from "./roles.ts";

export interface DataDirOptions {
  footing: Footing;
  /** Real path of the footing's folder: by it a running Postgres is recognised, whichever way led to the workspace. */
  base: string;
  /** Of the role `airy`. */
  password: string;
  /** For Postgres, see settings.ts. */
  argumentsFor: (dataDir: string) => Promise<string[]>;
  log: (line: string) => void;
  path: string;
  uid: number | null;
  signal: AbortSignal;
}

/**
 * Returns the folder, ready for a Postgres to start on. A new one is made elsewhere and renamed into place, so that one that is
 * there is always whole. Throws POSTGRES_INIT_FAILED, POSTGRES_OWNER, POSTGRES_DATA_VERSION, or the signal's reason.
 */
export async function openDataDir(options: DataDirOptions): Promise<string> {
  const { footing, base } = options;
  const dataDir = path.join(base, "data");
  for (const name of await readdir(base)) {
    if (name.startsWith("init-")) await rm(path.join(base, name), { recursive: true, force: true, maxRetries: 5 });
  }
  if (!(await lstat(dataDir).catch(() => null))) await create(options, base, dataDir);
  await own(dataDir, options);
  await checkVersion(dataDir, footing.version);
  await separateRoles({ ...options, dataDir, args: await options.argumentsFor(dataDir) });
  return dataDir;
}

async function create(options: DataDirOptions, base: string, dataDir: string): Promise<void> {
  const { footing, signal } = options;
  const half = await mkdtemp(path.join(base, "init-"));
  const fresh = path.join(half, "data");
  const passwordFile = path.join(half, "password");
  await mkdir(fresh, { mode: 0o700 });
  await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 });
  if (footing.owner) for (const file of [half, fresh, passwordFile]) await chown(file, footing.owner.uid, footing.owner.gid);
  try {
    const args = [
      "-D",
      fresh,
      "-U",
      SUPERUSER,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--no-instructions",
    ];
    const child = launch(footing, "initdb", args, options);
    const last = linesOf(child, options.log);
    const { exitCode } = await finish(child, signal);
    if (exitCode !== 0) {
      const reason = last(10).findLast((line) => /error|fatal|could not/i.test(line)) ?? `initdb ended with ${exitCode}`;
      fail("POSTGRES_INIT_FAILED", { reason, log: last(10), service: "postgres" });
    }
    await separateRoles({ ...options, dataDir: fresh, args: await options.argumentsFor(fresh) });
    await rename(fresh, dataDir);
  } finally {
    await rm(half, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Postgres insists on owning its data. As root it may have been run in another way the last time (footing.ts), or by an ordinary user. */
async function own(dataDir: string, options: DataDirOptions): Promise<void> {
  const { uid: owner } = await lstat(dataDir);
  const wanted = options.footing.owner;
  if (wanted) {
    if (owner !== wanted.uid >>> 0) await chownTree(dataDir, wanted.uid, wanted.gid);
  } else if (options.uid !== null && owner !== options.uid) {
    fail("POSTGRES_OWNER", { dir: path.dirname(dataDir), owner, uid: options.uid });
  }
}

/** The top goes last, so that an interrupted change is done again. */
async function chownTree(dir: string, uid: number, gid: number): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const file = path.join(dir, entry.name);
    await (entry.isDirectory() ? chownTree(file, uid, gid) : chown(file, uid, gid));
  }
  await chown(dir, uid, gid);
}

async function checkVersion(dataDir: string, version: string): Promise<void> {
  const found = (await readFile(path.join(dataDir, "PG_VERSION"), "utf8")).trim();
  const known = version.split(".")[0] ?? version;
  if (found !== known) fail("POSTGRES_DATA_VERSION", { dir: path.dirname(dataDir), found, known });
}
