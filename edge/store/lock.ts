/** One process a folder. The kernel frees the lock when its holder dies, so that nothing stale is ever left to clean up. */
import { closeSync, fstatSync, openSync, realpathSync, writeSync } from "node:fs";
import path from "node:path";
import { open } from "lmdb";
import { EdgeError } from "../errors.ts";

export interface FolderLock {
  release(): Promise<void>;
}

/** LMDB's table for 126 readers takes 8.1 kB. */
const READER_TABLE_BYTES = 16 * 1024;

/** Folders that this process holds; LMDB would hand the same environment out twice within one process. */
const held = new Set<string>();

/**
 * Takes `dir` for this process, or throws EDGE_DATA_LOCKED, or EDGE_DATA when the lock file cannot be made.
 *
 * Node has no flock, but LMDB keeps a table of its readers with a kernel lock for each process id. A database that is read once and never
 * again leaves us in that table for as long as we live; whoever finds another living process in it has come too late. It also
 * works between containers that share a volume: where process ids collide, taking the lock fails.
 */
export function lockFolder(dir: string): FolderLock {
  const folder = realpathSync(dir);
  if (held.has(folder)) throw new EdgeError("EDGE_DATA_LOCKED", `${dir} is open in this process (${process.pid}).`);
  const root = openLockFile(path.join(folder, "lock.mdb"));
  const holder = otherReader(root);
  if (holder !== null) {
    void root.close();
    throw new EdgeError("EDGE_DATA_LOCKED", `${dir} is open in ${holder}.`);
  }
  held.add(folder);
  return {
    release: async () => {
      const closed = root.close();
      held.delete(folder);
      await closed;
    },
  };
}

/**
 * Gives `<file>-lock` its room on the disk before LMDB maps it: on a full disk writing into a hole of a mapped file ends the process with
 * SIGBUS, while this throws ENOSPC. Only to be called while this process has the file closed: closing it here would free its locks.
 */
function reserveReaderTable(file: string): void {
  const lock = openSync(`${file}-lock`, "a", 0o600);
  try {
    if (fstatSync(lock).size === 0) writeSync(lock, Buffer.alloc(READER_TABLE_BYTES));
  } finally {
    closeSync(lock);
  }
}

type LockFile = ReturnType<typeof openLockFile>;

function openLockFile(file: string) {
  try {
    reserveReaderTable(file);
    const options = { path: file, noSubdir: true, overlappingSync: false, permissionsMode: 0o600 };
    return open(options);
  } catch (cause) {
    throw new EdgeError("EDGE_DATA", `${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Who else is in the reader table, or null. Writing ourselves into it comes first: of two that start together, one sees the other. */
function otherReader(root: LockFile): string | null {
  try {
    root.getKeysCount();
  } catch {
    return `another container (process id ${process.pid} there as well)`;
  }
  root.readerCheck();
  for (const line of root.readerList().split("\n")) {
    const pid = /^\s*(\d+) /.exec(line)?.[1];
    if (pid && Number(pid) !== process.pid) return `process ${pid}`;
  }
  return null;
}
