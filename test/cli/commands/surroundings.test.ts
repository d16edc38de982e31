/** The program where something that everybody takes for granted is missing. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Envelope } from "../../../cli/report/output.ts";
import { loadOrCreateIdentity } from "../../../cli/tunnel/identity.ts";
import { airy, bundle } from "../../support/airy.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";
import { rememberPorts } from "../../support/ports.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-surroundings-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Through a shell, which can stand where nothing is any more. `"$@"` is the program. */
async function sh(script: string, args: string[], stdout: "pipe" | number = "pipe"): Promise<Ended> {
  const child = spawn("sh", ["-c", script, "sh", process.execPath, bundle, ...args], { cwd: dir, stdio: ["ignore", stdout, "pipe"] });
  const ended = { code: null as number | null, stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (ended.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (ended.stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { ...ended, code };
}

describe("in a folder that was deleted", () => {
  const gone = (...args: string[]): Promise<Ended> => sh('mkdir gone; cd gone; rmdir ../gone; exec "$@"', args);

  test.each([["version"], ["--version"], ["--help"], ["up", "--help"]])("airy %s works", async (...args) => {
    expect(await gone(...args)).toMatchObject({ code: 0, stderr: "" });
  });

  test("a workspace that is named in full can be used", async () => {
    const { code, stdout } = await gone("status", "--json", "--workspace", dir);
    expect(code).toBe(30);
    expect(JSON.parse(stdout)).toMatchObject({ status: "ok", data: { state: "stopped" } });
    expect((await gone("down", "--workspace", dir)).code).toBe(0);
  });

  test.each(["status", "down", "doctor"])("airy %s says so, also in JSON", async (command) => {
    const { code, stderr } = await gone(command);
    expect(code).toBe(4);
    expect(stderr).toMatch(/^error: The current folder does not exist any more\. \(FOLDER_GONE\)\n/);
    const { code: again, stdout } = await gone(command, "--json");
    expect(again).toBe(4);
    expect((JSON.parse(stdout) as Envelope).error).toMatchObject({ code: "FOLDER_GONE" });
  });
});

describe.skipIf(process.platform !== "linux")("where stdout leads to a full disk", () => {
  test.each([[["version"]], [["version", "--json"]], [["--help"]], [["status"]]])("%j says so once and fails", async (args) => {
    const full = openSync("/dev/full", "w");
    try {
      const { code, stderr } = await sh('exec "$@"', args, full);
      expect(code).toBe(14);
      expect(stderr).toMatch(/^error: What airy prints cannot be written, so it has stopped\. \(OUTPUT_LOST\)\n {2}why {2}ENOSPC/);
      expect(stderr.match(/^error:/gm)).toHaveLength(1);
    } finally {
      closeSync(full);
    }
  });

  test("nobody hears of it when stderr is full as well, and the result is right", async () => {
    expect(await sh('exec "$@" 2>/dev/full', ["version", "--json"])).toMatchObject({ code: 0 });
    expect(await sh('exec "$@" 2>/dev/full', ["nonsense"])).toMatchObject({ code: 2 });
  });
});

test("a reader that goes away is no error", async () => {
  expect(await sh('"$@" | head -c 1', ["--help"])).toMatchObject({ code: 0, stderr: "" });
});

/** As containers give it out: a number without a name, and "/" for a home. */
describe.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")("a user without a name and a home", () => {
  const uid = 51_000 + (process.pid % 10_000);
  const beside = `/var/tmp/airy-${uid}`;
  const asNobody = (...args: string[]): Envelope => {
    const env = { PATH: process.env["PATH"], HOME: "/" };
    const { stdout } = spawnSync(process.execPath, [bundle, ...args, "--json"], { cwd: dir, uid, gid: 0, env, encoding: "utf8" });
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Envelope;
  };
  const up = (): Envelope => asNobody("up", "--sandbox", "--yes", "--engine", "embedded");

  beforeEach((context) => {
    chownSync(dir, uid, 0);
    // A checkout in root's home is out of reach.
    if (spawnSync(process.execPath, [bundle, "version"], { cwd: dir, uid }).status !== 0) context.skip();
  });
  afterEach(() => rmSync(beside, { recursive: true, force: true }));

  test("has everything all the same", { timeout: 120_000 }, () => {
    expect(up()).toMatchObject({ status: "ok", data: { state: "running" } });
    expect(asNobody("trigger", "message", "--text", "from nobody")).toMatchObject({ status: "ok" });
    expect(statSync(beside)).toMatchObject({ uid, mode: 0o40_700 });
    expect(asNobody("destroy", "--yes")).toMatchObject({ status: "ok" });
  });

  test.each([
    ["open to others", () => (mkdirSync(beside), chmodSync(beside, 0o777), chownSync(beside, uid, 0))],
    ["somebody else's", () => mkdirSync(beside, { mode: 0o700 })],
    ["a link", () => symlinkSync(dir, beside)],
  ])("does not use a folder for its marks that is %s", (_, plant) => {
    plant();
    expect(up().error).toMatchObject({ code: "STATE_HOME_UNUSABLE" });
  });
});

/** Stands in for exFAT, shares and drives of Windows, which no kernel here has: the C library answers as it does for them. */
const fileSystem = `
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <errno.h>
  #include <stdarg.h>
  #include <stdlib.h>
  #include <sys/stat.h>
  #include <sys/syscall.h>
  int link(const char *from, const char *to) { errno = EPERM; return -1; }
  long syscall(long number, ...) { /* libuv asks for statx in this way */
    va_list list;
    va_start(list, number);
    long a[6];
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    long (*real)(long, ...) = dlsym(RTLD_NEXT, "syscall");
    long result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    struct statx *out = (struct statx *)a[4];
    if (number == SYS_statx && result == 0 && getenv("NO_MODES") && S_ISREG(out->stx_mode)) out->stx_mode |= 0777;
    return result;
  }`;

describe.skipIf(process.platform !== "linux" || /\bg\+\+/.test(process.env["AIRY_TEST_WITHOUT"] ?? ""))("a file system that", () => {
  let scope: LeakScope;
  let env: Record<string, string>;
  beforeEach(async () => {
    scope = await openLeakScope("file-system");
    await rememberPorts(scope.workspace);
    const library = path.join(scope.root, "fs.so");
    execFileSync("gcc", ["-shared", "-fPIC", "-x", "c", "-", "-o", library, "-ldl"], { input: fileSystem });
    env = { LD_PRELOAD: library };
  });
  afterEach(async () => {
    await airy(scope, ["destroy", "--yes"]); // what a test that failed has left
    await scope.close();
  }, 60_000);
  const up = ["up", "--sandbox", "--yes", "--engine", "embedded"];

  test("knows no hard links will do", { timeout: 120_000 }, async () => {
    expect(await airy(scope, up, env)).toMatchObject({ code: 0, envelope: { data: { state: "running" } } });
    expect(readdirSync(path.join(scope.workspace, ".airy"))).toEqual(expect.arrayContaining(["identity", "identity.pub"]));
    expect(await airy(scope, ["destroy", "--yes"], env)).toMatchObject({ code: 0 });
    expect(await scope.settled()).toEqual([]);
  });

  test("keeps no permissions will not, and the reason is told, at first and when there is a key", async () => {
    for (const _ of [1, 2]) {
      const { code, envelope } = await airy(scope, up, { ...env, NO_MODES: "1" });
      expect({ code, error: envelope.error }).toMatchObject({ code: 4, error: { code: "WORKSPACE_UNSUITABLE" } });
      await loadOrCreateIdentity(path.join(scope.workspace, ".airy/identity"));
    }
    expect(await airy(scope, ["destroy", "--yes"])).toMatchObject({ code: 0 });
  });
});
