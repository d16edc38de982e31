import { spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import ssh2 from "ssh2";
import { afterEach, beforeEach, expect, it } from "vitest";
import { pinKey, pinnedKey } from "../../../cli/tunnel/host-keys.ts";
import { loadOrCreateIdentity } from "../../../cli/tunnel/identity.ts";
import { generateKey } from "../../../edge/names/key.ts";
import { newKey } from "../../support/edge.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-identity-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const run = (command: string, args: string[]) =>
  new Promise<string>((resolve, reject) => {
    const child = spawn(command, args);
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`${command} ended with ${code}`))));
  });

it("makes a key that only its owner can read, and finds it again", async () => {
  const file = path.join(dir, "new", "folder", "identity");
  const made = await loadOrCreateIdentity(file);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
  expect(made.identifier).toMatch(/^[a-z2-7]{10}$/);
  expect(await loadOrCreateIdentity(file)).toEqual(made);
  expect((await readdir(path.dirname(file))).toSorted()).toEqual(["identity", "identity.pub"]);
});

it("makes a key that OpenSSH reads, with the same public half", async () => {
  const file = path.join(dir, "identity");
  const { publicKey } = await loadOrCreateIdentity(file);
  expect(await run("ssh-keygen", ["-y", "-f", file])).toContain(publicKey);
  expect(await readFile(`${file}.pub`, "utf8")).toContain(publicKey);
});

it("never makes a key that cannot be read", () => {
  // ssh2's generator makes one of 256 that cannot.
  for (let i = 0; i < 3000; i++) {
    const pair = generateKey("test");
    expect(ssh2.utils.parseKey(pair.privateKey)).not.toBeInstanceOf(Error);
    expect((ssh2.utils.parseKey(pair.publicKey) as ssh2.ParsedKey).getPublicSSH()).toHaveLength(51);
  }
});

it("reads a key that OpenSSH made", async () => {
  const file = path.join(dir, "identity");
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
  const { publicKey } = await loadOrCreateIdentity(file);
  expect(await readFile(`${file}.pub`, "utf8")).toContain(publicKey);
});

it("agrees on one key when many want the first one at the same moment", async () => {
  const file = path.join(dir, "identity");
  const all = await Promise.all(Array.from({ length: 20 }, () => loadOrCreateIdentity(file)));
  expect(new Set(all.map(({ privateKey }) => privateKey)).size).toBe(1);
  expect((await readdir(dir)).toSorted()).toEqual(["identity", "identity.pub"]);
});

it.each([0o640, 0o604, 0o660])("refuses a key that others may read (%o)", async (mode) => {
  const file = path.join(dir, "identity");
  await loadOrCreateIdentity(file);
  await chmod(file, mode);
  await expect(loadOrCreateIdentity(file)).rejects.toMatchObject({ code: "IDENTITY_UNREADABLE" });
});

it.each(["", "rubbish", newKey().public])("refuses a file that holds no private key: %j", async (text) => {
  const file = path.join(dir, "identity");
  await writeFile(file, text, { mode: 0o600 });
  await expect(loadOrCreateIdentity(file)).rejects.toMatchObject({ code: "IDENTITY_UNREADABLE" });
  expect(await readFile(file, "utf8")).toBe(text);
});

it("pins a host key for one address only, and keeps the first", async () => {
  const file = path.join(dir, "folder", "known_edges");
  const edge = { host: "edge.example", port: 22 };
  const [first, second] = [newKey().public, newKey().public];
  expect(await pinnedKey(file, edge)).toBeNull();
  await pinKey(file, edge, first);
  await pinKey(file, edge, second);
  expect(await pinnedKey(file, edge)).toBe(first.split(" ").slice(0, 2).join(" "));
  expect(await pinnedKey(file, { host: "edge.example", port: 23 })).toBeNull();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

it("does not run into a last line that was left open", async () => {
  const file = path.join(dir, "known_edges");
  const [first, second] = [newKey().public.trim(), newKey().public.trim()];
  await writeFile(file, `[a]:22 ${first}`);
  await pinKey(file, { host: "b", port: 22 }, second);
  expect(await pinnedKey(file, { host: "a", port: 22 })).toBe(first.split(" ").slice(0, 2).join(" "));
  expect(await pinnedKey(file, { host: "b", port: 22 })).toBe(second.split(" ").slice(0, 2).join(" "));
});
