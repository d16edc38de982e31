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

/** What NIST SP 800-131A and OpenSSH's own RequiredRSASize ask for at least. */
const MIN_RSA_BITS = 2048;

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
    if (!ALLOWED_TYPES.has(algo) || (algo === "ssh-rsa" && (!context.hashAlgo || rsaBits(data) < MIN_RSA_BITS)) || !allowed(data)) {
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

/** Of a key blob (RFC 4253 section 6.6: the type, e and n, each behind its length); 0 for anything else. */
function rsaBits(blob: Buffer): number {
  let at = 0;
  let last: Buffer = Buffer.alloc(0);
  for (let field = 0; field < 3; field++) {
    if (at + 4 > blob.length) return 0;
    const end = at + 4 + blob.readUInt32BE(at);
    last = blob.subarray(at + 4, end);
    at = end;
  }
  const first = last.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (last.length - first) * 8 - Math.clz32(last[first] ?? 0) + 24;
}
