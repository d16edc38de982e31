/** Which keys may connect: every key, or those of an authorized_keys file, and in both cases none of a deny list. */
import { readFileSync, statSync } from "node:fs";
import type { Log } from "../log.ts";
import { EdgeError } from "../errors.ts";
import type { Client } from "../tunnels/registry.ts";
import { parseAuthorizedKey, type AuthorizedKey } from "./authorized-keys.ts";

export interface AccessConfig {
  /** OpenSSH authorized_keys, of whose options `from` and `expiry-time` are honoured; null: every key. */
  authorizedKeys: string | null;
  /** Public keys, one a line; null: none is denied. */
  deniedKeys: string | null;
}

export interface Access {
  allows(client: Client): boolean;
  /** Reads both files again now, whatever their times say. */
  reload(): void;
  /** How many keys are listed; null: there is no such list. */
  counts(): { authorized: number | null; denied: number | null };
}

/** Looked at this often for changes, and only when somebody connects. */
const LOOK_EVERY_MS = 1_000;

/** Throws EDGE_ACCESS when a file cannot be read or honoured: an edge that cannot enforce its mode does not start. */
export function openAccess(config: AccessConfig, log: Log): Access {
  const authorized = config.authorizedKeys === null ? null : new KeyFile(config.authorizedKeys, true, log);
  const denied = config.deniedKeys === null ? null : new KeyFile(config.deniedKeys, false, log);
  return {
    allows: (client) => {
      if (denied && (denied.has(client) || denied.broken)) return false;
      return authorized === null || authorized.has(client);
    },
    reload: () => {
      authorized?.reload();
      denied?.reload();
    },
    counts: () => ({ authorized: authorized?.size ?? null, denied: denied?.size ?? null }),
  };
}

class KeyFile {
  /** The file cannot be read any more. Nobody gets in then: not by a list of the admitted, and not past a list of the denied. */
  broken = false;
  readonly #file: string;
  readonly #conditional: boolean;
  readonly #log: Log;
  #keys = new Map<string, AuthorizedKey[]>();
  #stamp = "";
  #lookedAt = 0;

  /** @param conditional whether a key may be listed for some addresses or times only. */
  constructor(file: string, conditional: boolean, log: Log) {
    this.#file = file;
    this.#conditional = conditional;
    this.#log = log;
    this.#load();
  }

  has({ key, address }: Client): boolean {
    this.#look();
    const now = Date.now();
    return !this.broken && (this.#keys.get(key.toString("base64"))?.some((entry) => entry.admits(address, now)) ?? false);
  }

  get size(): number {
    return this.#keys.size;
  }

  reload(): void {
    this.#lookedAt = Date.now();
    this.#refresh(true);
  }

  #look(): void {
    const now = Date.now();
    if (Math.abs(now - this.#lookedAt) < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    this.#refresh(false);
  }

  #refresh(always: boolean): void {
    try {
      if (!always && this.#stampOf() === this.#stamp && !this.broken) return;
      this.#load();
      this.#log(`${this.#file}: ${this.#keys.size} keys`);
      this.broken = false;
    } catch (error) {
      if (!this.broken) this.#log(`nobody can connect: ${(error as Error).message}`, "warn");
      this.broken = true;
    }
  }

  #load(): void {
    let text: string;
    try {
      this.#stamp = this.#stampOf();
      text = readFileSync(this.#file, "utf8");
    } catch (error) {
      throw new EdgeError("EDGE_ACCESS", (error as Error).message);
    }
    const keys = new Map<string, AuthorizedKey[]>();
    for (const [index, line] of text.split("\n").entries()) {
      const entry = this.#parse(line, index + 1);
      if (!entry) continue;
      const key = entry.blob.toString("base64");
      keys.set(key, [...(keys.get(key) ?? []), entry]);
    }
    this.#keys = keys;
  }

  #parse(line: string, number: number): AuthorizedKey | null {
    try {
      const entry = parseAuthorizedKey(line);
      // Denied from one address only would be admitted from all others.
      if (entry && !this.#conditional && /^\s*\S*="/.test(line)) throw new Error("options are not honoured in a list of denied keys");
      return entry;
    } catch (error) {
      throw new EdgeError("EDGE_ACCESS", `${this.#file}, line ${number}: ${(error as Error).message}.`);
    }
  }

  #stampOf(): string {
    const { mtimeMs, size, ino } = statSync(this.#file);
    return `${mtimeMs} ${size} ${ino}`;
  }
}
