/** What may lie in a state folder: plain files and folders of this user, and nothing that leads elsewhere. */
import type { Dirent } from "node:fs";
import { access, constants, lstat, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { fail } from "../errors.ts";
import { errno } from "../io/files.ts";
import type { WorkspacePaths } from "./paths.ts";

/** Made anew at each start, and made of links. */
const LIBRARIES = path.join("postgres", "lib");

/**
 * Looks at everything in the folder, following no link. Returns the names in it, null when it does not exist.
 * @param uid null where the system has no user ids.
 * Throws STATE_UNSAFE, WORKSPACE_OWNER.
 */
export async function inspectStateDir(paths: WorkspacePaths, uid: number | null): Promise<string[] | null> {
  const { dir } = paths;
  const found = await lstat(dir).catch(absent(paths, uid));
  if (found === null) return checkConfig(paths, uid).then(() => null);
  if (found.isFile()) fail("WORKSPACE_NOT_WRITABLE", { dir: paths.root, reason: `${dir} is a file.` });
  if (!found.isDirectory()) await refuse(dir, found);
  if (uid !== null && found.uid !== uid) fail("WORKSPACE_OWNER", { dir: paths.root, owner: found.uid, uid });
  await checkConfig(paths, uid);
  const entries = await readdir(dir, { withFileTypes: true });
  await Promise.all(entries.map((entry) => inspect(paths, entry.name, entry, uid)));
  return entries.map(({ name }) => name);
}

/** @param relative path below the state folder. */
async function inspect(paths: WorkspacePaths, relative: string, entry: Dirent, uid: number | null): Promise<void> {
  const file = path.join(paths.dir, relative);
  if (entry.isSymbolicLink() || entry.isFIFO() || entry.isBlockDevice() || entry.isCharacterDevice()) await refuse(file, entry);
  // The database may belong to the user it runs as (platform/embedded/footing.ts), and checks its owner itself.
  const database = relative === "postgres" || relative.startsWith(`postgres${path.sep}`);
  if (!database) {
    const found = await lstat(file).catch(gone);
    if (found === null) return;
    if (uid !== null && found.uid !== uid) fail("WORKSPACE_OWNER", { dir: paths.root, owner: found.uid, uid });
    const appended = /\.(log|ndjson)(\.1)?$/.test(relative);
    if (appended && found.isFile() && found.nlink !== 1) {
      fail("STATE_UNSAFE", {
        file,
        reason: "The same file has another name elsewhere, and what airy appends here would be written there.",
      });
    }
  }
  if (!entry.isDirectory() || relative === LIBRARIES) return;
  const inside = await readdir(file, { withFileTypes: true }).catch((error: unknown) => {
    if (errno(error) === "ENOENT" || (database && errno(error) === "EACCES")) return [];
    throw error;
  });
  for (const child of inside) await inspect(paths, path.join(relative, child.name), child, uid);
}

/** One that this user cannot read was written by another, perhaps by root. */
async function checkConfig(paths: WorkspacePaths, uid: number | null): Promise<void> {
  const found = await lstat(paths.config).catch(absent(paths, uid));
  if (found === null || uid === null || found.uid === uid) return;
  await access(paths.config, constants.R_OK).catch((error: unknown) => {
    if (errno(error) === "EACCES") fail("WORKSPACE_OWNER", { dir: paths.root, owner: found.uid, uid });
  });
}

async function refuse(file: string, found: Pick<Dirent, "isSymbolicLink">): Promise<never> {
  const target = found.isSymbolicLink() ? await readlink(file).catch(() => "?") : null;
  const what = target === null ? "It is neither a file nor a folder" : `It is a symbolic link to ${target}`;
  return fail("STATE_UNSAFE", { file, reason: `${what}, and airy makes no such thing there: it came from somewhere else.` });
}

/** A folder above that cannot be entered is somebody else's. */
function absent(paths: WorkspacePaths, uid: number | null): (error: unknown) => Promise<null> {
  return async (cause) => {
    if (errno(cause) === "ENOENT" || errno(cause) === "ENOTDIR") return null;
    if (errno(cause) !== "EACCES" || uid === null) throw cause;
    const { uid: owner } = await lstat(paths.root).catch(() => ({ uid: 0 }));
    return fail("WORKSPACE_OWNER", { dir: paths.root, owner, uid });
  };
}

function gone(error: unknown): null {
  if (errno(error) === "ENOENT") return null;
  throw error;
}
