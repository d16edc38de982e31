import { build } from "esbuild";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startEdge } from "../../../edge/index.ts";
import { lockFolder } from "../../../edge/store/lock.ts";

let program: string;
let dir: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  program = path.join(mkdtempSync(path.join(tmpdir(), "airy-lock-")), "lock.mjs");
  const source = path.resolve(import.meta.dirname, "../../../edge/store/lock.ts");
  await build({ entryPoints: [source], outfile: program, bundle: true, platform: "node", format: "esm", logLevel: "error" });
});
afterAll(() => rmSync(path.dirname(program), { recursive: true }));
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-locked-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(dir, { recursive: true });
});

/** A process that takes the lock and keeps it; resolves with "held" or what it was refused with. */
async function contend(): Promise<{ child: ChildProcess; said: string }> {
  const script = `const { lockFolder } = await import(${JSON.stringify(program)});
    try { await lockFolder(${JSON.stringify(dir)}); console.log("held"); setInterval(() => {}, 60_000); }
    catch (error) { console.log(error.code + " " + error.detail); }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [chunk] = (await once(child.stdout!, "data")) as [Buffer];
  return { child, said: chunk.toString().trim() };
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

it("one folder belongs to one process; one that was killed lets go of it by itself", async () => {
  const first = await contend();
  expect(first.said).toBe("held");
  expect((await contend()).said).toMatch(new RegExp(`^EDGE_DATA_LOCKED .* is open in process ${first.child.pid} on `));
  await expect(lockFolder(dir)).rejects.toMatchObject({ code: "EDGE_DATA_LOCKED" });
  await kill(first.child);
  const lock = await lockFolder(dir);
  expect(readdirSync(path.join(dir, "lock"))).toHaveLength(1);
  await expect(lockFolder(dir)).rejects.toMatchObject({ code: "EDGE_DATA_LOCKED" });
  lock.release();
  expect(readdirSync(path.join(dir, "lock"))).toEqual([]);
  (await lockFolder(dir)).release();
});

it("a process that is stopped keeps what it holds", async () => {
  const { child } = await contend();
  child.kill("SIGSTOP");
  await expect(lockFolder(dir)).rejects.toMatchObject({ code: "EDGE_DATA_LOCKED" });
});

it("of many that start together one gets the folder", async () => {
  for (let round = 0; round < 3; round++) {
    const all = await Promise.all(Array.from({ length: 6 }, contend));
    expect(all.filter(({ said }) => said === "held")).toHaveLength(1);
    expect(all.filter(({ said }) => said.startsWith("EDGE_DATA_LOCKED"))).toHaveLength(5);
    for (const { child } of all) if (child.exitCode === null) await kill(child);
  }
});

it("a path that is too long for a socket is no obstacle", async () => {
  dir = path.join(dir, "x".repeat(120));
  mkdirSync(dir);
  const lock = await lockFolder(dir);
  await expect(lockFolder(dir)).rejects.toMatchObject({ code: "EDGE_DATA_LOCKED" });
  expect((await contend()).said).toMatch(/^EDGE_DATA_LOCKED /);
  lock.release();
  expect(readdirSync(path.join(dir, "lock"))).toEqual([]);
  dir = path.dirname(dir);
});

it.each(["/proc/x", "/proc/x/y", "/dev/null/x"])("a folder that cannot be is said at once: %s", async (dataDir) => {
  const address = { host: "127.0.0.1", port: 0 };
  const config = { domain: "t.test", ssh: address, http: address, admin: null, dataDir, hostKey: null, publicPort: null, log: () => {} };
  await expect(startEdge(config)).rejects.toMatchObject({ code: "EDGE_DATA" });
});

it("a file in the place of the lock is said, and stays", async () => {
  writeFileSync(path.join(dir, "lock"), "");
  await expect(lockFolder(dir)).rejects.toMatchObject({ code: "EDGE_DATA" });
  expect(readdirSync(dir)).toEqual(["lock"]);
});
