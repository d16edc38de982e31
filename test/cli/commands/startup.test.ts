import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { bundle } from "../../support/airy.ts";

/** The packages whose code is loaded when the bundle is started, before any command runs: esbuild leaves their paths in comments. */
async function loadedAtStart(file: string, seen = new Set<string>()): Promise<Set<string>> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = await readFile(file, "utf8");
  // Static imports alone: `import "./x.js"` and `import { a } from "./x.js"`; `import("./x.js")` is what happens later.
  const imports = [...text.matchAll(/^import\s*(?:[^"'();]*?from\s*)?["'](\.[^"']+)["'];/gm)];
  for (const [, target] of imports) await loadedAtStart(path.join(path.dirname(file), target!), seen);
  for (const [, name] of text.matchAll(/^\s*\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)) seen.add(`package ${name}`);
  return seen;
}

test("help and version load commander and nothing else", async () => {
  const loaded = [...(await loadedAtStart(bundle))].filter((entry) => entry.startsWith("package "));
  expect(loaded).toEqual(["package commander"]);
});
