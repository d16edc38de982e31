/** The data folder of the embedded Postgres: made once, kept for good, checked before each start. */
import { chown, lstat, mkdir, mkdtemp, readFile, readdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fail } from "../../errors.ts";
import { launch, type Footing } from "./footing.ts";
import { logSize, logTail } from "./logs.ts";

export interface DataDirOptions {
  footing: Footing;
  /** Of the superuser `airy`. */
  password: string;
  logFile: string;
  path: string;
  uid: number | null;
  signal: AbortSignal;
}

/**
 * Returns the folder, ready for a Postgres to start on. A new one is made elsewhere and renamed into place, so that one that is
 * there is always whole. Throws POSTGRES_INIT_FAILED, POSTGRES_OWNER, POSTGRES_DATA_VERSION, or the signal's reason.
 */
export async function openDataDir(options: DataDirOptions): Promise<string> {
  const { footing } = options;
  // Postgres is told the real path: by it a running one is recognised, whichever way led to the workspace.
  const base = await realpath(footing.base);
  const dataDir = path.join(base, "data");
  for (const name of await readdir(base)) {
    if (name.startsWith("init-")) await rm(path.join(base, name), { recursive: true, force: true, maxRetries: 5 });
  }
  if (!(await lstat(dataDir).catch(() => null))) await create(options, base, dataDir);
  await own(dataDir, options);
  await checkVersion(dataDir, footing.version);
  return dataDir;
}

async function create(options: DataDirOptions, base: string, dataDir: string): Promise<void> {
  const { footing, logFile, signal } = options;
  const half = await mkdtemp(path.join(base, "init-"));
  const fresh = path.join(half, "data");
  const passwordFile = path.join(half, "password");
  await mkdir(fresh, { mode: 0o700 });
  await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 });
  if (footing.owner) for (const file of [half, fresh, passwordFile]) await chown(file, footing.owner.uid, footing.owner.gid);
  const before = await logSize(logFile);
  try {
    const args = [
      "-D",
      fresh,
      "-U",
      "airy",
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--no-instructions",
    ];
    const child = launch(footing, "initdb", args, { path: options.path, logFile });
    const code = await new Promise<number | null | Error>((resolve) => {
      const stop = (): void => void child.kill("SIGTERM");
      signal.addEventListener("abort", stop, { once: true });
      child.once("error", resolve);
      child.once("exit", resolve);
      child.once("close", () => signal.removeEventListener("abort", stop));
    });
    signal.throwIfAborted();
    if (code !== 0) {
      const log = await logTail(logFile, 10, before);
      const reason =
        code instanceof Error ? code.message : (log.findLast((line) => /error|fatal|could not/i.test(line)) ?? `initdb ended with ${code}`);
      fail("POSTGRES_INIT_FAILED", { reason, log, service: "postgres" });
    }
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
