/**
 * Who a client is: the key whose signature was verified, and nothing else. The user name carries no authority. ssh2 verifies nothing by
 * itself, and a key that is only offered (without a signature) proves nothing: golang/crypto CVE-2024-45337 is what happens otherwise.
 */
import ssh2, { type AuthContext, type Connection } from "ssh2";

/** OpenSSH tries every key of the agent in turn; more than this is guessing. */
const MAX_ATTEMPTS = 6;
const ALLOWED_TYPES = new Set([
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "ssh-rsa",
  "rsa-sha2-256",
  "rsa-sha2-512",
]);

/** Answers authentication requests; `onKey` gets the blob of the proven key, right before the client is told that it is in. */
export function authenticate(client: Connection, allowed: (keyBlob: Buffer) => boolean, onKey: (keyBlob: Buffer) => void): void {
  let attempts = 0;
  client.on("authentication", (context: AuthContext) => {
    if (context.method !== "publickey") {
      context.reject(["publickey"]);
      return;
    }
    attempts += 1;
    if (attempts > MAX_ATTEMPTS * 2) {
      // A query and a signature each count, so twice the keys.
      client.end();
      return;
    }
    const { algo, data } = context.key;
    if (!ALLOWED_TYPES.has(algo) || !allowed(data)) {
      context.reject(["publickey"]);
      return;
    }
    if (!context.signature || !context.blob) {
      context.accept(); // "this key would do"; the signature comes next
      return;
    }
    const key = ssh2.utils.parseKey(data);
    if (key instanceof Error || key.verify(context.blob, context.signature, context.hashAlgo) !== true) {
      context.reject(["publickey"]);
      return;
    }
    onKey(Buffer.from(data));
    context.accept();
  });
}
