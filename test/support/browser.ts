/** A headless Chromium, and the inbox page built for it. */
import { build } from "esbuild";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, chromium } from "playwright-core";

const candidates = [process.env["AIRY_TEST_CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The browser of this machine; null where there is none. Tests that need it skip, and say so. */
export function findBrowser(): string | null {
  const found = candidates.find((file) => file !== undefined && existsSync(file)) ?? null;
  if (found === null)
    console.error("SKIPPED: no Chromium on this machine (apt-get install chromium); the tests of the inbox page are left out");
  return found;
}

/** With a profile of its own that is deleted when it closes, and without anything that would leave this machine. */
export function launchBrowser(executablePath: string): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  return chromium.launch({ executablePath, headless: true, args: [...args, "--disable-component-update", "--disable-sync"] });
}

export interface BuiltInbox extends AsyncDisposable {
  dir: string;
}

/** The inbox page as `build.mjs` builds it, in a folder of its own. */
export function buildInbox(): Promise<BuiltInbox> {
  return buildPage("compose/basic/web");
}

/** The chat page of the stand-in for Facebook, likewise. */
export function buildChat(): Promise<BuiltInbox> {
  return buildPage("compose/sandbox/web");
}

async function buildPage(folder: string): Promise<BuiltInbox> {
  const dir = await mkdtemp(path.join(tmpdir(), "airy-page-"));
  const source = path.resolve(import.meta.dirname, "../..", folder);
  await build({
    entryPoints: { main: path.join(source, "main.tsx") },
    outdir: dir,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "error",
  });
  await copyFile(path.join(source, "index.html"), path.join(dir, "index.html"));
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) };
}
