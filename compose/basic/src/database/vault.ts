/** Tokens at rest: sealed with AES-256-GCM under a key that is not in the database. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

export interface Vault {
  seal(token: string): string;
  /** null: it was sealed under another key. A token from before there was sealing comes back as it is. */
  open(stored: string): string | null;
}

const MARK = "sealed:";
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** @param secret any text; null: nothing is sealed, for the embedding program keeps no secret of its own. */
export function createVault(secret: string | null): Vault {
  const key = secret === null ? null : createHash("sha256").update(`airy tokens\0${secret}`).digest();
  return {
    seal(token) {
      if (key === null) return token;
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, iv);
      const sealed = Buffer.concat([iv, cipher.update(token, "utf8"), cipher.final()]);
      return MARK + Buffer.concat([sealed, cipher.getAuthTag()]).toString("base64");
    },
    open(stored) {
      if (!stored.startsWith(MARK)) return stored;
      const bytes = Buffer.from(stored.slice(MARK.length), "base64");
      if (key === null || bytes.length < IV_BYTES + TAG_BYTES) return null;
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString("utf8");
      } catch {
        return null;
      }
    },
  };
}
