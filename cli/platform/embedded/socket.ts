/** The folder of Postgres' socket: closed to everybody else, and with a path short enough for one. */
import { chown, mkdtemp, rm, rmdir } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { makePrivateDir, readText, writeAtomic } from "../../io/files.ts";
import type { Footing } from "./footing.ts";
import { SOCKET_PORT } from "./settings.ts";

/** Bytes of a socket's path (unix(7): 108 with a zero at the end; macOS and BSD: 104). */
const LONGEST = process.platform === "linux" ? 107 : 103;

/** Makes the folder, in `base` where the path is short enough. */
export async function makeSocketDir({ owner }: Footing, base: string): Promise<string> {
  await removeSocketDir(base);
  const dir = fits(path.join(base, "run")) ? await makeInside(base) : await makeOutside(base);
  if (owner) await chown(dir, owner.uid, owner.gid);
  return dir;
}

async function makeInside(base: string): Promise<string> {
  const dir = path.join(base, "run");
  await makePrivateDir(dir);
  return dir;
}

/** Under a name that nobody can have made before, which is noted for {@link removeSocketDir}. */
async function makeOutside(base: string): Promise<string> {
  const above = [os.tmpdir(), "/tmp"].find((dir) => fits(path.join(dir, "airy-XXXXXX"))) ?? "/tmp";
  const dir = await mkdtemp(path.join(above, "airy-"));
  await writeAtomic(noteOf(base), dir);
  return dir;
}

/** Of a Postgres that does not run any more. */
export async function removeSocketDir(base: string): Promise<void> {
  const noted = await readText(noteOf(base)).catch(() => null);
  for (const dir of [path.join(base, "run"), ...(noted === null ? [] : [noted])]) {
    await clearSocket(dir);
    await rmdir(dir).catch(() => {});
  }
  await rm(noteOf(base), { force: true });
}

/** What a killed Postgres has left, perhaps as another user: the next one may not be allowed to take it over. */
export async function clearSocket(dir: string): Promise<void> {
  const socket = path.join(dir, `.s.PGSQL.${SOCKET_PORT}`);
  for (const file of [socket, `${socket}.lock`]) await rm(file, { force: true }).catch(() => {});
}

function noteOf(base: string): string {
  return path.join(base, "socket");
}

function fits(dir: string): boolean {
  return Buffer.byteLength(path.join(dir, `.s.PGSQL.${SOCKET_PORT}`)) <= LONGEST;
}
