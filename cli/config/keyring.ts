/**
 * Secrets in the keyring of the operating system, where there is one: macOS' Keychain, the Secret Service of a Linux desktop. airy.yaml
 * then holds a reference, `${keyring:<16 hex>}`; the name is random, so that a file from elsewhere cannot name what is ours.
 */
import { randomBytes } from "node:crypto";

type Env = Readonly<Record<string, string | undefined>>;
type Package = typeof import("@napi-rs/keyring");

const SERVICE = "airy-up";
/** A locked keyring asks its user; nobody may be there. */
const ANSWER_MS = 30_000;

const REFERENCE = /^\$\{keyring:([0-9a-f]{16})\}$/;

export function isReference(value: string): boolean {
  return REFERENCE.test(value);
}

/** Keeps the secret, and returns what to write into airy.yaml; null: there is no keyring, or it is not to be used. */
export async function keep(secret: string, env: Env): Promise<string | null> {
  const name = randomBytes(8).toString("hex");
  try {
    const entry = await open(name, env);
    if (!entry) return null;
    await entry.setPassword(secret, AbortSignal.timeout(ANSWER_MS));
    // Some stores take what they do not keep.
    if ((await entry.getPassword(AbortSignal.timeout(ANSWER_MS))) !== secret) return null;
    return `\${keyring:${name}}`;
  } catch {
    return null;
  }
}

/** The secret that is meant by a reference. Rejects with why it cannot be had. */
export async function recall(reference: string, env: Env): Promise<string> {
  const name = REFERENCE.exec(reference)?.[1] ?? "";
  const entry = await open(name, env);
  if (!entry) throw new Error("No keyring can be used here.");
  const found = await entry.getPassword(AbortSignal.timeout(ANSWER_MS));
  if (found === null) throw new Error("The keyring of this machine and user does not have it.");
  return found;
}

/** Of a value that is replaced; nothing happens where there is none. */
export async function forget(reference: string, env: Env): Promise<void> {
  const name = REFERENCE.exec(reference)?.[1];
  if (!name) return;
  await open(name, env)
    .then((entry) => entry?.deletePassword(AbortSignal.timeout(ANSWER_MS)))
    .catch(() => {});
}

/** null where the package, which is optional, is not installed. */
async function open(name: string, env: Env): Promise<InstanceType<Package["AsyncEntry"]> | null> {
  if (/^(1|true|yes|on)$/i.test(env.AIRY_NO_KEYRING ?? "")) return null;
  const loaded = await import("@napi-rs/keyring").catch(() => null);
  if (!loaded) return null;
  // By itself it falls back to the kernel's keyring, which forgets at logout and reboot.
  return new loaded.AsyncEntry(SERVICE, name, { linux: { store: "secret-service" } });
}
