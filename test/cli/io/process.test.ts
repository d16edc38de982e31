import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { gone, isAlive, startTime, terminate } from "../../../cli/io/process.ts";

const kill = (pid: number, signal: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
};

test("a process has a start time of its own, and none when it is gone", async () => {
  expect(await startTime(process.pid)).toEqual(expect.any(String));
  expect(await isAlive(process.pid, "another time")).toBe(false);
  expect(await startTime(2 ** 22 + 1)).toBeNull();
});

test("a zombie is gone", async () => {
  // The shell starts a child, becomes a program that never reaps, and so leaves a zombie.
  const parent = spawn("sh", ["-c", "sleep 30 & echo $!; exec sleep 30"], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(line);
  const started = (await startTime(pid))!;
  kill(pid, "SIGKILL");
  expect(await gone(pid, started, 5000)).toBe(true);
  parent.kill("SIGKILL");
});

test("terminate ends one that does not listen, and leaves one with a reused pid alone", async () => {
  const child = spawn(process.execPath, ["-e", "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)"]);
  await once(child.stdout, "data");
  const started = (await startTime(child.pid!))!;
  await terminate(kill, child.pid!, `${started}0`, 50);
  expect(await isAlive(child.pid!, started)).toBe(true);
  await terminate(kill, child.pid!, started, 50);
  expect(await isAlive(child.pid!, started)).toBe(false);
});
