import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { announceStart, claimWorkspace, withdrawStarts } from "../../../cli/agent/claim.ts";
import { acquireLock } from "../../../cli/config/lock.ts";
import { workspacePaths, type WorkspacePaths } from "../../../cli/config/paths.ts";

let dir: string;
let paths: WorkspacePaths;
const io = {
  pid: process.pid,
  now: () => new Date(),
  kill: (pid: number, signal: NodeJS.Signals): boolean => process.kill(pid, signal),
};

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "airy-claim-"));
  paths = workspacePaths(dir);
  await mkdir(paths.dir);
});
afterEach(() => rm(dir, { recursive: true }));

/** Another process that holds the workspace. */
async function holder() {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  await once(child, "spawn");
  await acquireLock(paths.agentLock, "agent", { ...io, pid: child.pid! });
  return child;
}

test("the process of the latest start gets the workspace, one of an earlier start does not", async () => {
  await announceStart(paths, "first");
  await announceStart(paths, "second");
  expect(await claimWorkspace(paths, "first", io)).toBeNull();
  const lock = await claimWorkspace(paths, "second", io);
  expect(lock).not.toBeNull();
  await lock?.release();
  expect(await readdir(paths.dir)).toEqual(["agent.start"]);
});

test("it ends the process that an earlier start has left behind", async () => {
  const old = await holder();
  const ended = once(old, "exit");
  await announceStart(paths, "new");
  expect(await claimWorkspace(paths, "new", io)).not.toBeNull();
  expect(await ended).toEqual([null, "SIGTERM"]);
});

test("one of an earlier start leaves the process of the latest alone", async () => {
  const current = await holder();
  await announceStart(paths, "current");
  expect(await claimWorkspace(paths, "earlier", io)).toBeNull();
  expect(current.signalCode).toBeNull();
  current.kill("SIGKILL");
});

test("after starts were withdrawn none runs", async () => {
  const old = await holder();
  const ended = once(old, "exit");
  await announceStart(paths, "one");
  expect(await withdrawStarts(paths, io)).toBe(true);
  await ended;
  expect(await claimWorkspace(paths, "one", io)).toBeNull();
  expect(await withdrawStarts(paths, io)).toBe(false);
});
