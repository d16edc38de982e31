/**
 * What is kept of a certificate authority: our account, the certificates, and when we have ordered. One file each, for its owner alone, and
 * replaced in one piece: a key never lies beside somebody else's certificate.
 */
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { makeFolder } from "../../store/folder.ts";
import { readCertificate, type Certificate } from "../certificate.ts";

/** PEM, and where the authority keeps it; null: not told to it yet. */
const Account = z.object({ key: z.string(), url: z.url().nullable() });
export type Account = z.infer<typeof Account>;

const Ledger = z.object({
  /** Orders of the last hour, and certificates for new names of the last week; epoch milliseconds. */
  orders: z.array(z.number()),
  firsts: z.array(z.number()),
  /** The authority has asked for patience until then. */
  pausedUntil: z.number(),
});
export type Ledger = z.infer<typeof Ledger>;

const KEY_BLOCK = /-----BEGIN (?:EC |RSA )?PRIVATE KEY-----[^]*?-----END (?:EC |RSA )?PRIVATE KEY-----\s*/;

export class AcmeStore {
  readonly #folder: string;
  readonly #account: string;

  /** @param directory URL of the authority: each has an account of its own. */
  constructor(folder: string, directory: string) {
    this.#folder = folder;
    this.#account = `account-${createHash("sha256").update(directory).digest("hex").slice(0, 12)}.json`;
    makeFolder(folder);
  }

  account(): Account | null {
    return this.#json(this.#account, Account);
  }

  saveAccount(account: Account): void {
    this.#write(this.#account, JSON.stringify(account));
  }

  ledger(): Ledger {
    return this.#json("orders.json", Ledger) ?? { orders: [], firsts: [], pausedUntil: 0 };
  }

  saveLedger(ledger: Ledger): void {
    this.#write("orders.json", JSON.stringify(ledger));
  }

  /** Every certificate by the host it is for; what cannot be used (any more) is handed to `unusable`. */
  certificates(unusable: (host: string, reason: string) => void): Map<string, Certificate> {
    const found = new Map<string, Certificate>();
    for (const file of readdirSync(this.#folder).filter((each) => each.endsWith(".pem"))) {
      const host = file.slice(0, -4).replace(/^_(?=\.)/, "*");
      try {
        found.set(host, readPem(readFileSync(path.join(this.#folder, file), "utf8")));
      } catch (error) {
        unusable(host, (error as Error).message);
      }
    }
    return found;
  }

  /** @param pem key and chain. */
  saveCertificate(host: string, pem: string): void {
    this.#write(fileOf(host), pem);
  }

  removeCertificate(host: string): void {
    rmSync(path.join(this.#folder, fileOf(host)), { force: true });
  }

  #json<T>(file: string, schema: z.ZodType<T>): T | null {
    try {
      return schema.parse(JSON.parse(readFileSync(path.join(this.#folder, file), "utf8")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw new Error(`${path.join(this.#folder, file)} cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }

  #write(file: string, text: string): void {
    const at = path.join(this.#folder, file);
    const fd = openSync(`${at}.new`, "w", 0o600);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${at}.new`, at);
  }
}

/** Key and chain in one text. Throws an Error that says what is wrong. */
export function readPem(pem: string): Certificate {
  const key = KEY_BLOCK.exec(pem)?.[0] ?? "";
  return readCertificate(pem.replace(KEY_BLOCK, ""), key);
}

function fileOf(host: string): string {
  return `${host.replace(/^\*/, "_")}.pem`;
}
