/** `npm pack`, installed into an empty folder: no sources, no build, and the journey of a newcomer. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = path.resolve(import.meta.dirname, "..");
const minutes = 60_000;
let dir: string;
let bin: string;
let work: string;

/** In a copy of the checkout, because package.json is another one for a moment. */
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-package-"));
  const checkout = path.join(dir, "checkout");
  const left = new Set([".git", "node_modules", "dist", "test"]);
  mkdirSync(checkout);
  for (const name of readdirSync(root).filter((name) => !left.has(name) && !name.startsWith("dist."))) {
    cpSync(path.join(root, name), path.join(checkout, name), { recursive: true });
  }
  symlinkSync(path.join(root, "node_modules"), path.join(checkout, "node_modules"));
  const before = readFileSync(path.join(checkout, "package.json"), "utf8");
  execFileSync("npm", ["pack", "--silent", "--pack-destination", dir], { cwd: checkout, stdio: ["ignore", "ignore", "inherit"] });
  expect(readFileSync(path.join(checkout, "package.json"), "utf8")).toBe(before);
  const tarball = readdirSync(dir).find((name) => name.endsWith(".tgz"));
  const installed = path.join(dir, "installed");
  mkdirSync(installed);
  // Without install scripts: that is how later versions of npm install, and what is compiled is for speed alone.
  const args = ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", path.join(dir, tarball!)];
  execFileSync("npm", args, { cwd: installed, stdio: ["ignore", "ignore", "inherit"] });
  bin = path.join(installed, "node_modules/.bin");
  work = path.join(dir, "work");
  mkdirSync(work);
}, 8 * minutes);

afterAll(() => {
  if (bin) run("airy", ["down"]);
  rmSync(dir, { recursive: true, force: true });
});

function run(program: string, args: string[]) {
  const env = { ...process.env, XDG_STATE_HOME: dir };
  const { status, stdout, stderr } = spawnSync(path.join(bin, program), args, { cwd: work, encoding: "utf8", env, timeout: 5 * minutes });
  return { code: status, stdout, stderr };
}

test("holds what runs, and nothing of what it is made from", () => {
  const installed = path.join(bin, "../airy-up");
  expect(readdirSync(installed).toSorted()).toEqual(
    ["LICENSE", "README.md", "airy", "airy-proxy", "compose", "dist", "docs", "npm-shrinkwrap.json", "package.json"].toSorted(),
  );
  expect(readdirSync(path.join(bin, "..")).filter((name) => /^(esbuild|react|ink|zod|fastify|vitest|typescript)$/.test(name))).toEqual([]);
});

test("says what it is at once, under both names", () => {
  const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
  expect(run("airy", ["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  expect(run("airy-proxy", ["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  expect(run("airy", ["statu"]).stderr).toContain("  do   npx airy status");
});

test(
  "walks the journey: up, a message, down, destroy",
  () => {
    const up = run("airy", ["up", "--sandbox", "--yes", "--engine", "embedded"]);
    expect(up, up.stderr).toMatchObject({ code: 0 });
    expect(up.stdout).toContain("stop: npx airy down");
    expect(run("airy", ["trigger", "message", "Hello"]).stdout).toContain("the webhook answered 200");
    expect(run("airy", ["url"]).stdout).toMatch(/^http:\/\/\w+\.tunnel\.localhost:\d+\n$/);
    const page = JSON.parse(run("airy", ["open", "inbox", "--json"]).stdout) as { data: { url: string } };
    expect(execFileSync("curl", ["-s", page.data.url], { encoding: "utf8" })).toContain("<script");
    expect(run("airy", ["down"]).code).toBe(0);
    expect(run("airy", ["destroy", "--yes"]).code).toBe(0);
  },
  8 * minutes,
);
