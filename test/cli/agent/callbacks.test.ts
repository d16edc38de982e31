import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { earlierCallbacks, rememberCallback } from "../../../cli/agent/callbacks.ts";
import { workspacePaths, type WorkspacePaths } from "../../../cli/config/paths.ts";
import { prepareStateDir, readState, writeState } from "../../../cli/config/state.ts";
import { loadOrCreateIdentity } from "../../../cli/tunnel/identity.ts";
import { identifierOf, publicKeyBlob } from "../../../edge/names/identifier.ts";

let paths: WorkspacePaths;
beforeEach(async () => {
  paths = workspacePaths(await mkdtemp(path.join(os.tmpdir(), "airy-callbacks-")));
  await prepareStateDir(paths);
});
afterEach(() => rm(paths.root, { recursive: true }));

test("a webhook counts as ours by the key that named it, not because a list says so", async () => {
  const identity = await loadOrCreateIdentity(paths.identity);
  const longer = identifierOf(publicKeyBlob(identity.publicKey)!, 14);
  const ours = [`http://${identity.identifier}.tunnel.localhost:4280/facebook`, `https://${longer}.tunnel.example.com/facebook`];
  const theirs = [
    "https://abcdefghij.tunnel.airy.co/facebook",
    `https://example.com/${identity.identifier}`,
    `https://${identity.identifier.slice(0, 5)}.example.com/facebook`,
    `https://${identity.identifier}x.example.com/facebook`,
    "nonsense",
  ];
  await writeState(paths, { ...(await readState(paths)), callbacks: [...theirs, ...ours] });
  expect(await earlierCallbacks(paths, identity)).toEqual(ours);
});

test("the latest are remembered, with what else is known by then", async () => {
  for (let i = 0; i < 25; i++) await rememberCallback(paths, `http://n${i}/facebook`, () => ({ engine: "embedded" }));
  await rememberCallback(paths, "http://n10/facebook", () => ({ sandbox: true }));
  const { callbacks, engine, sandbox } = await readState(paths);
  expect([callbacks.length, callbacks[0], callbacks.at(-1), engine, sandbox]).toEqual([
    20,
    "http://n5/facebook",
    "http://n10/facebook",
    "embedded",
    true,
  ]);
});
