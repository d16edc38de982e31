/** Whether airy.yaml holds secrets that others may read. */
import { stat } from "node:fs/promises";
import { readLinkedText } from "../io/files.ts";
import { isReference } from "./keyring.ts";
import { configKeys } from "./schema.ts";
import { valueIn } from "./write.ts";

export interface Exposed {
  message: string;
  action: string;
}

/** null: it holds none, or is its owner's alone. */
export async function exposedSecrets(file: string): Promise<Exposed | null> {
  const mode = (await stat(file).catch(() => null))?.mode ?? 0;
  if ((mode & 0o077) === 0) return null;
  const source = (await readLinkedText(file)) ?? "";
  const open = configKeys().filter(({ name, secret }) => {
    const value = secret ? valueIn(source, name.split(".")) : null;
    return value !== null && !isReference(value);
  });
  if (open.length === 0) return null;
  const others = (mode & 0o777).toString(8);
  return {
    message: `${file} holds secrets (${open.map(({ name }) => name).join(", ")}), and others may read it (mode ${others}).`,
    action: `chmod 600 ${file}`,
  };
}
