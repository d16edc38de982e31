import { cp, mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findNative, mendBinaries } from "../../../../cli/platform/embedded/binaries.ts";
import { freeze } from "../../../support/freeze.ts";

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-binaries-"));
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

/** A copy of the programs as npm unpacks them when install scripts are blocked: without symbolic links, and here without the x bit. */
async function unpack(): Promise<string> {
  const native = path.join(dir, "package", "native");
  const packed = findNative(process.platform, process.arch);
  await cp(packed, native, { recursive: true, verbatimSymlinks: true });
  execFileSync("find", [native, "-type", "l", "-delete"]);
  execFileSync("chmod", ["644", path.join(native, "bin", "initdb")]);
  return native;
}

function version(native: string, env: Record<string, string> = {}): string {
  return execFileSync(path.join(native, "bin", "initdb"), ["--version"], { encoding: "utf8", env });
}

test("finds the package for this system, and names it when there is none", () => {
  expect(findNative(process.platform, process.arch)).toContain(`${process.platform}-${process.arch}`);
  expect(() => findNative("plan9", "mips")).toThrow(expect.objectContaining({ code: "POSTGRES_MISSING" }));
});

describe.runIf(process.platform === "linux")("an install without its script", () => {
  test("is mended in place", async () => {
    const native = await unpack();
    expect(() => version(native)).toThrow();
    const binaries = await mendBinaries(native, path.join(dir, "spare"));
    expect(binaries).toEqual({ native, libraries: null });
    expect(version(native)).toContain("PostgreSQL");
    expect(execFileSync(path.join(native, "bin", "postgres"), ["--version"], { encoding: "utf8" })).toContain("PostgreSQL");
    expect(await mendBinaries(native, path.join(dir, "spare"))).toEqual(binaries);
  });

  test("and read-only gets its library names elsewhere", async (context) => {
    const native = await unpack();
    execFileSync("chmod", ["755", path.join(native, "bin", "initdb")]);
    const spare = path.join(dir, "spare");
    const thaw = await freeze(path.join(native, "lib"));
    if (!thaw) return context.skip("this file system cannot close a folder to root");
    try {
      expect(await mendBinaries(native, spare)).toEqual({ native, libraries: spare });
    } finally {
      await thaw();
    }
    const names = await readdir(spare);
    expect(names).toContain("libicuuc.so.60");
    expect(await readlink(path.join(spare, "libicuuc.so.60"))).toBe(path.join(native, "lib", "libicuuc.so.60.2"));
    expect(
      execFileSync(path.join(native, "bin", "postgres"), ["--version"], { encoding: "utf8", env: { LD_LIBRARY_PATH: spare } }),
    ).toContain("PostgreSQL");
  });
});
