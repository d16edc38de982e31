/** The key pair of this machine or workspace: made on first use, never sent anywhere, and the reason why the public name is stable. */
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { IDENTIFIER_LENGTH, identifierOf, LONGEST_IDENTIFIER, publicKeyBlob } from "../../edge/names/identifier.ts";
import { AiryError, fail } from "../errors.ts";
import { keepsModes, NO_MODES, takeName, writeAtomic } from "../io/files.ts";

export interface Identity {
  /** Private key in OpenSSH format. */
  privateKey: string;
  /** `ssh-ed25519 AAAA...` */
  publicKey: string;
  /** 10 characters of lower-case base32 that follow from the public key (edge/names). */
  identifier: string;
}

/** Much to load: not before it is needed, so that the first frame of `airy up` does not wait for it. */
const loadSsh = async () => (await import("ssh2")).default;
const makeKey = async () => (await import("../../edge/names/key.ts")).generateKey("airy");

/** Reads the key file, or makes an ed25519 key there (mode 0600, folder 0700). Throws IDENTITY_UNREADABLE, WORKSPACE_UNSUITABLE. */
export async function loadOrCreateIdentity(file: string): Promise<Identity> {
  return identityOf(file, (await read(file)) ?? (await create(file)));
}

/** The key file where there is one, else a key for the moment, which is kept nowhere. Throws IDENTITY_UNREADABLE. */
export async function loadOrMakeIdentity(file: string): Promise<Identity> {
  return identityOf(file, (await read(file)) ?? (await makeKey()).privateKey);
}

/** The keys in ~/.ssh that `ssh` would try, without those that ask for a passphrase: an agent has these. */
export async function usersKeys(env: Readonly<Record<string, string | undefined>>): Promise<string[]> {
  const files = ["id_ed25519", "id_ecdsa", "id_rsa"].map((name) => path.join(env.HOME || os.homedir(), ".ssh", name));
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  const ssh2 = await loadSsh();
  return texts.filter((text) => {
    const key = text === "" ? new Error("none") : ssh2.utils.parseKey(text);
    return !(key instanceof Error) && key.isPrivateKey();
  });
}

async function identityOf(file: string, privateKey: string): Promise<Identity> {
  const ssh2 = await loadSsh();
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error || !key.isPrivateKey()) {
    return fail("IDENTITY_UNREADABLE", { file, reason: key instanceof Error ? key.message : "it holds no private key" });
  }
  const blob = key.getPublicSSH();
  return { privateKey, publicKey: `${key.type} ${blob.toString("base64")}`, identifier: identifierOf(blob) };
}

/**
 * Whether the URL's host begins with a name of this key. Names follow from keys, so that a list of URLs alone makes nobody's webhook ours;
 * a name is longer than the identifier only where another key has that.
 */
export function isNamedAfter(identity: Pick<Identity, "publicKey">, url: string): boolean {
  const blob = publicKeyBlob(identity.publicKey);
  const [label = ""] = URL.canParse(url) ? new URL(url).hostname.split(".", 1) : [];
  return blob !== null && label.length >= IDENTIFIER_LENGTH && identifierOf(blob, LONGEST_IDENTIFIER).startsWith(label);
}

async function read(file: string): Promise<string | null> {
  try {
    const { mode } = await stat(file);
    // As OpenSSH does: a key that others can read is no secret any more.
    if ((mode & 0o077) !== 0 && !(await keepsModes(path.dirname(file)).catch(() => true))) {
      return fail("WORKSPACE_UNSUITABLE", { dir: path.dirname(file), reason: NO_MODES });
    }
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      return fail("IDENTITY_UNREADABLE", { file, reason: `other users may read it (mode ${(mode & 0o777).toString(8)})`, mode: true });
    }
    return await readFile(file, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return null;
    if (error instanceof Error && error.name === "AiryError") throw error;
    return fail("IDENTITY_UNREADABLE", { file, reason: (error as Error).message });
  }
}

/** Two processes may do this at the same time: the one that takes the name first wins, and both use its key. */
async function create(file: string): Promise<string> {
  const { privateKey: pem, publicKey: line } = await makeKey();
  const temporary = `${file}.${randomUUID()}.new`;
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await writeDurably(temporary, pem);
    if (((await stat(temporary)).mode & 0o077) !== 0) fail("WORKSPACE_UNSUITABLE", { dir: path.dirname(file), reason: NO_MODES });
    if (!(await takeName(temporary, file))) return await readFile(file, "utf8");
    await writeAtomic(`${file}.pub`, `${line}\n`, 0o644);
    return pem;
  } catch (error) {
    if (error instanceof AiryError) throw error;
    return fail("IDENTITY_UNREADABLE", { file, reason: (error as Error).message, none: true });
  } finally {
    await rm(temporary, { force: true }).catch(() => {}); // where its folder could not be made
  }
}

/** On disk before it gets its name: an empty key after a power cut would cost the public name. */
async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
