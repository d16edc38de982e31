/**
 * Who a client is: the key whose signature was verified, and nothing else. The user name carries no authority. ssh2 verifies nothing by
 * itself, and a key that is only offered (without a signature) proves nothing: golang/crypto CVE-2024-45337 is what happens otherwise.
 */
import ssh2, { type AuthContext, type Connection } from "ssh2";

/** OpenSSH asks for `none` first and then offers every key of its agent in turn, six at most with a usual server; more is guessing. */
const MAX_REQUESTS = 14;
const ALLOWED_TYPES = new Set([
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  // With SHA-2 only: ssh2 puts the hash of `rsa-sha2-*` beside this name, and none for the old SHA-1 signatures.
  "ssh-rsa",
]);

export interface AuthenticateOptions {
  allowed: (keyBlob: Buffer) => boolean;
  /** A key would do; its owner may have to type a passphrase or touch a token before the proof comes. */
  onOffer: () => void;
  /** The proven key, right before the client is told that it is in. */
  onKey: (keyBlob: Buffer) => void;
}

export function authenticate(client: Connection, { allowed, onOffer, onKey }: AuthenticateOptions): void {
  let requests = 0;
  client.on("authentication", (context: AuthContext) => {
    requests += 1;
    if (requests > MAX_REQUESTS) {
      client.end();
      return;
    }
    if (context.method !== "publickey") {
      context.reject(["publickey"]);
      return;
    }
    const { algo, data } = context.key;
    if (!ALLOWED_TYPES.has(algo) || (algo === "ssh-rsa" && !context.hashAlgo) || !allowed(data)) {
      context.reject(["publickey"]);
      return;
    }
    if (!context.signature || !context.blob) {
      onOffer();
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
