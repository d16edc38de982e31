import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acquireLock, lockHolder } from "../../../cli/config/lock.ts";
import { startTime } from "../../../cli/io/process.ts";

let dir: string;
let file: string;
const me = { pid: process.pid, now: () => new Date("2026-01-02T03:04:05Z") };

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "airy-lock-"));
  file = path.join(dir, "up.lock");
});
afterEach(() => rm(dir, { recursive: true }));

async function holder(pid: number, started: string | null): Promise<string> {
  const text = JSON.stringify({ pid, started, command: "up", since: "2026-01-01T00:00:00Z" });
  await writeFile(file, text);
  return text;
}

test("is held until it is released, and leaves nothing behind", async () => {
  const lock = await acquireLock(file, "up", me);
  expect(await lockHolder(file)).toMatchObject({ pid: process.pid, command: "up" });
  await expect(acquireLock(file, "down", me)).rejects.toMatchObject({
    code: "LOCKED",
    details: { pid: process.pid, command: "up", since: "2026-01-02T03:04:05.000Z", file },
  });
  await lock.release();
  await lock.release();
  expect(await lockHolder(file)).toBeNull();
  expect(await readdir(dir)).toEqual([]);
});

test("of a process that has ended is taken over", async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  await once(child, "spawn");
  await holder(child.pid!, await startTime(child.pid!));
  await expect(acquireLock(file, "up", me)).rejects.toMatchObject({ code: "LOCKED", details: { pid: child.pid } });
  child.kill("SIGKILL");
  await once(child, "exit");
  const lock = await acquireLock(file, "up", me);
  expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ pid: process.pid });
  await lock.release();
});

test("of a process whose pid was used again is taken over", async () => {
  await holder(process.pid, "another start time");
  await (await acquireLock(file, "up", me)).release();
});

test("that is empty or cut off is taken over", async () => {
  for (const text of ["", '{"pid":']) {
    await writeFile(file, text);
    await (await acquireLock(file, "up", me)).release();
  }
});

test("released after another has taken it over stays with the other", async () => {
  const lock = await acquireLock(file, "up", me);
  const text = await holder(1, "x");
  await lock.release();
  expect(await readFile(file, "utf8")).toBe(text);
});
