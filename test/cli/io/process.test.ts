import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
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

describe("where there is no /proc, ps tells the start of a process, in the same words", () => {
  const nowhere = path.join(import.meta.dirname, "nowhere");
  afterEach(() => vi.unstubAllEnvs());

  test("in whatever time zone and language the command is run", async () => {
    const told = new Set<string | null>();
    for (const [TZ, LC_ALL] of [
      ["UTC", "C"],
      ["America/New_York", "de_DE.UTF-8"],
      ["Asia/Kathmandu", "C.UTF-8"],
    ] as const) {
      vi.stubEnv("TZ", TZ).stubEnv("LC_ALL", LC_ALL);
      told.add(await startTime(process.pid, nowhere));
    }
    expect([...told]).toEqual([expect.stringMatching(/\d{2}:\d{2}:\d{2}/)]);
  });

  test("by a ps that prints them as macOS does", async () => {
    const bin = await mkdtemp(path.join(tmpdir(), "airy-ps-"));
    await writeFile(path.join(bin, "ps"), '#!/bin/sh\necho "S    $TZ $LC_ALL    "\n', { mode: 0o755 });
    vi.stubEnv("PATH", `${bin}:${process.env.PATH}`).stubEnv("TZ", "Europe/Berlin").stubEnv("LC_ALL", "fr_FR.UTF-8");
    expect(await startTime(process.pid, nowhere)).toBe("UTC C");
    await writeFile(path.join(bin, "ps"), "#!/bin/sh\necho 'Z    Mon Jan  5 10:00:00 2026'\n");
    expect(await startTime(process.pid, nowhere)).toBeNull();
    await rm(bin, { recursive: true });
  });

  test("and nothing of one that is gone", async () => {
    expect(await startTime(2 ** 22 + 1, nowhere)).toBeNull();
  });
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
