/** The LMDB environment of one folder: how it is made, looked over and opened. */
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import path from "node:path";
import { open, type Database, type RootDatabase } from "lmdb";
import { EdgeError, type FailureCode } from "../errors.ts";
import { reserveReaderTable } from "./lock.ts";
import { Room } from "./room.ts";
import { faultIn } from "./verify.ts";

export interface Place {
  /** Made with mode 0700 when missing; belongs to this store alone. */
  dir: string;
  tables: readonly string[];
  /** Code for a store that cannot be read. */
  corrupt: FailureCode;
}

export interface Environment {
  root: RootDatabase<Buffer, string>;
  tables: Map<string, Database<Buffer, string>>;
  room: Room;
}

/** The folder, 0700. Throws EDGE_DATA. */
export function prepareFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
  } catch (cause) {
    throw new EdgeError("EDGE_DATA", (cause as Error).message, { cause });
  }
}

/**
 * Opens or makes the environment, after looking its file over. Throws EDGE_DATA when the system refuses, and the `corrupt` code: a file that is damaged, or that has disappeared or
 * become empty since it was made, is never replaced by a new one.
 */
export function openChecked(options: Place): Environment {
  const file = path.join(options.dir, "data.mdb");
  // Written once the store exists, so that a file that was emptied or taken away is not mistaken for a first start.
  const marker = path.join(options.dir, "made");
  try {
    const empty = !existsSync(file) || statSync(file).size === 0;
    if (empty && existsSync(marker)) throw new EdgeError(options.corrupt, `${file} is ${existsSync(file) ? "empty" : "gone"}.`);
    const fault = empty ? null : faultIn(file);
    if (fault) throw new EdgeError(options.corrupt, `${file}: ${fault}.`);
    reserveReaderTable(file);
    const environment = openEnvironment(options, !existsSync(marker));
    if (!existsSync(marker)) writeMarker(marker);
    return environment;
  } catch (cause) {
    if (cause instanceof EdgeError) throw cause;
    const { code, message } = cause as { code?: string | number; message: string };
    // Node's system errors have a string for a code, LMDB's have errno; what LMDB says of the file itself has a negative number.
    const ofSystem = typeof code === "string" || (code !== undefined && code > 0);
    throw new EdgeError(ofSystem ? "EDGE_DATA" : options.corrupt, `${file}: ${message}`, { cause });
  }
}

/** A store that has disappeared meanwhile is a failure, not a reason to begin a new one. */
export function openAgain(options: Place): Environment {
  if (statSync(path.join(options.dir, "data.mdb")).size === 0) throw new Error("The store was emptied.");
  return openEnvironment(options, false);
}

function openEnvironment(options: Place, isNew: boolean): Environment {
  // Several of these are missing in lmdb's types.
  const settings = {
    path: path.join(options.dir, "data.mdb"),
    noSubdir: true,
    overlappingSync: false,
    eventTurnBatching: false,
    permissionsMode: 0o600,
    encoding: "binary" as const,
  };
  const root = open<Buffer, string>(settings);
  const room = new Room(settings.path);
  try {
    if (isNew) room.extend(options.tables.length, 0);
    const tables = new Map(options.tables.map((name) => [name, root.openDB<Buffer, string>({ name, encoding: "binary" })]));
    return { root, tables, room };
  } catch (error) {
    room.close();
    void root.close();
    throw error;
  }
}

export async function closeEnvironment(environment: Environment): Promise<void> {
  environment.room.close();
  await environment.root.close();
}

/** Makes the store's files themselves durable too: their names are in the folder, which has to be synced for that. */
function writeMarker(marker: string): void {
  const file = openSync(marker, "w", 0o600);
  writeSync(file, "A store was made here. Do not remove this file.\n");
  fsyncSync(file);
  closeSync(file);
  for (const dir of [path.dirname(marker), path.dirname(path.dirname(marker))]) {
    const folder = openSync(dir, "r");
    fsyncSync(folder);
    closeSync(folder);
  }
}
