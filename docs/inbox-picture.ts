/**
 * Takes a picture of the inbox page with messages of the stand-in's customers in it: `npm run docs:inbox`. Needs the bundle and Chromium.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { findBrowser, launchBrowser } from "../test/support/browser.ts";

const bundle = path.resolve(import.meta.dirname, "../dist/airy.js");
const target = path.join(import.meta.dirname, "pictures");
const dir = mkdtempSync(path.join(os.tmpdir(), "airy-inbox-"));
/** The page is named after it. */
const workspace = path.join(dir, "shop");
const env = { ...process.env, XDG_STATE_HOME: path.join(dir, "state") };
const airy = (...args: string[]): string => execFileSync(process.execPath, [bundle, ...args], { cwd: workspace, env, encoding: "utf8" });

const executable = findBrowser();
if (!executable) process.exit(1);
for (const folder of [target, workspace]) mkdirSync(folder, { recursive: true });
const browser = await launchBrowser(executable);
try {
  airy("up", "--sandbox", "--yes", "--engine", "embedded");
  for (const [from, text] of [
    ["Cem", "Do you ship to Portugal?"],
    ["Bo", "The lamp arrived broken. What now?"],
    ["Ada", "Hi, is anybody there?"],
    ["Ada", "Where is my parcel? It was to come on Monday."],
  ] as const) {
    airy("trigger", "message", text, "--from", from);
  }
  const { data } = JSON.parse(airy("open", "inbox", "--json")) as { data: { url: string } };
  const page = await browser.newPage({ viewport: { width: 1200, height: 640 } });
  await page.goto(data.url);
  await page.getByText("Where is my parcel?").first().click();
  await page.getByRole("textbox").last().fill("It left our house this morning; you will have it tomorrow.");
  await page.keyboard.press("Enter");
  await page.getByText("you will have it tomorrow").first().waitFor();
  airy("trigger", "reaction", "--from", "Ada");
  await page.waitForTimeout(1500);
  await page.screenshot({ path: path.join(target, "inbox.png") });
} finally {
  await browser.close();
  airy("destroy", "--yes");
  rmSync(dir, { recursive: true, force: true });
}
