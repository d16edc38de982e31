/** Which keys may connect: every key, or those of an authorized_keys file, and in both cases none of a deny list. */
import { readFileSync, statSync } from "node:fs";
import { EdgeError } from "../errors.ts";
import { publicKeyBlob } from "../names/identifier.ts";

export interface AccessConfig {
  /** OpenSSH authorized_keys; null: every key. */
  authorizedKeys: string | null;
  /** Public keys, one a line; null: none is denied. */
  deniedKeys: string | null;
}

export interface Access {
  allows(keyBlob: Buffer): boolean;
}

/** Looked at this often for changes, and only when somebody connects. */
const LOOK_EVERY_MS = 1_000;

/** Throws EDGE_ACCESS when a file cannot be read now: an edge that cannot enforce its mode does not start. */
export function openAccess(config: AccessConfig, log: (line: string) => void): Access {
  const authorized = config.authorizedKeys === null ? null : new KeyFile(config.authorizedKeys, log);
  const denied = config.deniedKeys === null ? null : new KeyFile(config.deniedKeys, log);
  return {
    allows: (keyBlob) => {
      const key = keyBlob.toString("base64");
      if (denied && (denied.has(key) || denied.broken)) return false;
      return authorized === null || authorized.has(key);
    },
  };
}

class KeyFile {
  /** The file cannot be read any more. Nobody gets in then: not by a list of the admitted, and not past a list of the denied. */
  broken = false;
  readonly #file: string;
  readonly #log: (line: string) => void;
  #keys = new Set<string>();
  #stamp = "";
  #lookedAt = 0;

  constructor(file: string, log: (line: string) => void) {
    this.#file = file;
    this.#log = log;
    this.#load();
  }

  has(key: string): boolean {
    this.#look();
    return !this.broken && this.#keys.has(key);
  }

  #look(): void {
    const now = Date.now();
    if (Math.abs(now - this.#lookedAt) < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    try {
      if (this.#stampOf() === this.#stamp && !this.broken) return;
      this.#load();
      this.#log(`${this.#file}: ${this.#keys.size} keys`);
      this.broken = false;
    } catch (error) {
      if (!this.broken) this.#log(`nobody can connect: ${(error as Error).message}`);
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
    const keys = new Set<string>();
    for (const [index, line] of text.split("\n").entries()) {
      if (line.trim() === "" || line.trim().startsWith("#")) continue;
      const blob = keyIn(line);
      if (!blob) throw new EdgeError("EDGE_ACCESS", `${this.#file}, line ${index + 1}, is not a public key.`);
      keys.add(blob.toString("base64"));
    }
    this.#keys = keys;
  }

  #stampOf(): string {
    const { mtimeMs, size, ino } = statSync(this.#file);
    return `${mtimeMs} ${size} ${ino}`;
  }
}

/** authorized_keys lines may begin with options (`restrict,command="..." ssh-ed25519 AAAA...`). */
function keyIn(line: string): Buffer | null {
  const start = /(?:^|\s)((?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+\s+[A-Za-z0-9+/=]+)/.exec(line);
  return start?.[1] ? publicKeyBlob(start[1]) : null;
}
