/** Folders that are made when they are missing. */
import { accessSync, constants, mkdirSync } from "node:fs";
import path from "node:path";
import { EdgeError } from "../errors.ts";

/**
 * Makes `dir` with mode 0700, and what is missing above it. Throws the system's error. Node's own `recursive` never ends where a folder
 * that exists says that it does not (`/proc/x`: ENOENT for ever).
 */
export function makeFolder(dir: string): void {
  const parent = path.dirname(dir);
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || parent === dir) throw error;
    makeFolder(parent);
    mkdirSync(dir, { mode: 0o700 });
  }
}

/** The folder itself, and whether it can be written. Throws EDGE_DATA. */
export function makeWritableFolder(folder: string): void {
  try {
    makeFolder(folder);
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    throw new EdgeError("EDGE_DATA", (cause as Error).message, { cause });
  }
}
