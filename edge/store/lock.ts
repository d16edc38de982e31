/**
 * One process a folder. Every process that wants the folder listens on a Unix socket of its own in it, and asks those that are there
 * before it takes the folder: the kernel refuses connections to a socket whose process has died, so that nothing stale is ever believed,
 * and no process id is compared. It works between containers that share a volume, because a socket is found by its file.
 *
 * Of several that start together the one with the smallest name goes on. A process that is there when another one looks is seen, since
 * everybody listens before looking: so two never hold the folder at once.
 */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, symlinkSync, unlinkSync } from "node:fs";
import net from "node:net";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { EdgeError } from "../errors.ts";

export interface FolderLock {
  release(): void;
}

const FOLDER = "lock";
/** A holder that is stopped has its connections accepted by the kernel, and says nothing. */
const ANSWER_MS = 1_000;
/** Two that start together look again until one of them has seen the other. */
const LOOK_EVERY_MS = 20;
/** `sun_path` has 108 bytes on Linux and 104 on macOS, with the zero at its end. */
const LONGEST_PATH = 103;

/** Takes `dir`, which must exist, or throws EDGE_DATA_LOCKED, or EDGE_DATA when no lock can be made there. */
export async function lockFolder(dir: string): Promise<FolderLock> {
  const folder = path.join(dir, FOLDER);
  const name = randomBytes(6).toString("hex");
  const short = shortPath(prepare(folder));
  let state: "starting" | "holding" = "starting";
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.end(`${state} process ${process.pid} on ${hostname()}`);
  });
  const release = () => {
    server.close();
    remove(path.join(folder, name));
    short.release();
  };
  try {
    await listen(server, path.join(short.path, name), dir);
    await beFirst(dir, folder, short.path, name);
    state = "holding";
    return { release };
  } catch (error) {
    release();
    throw error instanceof EdgeError ? error : new EdgeError("EDGE_DATA", (error as Error).message, { cause: error });
  }
}

/** Resolves when no other process is there. */
async function beFirst(dir: string, folder: string, short: string, name: string): Promise<void> {
  for (;;) {
    let waits = false;
    const present = readdirSync(folder);
    // Taken for dead between its bind and its listen, which takes another process to look in that very moment.
    if (!present.includes(name)) throw new EdgeError("EDGE_DATA_LOCKED", `${dir} was opened by another process at the same time.`);
    for (const other of present) {
      if (other === name) continue;
      const answer = await ask(path.join(short, other));
      if (answer === null) remove(path.join(folder, other));
      else if (!answer.startsWith("starting") || other < name) {
        throw new EdgeError("EDGE_DATA_LOCKED", `${dir} is open in ${answer.replace(/^\w+ /, "")}.`);
      } else waits = true;
    }
    if (!waits) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** What a process says of itself, or null when there is none any more. */
function ask(socketPath: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: socketPath });
    let text = "";
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      // Everything else (EACCES, EAGAIN with a full backlog) is not the absence of a process.
      resolve(error.code === "ECONNREFUSED" || error.code === "ENOENT" ? null : `holding a process that cannot be asked (${error.code})`);
    });
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(text || "holding a process that does not answer");
    });
  });
}

function listen(server: net.Server, socketPath: string, dir: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(new EdgeError("EDGE_DATA", `${dir} cannot be locked: a Unix socket in it fails with ${cause.code}.`, { cause }));
    });
    server.listen(socketPath, () => resolve());
    // A lock is no reason for a process to live on.
    server.unref();
  });
}

function prepare(folder: string): string {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw new EdgeError("EDGE_DATA", (cause as Error).message, { cause });
  }
  if (!statSync(folder).isDirectory()) throw new EdgeError("EDGE_DATA", `${folder} is not a folder.`);
  return folder;
}

/** The folder by a path that leaves room for a socket's name (12 bytes at most). */
export function shortPath(folder: string): { path: string; release: () => void } {
  if (Buffer.byteLength(folder) + 13 <= LONGEST_PATH) return { path: folder, release: () => {} };
  if (existsSync("/proc/self/fd")) {
    const fd = openSync(folder, "r");
    return { path: `/proc/self/fd/${fd}`, release: () => closeSync(fd) };
  }
  const link = mkdtempSync(path.join(tmpdir(), "airy-"));
  symlinkSync(folder, path.join(link, "l"));
  return { path: path.join(link, "l"), release: () => rmSync(link, { recursive: true, force: true }) };
}

function remove(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Somebody else has removed it, or nobody can; it answers no more than before.
  }
}
