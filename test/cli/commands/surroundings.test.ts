/** The program where something that everybody takes for granted is missing. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Envelope } from "../../../cli/report/output.ts";
import { bundle } from "../../support/airy.ts";

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
