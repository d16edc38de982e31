/** Values written into airy.yaml: what else is in it, comments included, stays as it is. */
import { realpath, stat } from "node:fs/promises";
import { parseDocument, type Document } from "yaml";
import { readLinkedText, writeAtomic } from "../io/files.ts";
import { forget, isReference } from "./keyring.ts";
import template from "../../templates/airy.yaml";

interface WriteOptions {
  env: Readonly<Record<string, string | undefined>>;
  /** One of the values is a secret: the file is its owner's alone afterwards. */
  secret: boolean;
  /** Throws when the text must not be written. */
  check?: (text: string) => void;
}

/**
 * @param values each with the path of its key, e.g. `["components", "sources", "facebook", "appId"]`; an empty one leaves the key as if it
 * were not written. Returns the text, and the last value that was replaced.
 */
export async function writeConfigValues(
  file: string,
  values: readonly (readonly [path: readonly string[], value: string])[],
  { env, secret, check }: WriteOptions,
): Promise<{ text: string; old: string | null }> {
  // Everything is text, as it is when it is read.
  const document = parseDocument((await readLinkedText(file)) ?? template, { schema: "failsafe" });
  const before = values.map(([path]) => textAt(document, path));
  for (const [path, value] of values) put(document, path, value);
  const text = document.toString({ lineWidth: 0 });
  check?.(text);
  // Where a link leads to, so that it stays one.
  const target = await realpath(file).catch(() => file);
  const mode = await stat(target).then(
    (found) => found.mode & 0o777,
    () => 0o600,
  );
  await writeAtomic(target, text, secret ? 0o600 : mode);
  for (const value of before) if (value && isReference(value)) await forget(value, env);
  return { text, old: before.findLast((value) => value !== null) ?? null };
}

/** null where there is none. Of a text that is no YAML, too. */
export function valueIn(source: string, path: readonly string[]): string | null {
  return textAt(parseDocument(source, { schema: "failsafe" }), path);
}

function textAt(document: Document, path: readonly string[]): string | null {
  const value: unknown = document.getIn(path);
  return typeof value === "string" && value.trim() !== "" ? value.trim() : null;
}

function put(document: Document, path: readonly string[], value: string): void {
  // Sections without children are empty scalars.
  for (let depth = 1; depth < path.length; depth++) {
    const above = path.slice(0, depth);
    if (document.hasIn(above) && document.getIn(above) === "") document.deleteIn(above);
  }
  // Without a value it counts as not written; taken out, it would take the comment above it along.
  if (value !== "" || document.hasIn(path)) document.setIn(path, value);
}
