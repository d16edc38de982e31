/**
 * The public name follows from the public key alone, so that the same key has the same URL from every client. Pure; both ends import it.
 */
import { createHash } from "node:crypto";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Characters of a derived name; it gets longer only where two keys share these. 50 bits. */
export const IDENTIFIER_LENGTH = 10;

/** Characters of the whole hash: a derived name never gets longer. */
export const LONGEST_IDENTIFIER = 52;

/**
 * The first `length` characters of the lower-case base32 (RFC 4648 alphabet, a-z2-7, no padding) of the SHA-256 of an SSH public key
 * blob (RFC 4253, 6.6: the bytes that are base64 in an OpenSSH line).
 */
export function identifierOf(publicKeyBlob: Uint8Array, length = IDENTIFIER_LENGTH): string {
  return base32(createHash("sha256").update(publicKeyBlob).digest()).slice(0, length);
}

/** The fingerprint as OpenSSH prints it: `SHA256:` and unpadded base64. */
export function fingerprintOf(publicKeyBlob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(publicKeyBlob).digest("base64").replace(/=+$/, "")}`;
}

/**
 * The key blob of one OpenSSH public key line (`ssh-ed25519 AAAA... comment`), or null when the line is not one: wrong base64, or a
 * blob of another type than the line says.
 */
export function publicKeyBlob(line: string): Buffer | null {
  const [type, encoded] = line.trim().split(/\s+/);
  if (!type || !encoded || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return null;
  const blob = Buffer.from(encoded, "base64");
  if (blob.toString("base64").replace(/=+$/, "") !== encoded.replace(/=+$/, "")) return null;
  if (blob.length < 4) return null;
  const typeLength = blob.readUInt32BE(0);
  if (blob.length <= 4 + typeLength || blob.toString("latin1", 4, 4 + typeLength) !== type) return null;
  return blob;
}

function base32(bytes: Uint8Array): string {
  let text = "";
  let pending = 0;
  let bits = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32.charAt((pending >> bits) & 31);
    }
    pending &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + BASE32.charAt((pending << (5 - bits)) & 31);
}
