/** Makes ed25519 key pairs in OpenSSH's format. */
import ssh2 from "ssh2";

export interface KeyPair {
  /** OpenSSH format. */
  privateKey: string;
  /** `ssh-ed25519 AAAA... comment` */
  publicKey: string;
}

/**
 * ssh2 1.17 reads the key's octets as a number when it makes one (lib/keygen.js), so that one key in 256, whose first octet is zero, comes
 * out an octet short and cannot be read by anybody. Such a key is thrown away and another one made.
 */
export function generateKey(comment: string): KeyPair {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment });
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return { privateKey: pair.private, publicKey: pair.public };
  }
}
