/**
 * What can be said of an edge before it starts: whether its settings can be used, and what is damaged in its data folder. Changes nothing.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { parseDomain, type EdgeConfig } from "./config.ts";
import { EdgeError } from "./errors.ts";
import { openAccess } from "./ssh/access.ts";
import { checkHook } from "./tls/acme/certificates.ts";
import { openFiles } from "./tls/files.ts";
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

export interface ConfigCheck {
  /** Until when the certificate is good, ISO 8601; null: there is no TLS, or none yet. */
  certificate: string | null;
  /** How many keys each list has; null: there is none. */
  keys: { authorized: number | null; denied: number | null };
}

/** Reads what an edge would read at its start, and opens nothing. Throws EDGE_DOMAIN, EDGE_TLS, EDGE_ACCESS. */
export function checkConfig({ domain, tls, access, log }: Pick<EdgeConfig, "domain" | "tls" | "access" | "log">): ConfigCheck {
  const name = parseDomain(domain);
  const keys = openAccess(access ?? { authorizedKeys: null, deniedKeys: null }, log).counts();
  return { certificate: certificateEnd(name, tls, log), keys };
}

function certificateEnd(domain: string, tls: EdgeConfig["tls"], log: EdgeConfig["log"]): string | null {
  if (!tls || tls.mode === "off") return null;
  if (tls.mode === "acme") {
    try {
      checkHook(tls.hook);
    } catch (cause) {
      throw new EdgeError("EDGE_TLS", (cause as Error).message, { cause });
    }
    return null;
  }
  const certificates = openFiles(tls, domain, log);
  certificates.close();
  return new Date(Math.min(...certificates.expiries().map(({ notAfter }) => notAfter))).toISOString();
}
