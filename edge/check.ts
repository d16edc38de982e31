/** What is damaged in a data folder, without changing anything. */
import { existsSync } from "node:fs";
import path from "node:path";
import { EdgeError } from "./errors.ts";
import { lockFolder } from "./store/lock.ts";
import { damageText, inspect } from "./store/log/salvage.ts";

export interface DataCheck {
  /** One line for each damaged place. */
  damaged: string[];
}

/**
 * Looks through the stores of a data folder. Throws EDGE_DATA_LOCKED while an edge uses it, because what is being written looks damaged,
 * and EDGE_DATA when it cannot be read.
 */
export async function checkData(dataDir: string): Promise<DataCheck> {
  if (!existsSync(dataDir)) throw new EdgeError("EDGE_DATA", `${dataDir} does not exist.`);
  const release = await lockForReading(dataDir);
  try {
    const stores = ["names", "rules", "hold"].filter((store) => existsSync(path.join(dataDir, store)));
    return { damaged: stores.flatMap((store) => inspect(path.join(dataDir, store)).damaged.map((each) => damageText(store, each))) };
  } catch (cause) {
    throw new EdgeError("EDGE_DATA", (cause as Error).message, { cause });
  } finally {
    release();
  }
}

/** On a disk that cannot be written no edge can run either. */
async function lockForReading(dataDir: string): Promise<() => void> {
  try {
    return (await lockFolder(dataDir)).release;
  } catch (error) {
    if (error instanceof EdgeError && error.code === "EDGE_DATA_LOCKED") throw error;
    return () => {};
  }
}
