import { chmod, cp, mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findNative, mendBinaries, tryPrograms } from "../../../../cli/platform/embedded/binaries.ts";
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

describe("programs that are there are tried:", () => {
  const tried = async (change: (program: string) => Promise<unknown>): Promise<unknown> => {
    const native = await serverAlone();
    await change(path.join(native, "bin/postgres"));
    return tryPrograms({ native, libraries: null });
  };

  test("they run, and say which they are", async () => {
    expect(await tried(async () => {})).toEqual({ version: expect.stringMatching(/^\d+\.\d+$/) });
  });

  test.skipIf(process.platform !== "linux")("their loader is missing, as on musl and NixOS", async () => {
    const trial = await tried(loseLoader);
    expect(trial).toEqual({ reason: expect.stringMatching(/is there, but not the loader that it needs: .*(nix-ld|musl)/), denied: false });
  });

  test("something says why not, as NixOS does", async () => {
    const script = "#!/bin/sh\necho 'NixOS cannot run dynamically linked executables' >&2\nexit 127\n";
    expect(await tried((program) => writeFile(program, script))).toEqual({
      reason: "NixOS cannot run dynamically linked executables",
      denied: false,
    });
  });

  test("they may not be executed, or are not there", async () => {
    expect(await tried((program) => chmod(program, 0o644))).toMatchObject({ reason: expect.stringContaining("noexec"), denied: true });
    expect(await tried((program) => rm(program))).toMatchObject({ reason: expect.stringContaining("is missing"), denied: false });
  });

  test("they are tried again when they were replaced", async () => {
    const native = await serverAlone();
    const program = path.join(native, "bin/postgres");
    const good = await readFile(program);
    await writeFile(program, "#!/bin/sh\nexit 3\n");
    expect(await tryPrograms({ native, libraries: null })).toMatchObject({ reason: expect.stringContaining("ended with 3") });
    await writeFile(program, good);
    expect(await tryPrograms({ native, libraries: null })).toMatchObject({ version: expect.any(String) });
  });
});

/** A copy of the server program that finds what belongs to it. */
async function serverAlone(): Promise<string> {
  const packed = (await mendBinaries(findNative(process.platform, process.arch), dir)).native;
  const native = await mkdtemp(path.join(dir, "native-"));
  await mkdir(path.join(native, "bin"));
  await cp(path.join(packed, "bin/postgres"), path.join(native, "bin/postgres"));
  for (const name of ["lib", "share"]) await symlink(path.join(packed, name), path.join(native, name));
  return native;
}

/** Names a loader in the program that no system has, of the same length. */
async function loseLoader(program: string): Promise<void> {
  const bytes = await readFile(program);
  const at = bytes.indexOf("/ld-linux");
  expect(at).toBeGreaterThan(0);
  bytes.write("/ld-never", at);
  await writeFile(program, bytes);
}
