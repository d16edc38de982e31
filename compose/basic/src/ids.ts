/** Airy's deterministic ids, so that the same page, customer or message has the same id on every installation. */
import { createHash } from "node:crypto";

/**
 * First 16 bytes of SHA-1 over the UTF-8 text `namespace + name`, marked as a version 5 UUID. Unlike RFC 9562 the namespace goes in as
 * text, not as bytes: that is how Airy Core derives its ids.
 */
export function airyId(namespace: string, name: string): string {
  const bytes = createHash("sha1")
    .update(namespace + name, "utf8")
    .digest()
    .subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
