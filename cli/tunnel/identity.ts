/** The key pair of this machine or workspace: made on first use, never sent anywhere, and the reason why the public name is stable. */
export interface Identity {
  /** Private key in OpenSSH format. */
  privateKey: string;
  /** `ssh-ed25519 AAAA...` */
  publicKey: string;
  /** 10 characters of lower-case base32 that follow from the public key (edge/names). */
  identifier: string;
}

/** Reads the key file, or makes an ed25519 key there (mode 0600, folder 0700). Throws IDENTITY_UNREADABLE. */
export async function loadOrCreateIdentity(file: string): Promise<Identity> {
  throw new Error(`not built yet: ${file}`);
}
