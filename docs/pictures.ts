/**
 * Records `airy up --sandbox` in a terminal and draws its dashboard: `npm run docs:pictures`. Writes docs/pictures/up.cast (asciicast 2,
 * https://docs.asciinema.org/manual/asciicast/v2/), dashboard.svg and request.svg. Needs the bundle (`npm run build`).
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import xterm from "@xterm/headless";
import pty from "node-pty";
import { svgOf } from "./svg.ts";

const size = { columns: 120, rows: 34 };
const bundle = path.resolve(import.meta.dirname, "../dist/airy.js");
const target = path.join(import.meta.dirname, "pictures");
const workspace = mkdtempSync(path.join(os.tmpdir(), "airy-demo-"));
const env = { ...process.env, LANG: "C.UTF-8", TERM: "xterm-256color", XDG_STATE_HOME: path.join(workspace, "state"), AIRY_CALLED: "airy" };

const terminal = new xterm.Terminal({ cols: size.columns, rows: size.rows, allowProposedApi: true });
const began = performance.now();
const frames: string[] = [];

function show(data: string): Promise<void> {
  frames.push(JSON.stringify([Number(((performance.now() - began) / 1000).toFixed(3)), "o", data]));
  return new Promise((resolve) => terminal.write(data, resolve));
}

function screen(): string {
  const { active } = terminal.buffer;
  return Array.from({ length: size.rows }, (_, y) => active.getLine(active.baseY + y)?.translateToString(true) ?? "").join("\n");
}

async function until(text: string): Promise<void> {
  for (let tries = 0; !screen().includes(text); tries++) {
    if (tries > 600) throw new Error(`the screen never showed "${text}":\n${screen()}`);
    await sleep(100);
  }
}

function airy(...args: string[]): Promise<unknown> {
  return promisify(execFile)(process.execPath, [bundle, ...args], { cwd: workspace, env });
}

function draw(name: string, title: string): void {
  writeFileSync(path.join(target, name), svgOf(terminal.buffer.active, size, title));
}

async function record(): Promise<void> {
  mkdirSync(target, { recursive: true });
  await show("$ ");
  for (const letter of "airy up --sandbox") {
    await sleep(60);
    await show(letter);
  }
  await show("\r\n");
  const program = pty.spawn(process.execPath, [bundle, "up", "--sandbox", "--engine", "embedded"], {
    cols: size.columns,
    rows: size.rows,
    cwd: workspace,
    env,
  });
  let shown = Promise.resolve();
  program.onData((data) => (shown = show(data)));
  const ended = new Promise<void>((resolve) => program.onExit(() => resolve()));
  const press = async (keys: string, pause = 700): Promise<void> => {
    program.write(keys);
    await sleep(pause);
  };

  await until("q quit");
  await sleep(1500);
  // The database has much to say of its first start; what follows is about messages.
  await press("1j ");
  await press("j 2");
  for (const text of ["Hi, is anybody there?", "Where is my parcel?"]) await airy("trigger", "message", "--text", text);
  for (const what of ["image", "reaction", "postback"]) await airy("trigger", what);
  await until("POST");
  await press("t\u0015Thank you!", 1000);
  await press("\r", 2000);
  await until("answered 200");
  draw("dashboard.svg", "The dashboard of airy up: services, requests as they arrive, and the log of the services that were picked");
  await press("j", 500);
  await press("\r", 1500);
  await press("\u001B[6~", 2000);
  draw("request.svg", "One request in the dashboard, with its headers and its body as JSON");
  await press("\u001B", 800);
  await press("?", 2500);
  await press("\u001B", 800);
  await press("q");
  await ended;
  await shown;
}

try {
  await record();
  const header = { version: 2, width: size.columns, height: size.rows, title: "airy up --sandbox", idle_time_limit: 1.5 };
  writeFileSync(path.join(target, "up.cast"), [JSON.stringify(header), ...frames, ""].join("\n"));
} finally {
  await airy("destroy", "--yes", "--no-backup").catch(() => {});
  rmSync(workspace, { recursive: true, force: true });
}
process.exit(0);
