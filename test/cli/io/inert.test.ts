/** What strangers send, in files that a shell, a terminal and a JSON parser are made to read. */
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, writeSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { boundedLog } from "../../../cli/agent/log.ts";
import { createJournal } from "../../../cli/agent/journal.ts";
import { openAppend } from "../../../cli/io/files.ts";
import { inertJson, inertPath, inertText } from "../../../cli/io/inert.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-inert-"));
});
afterEach(() => rm(dir, { recursive: true }));

/** Each makes the file `x` when a shell reads it as it is. */
const commands = [
  "/facebook/$(touch${IFS}x)",
  "/`touch x`",
  '/";touch x;"',
  "/';touch x;'",
  "/a;touch x",
  "/a|touch x",
  "/a&touch x",
  "/a\ntouch x\n",
  '\\";touch x;\\"',
];

const shells = ["sh", "bash", "dash", "zsh"].filter((shell) => spawnSync(shell, ["-c", ":"]).status === 0);

function runAll(file: string): void {
  for (const shell of shells) {
    spawnSync(shell, [file], { cwd: dir });
    spawnSync(shell, ["-c", `. ${file}`], { cwd: dir });
    if (shell === "bash") spawnSync("bash", ["--rcfile", file, "-i", "-c", ":"], { cwd: dir });
  }
}

it("these commands are real ones", async () => {
  const file = path.join(dir, "bare");
  for (const command of commands.slice(0, 2)) {
    await writeFile(file, `{"path":"${command}"}\n`);
    runAll(file);
    expect([command, existsSync(path.join(dir, "x"))]).toEqual([command, true]);
    await rm(path.join(dir, "x"));
  }
});

it("an event says the same to a parser, and nothing to a shell or a terminal", async () => {
  const file = path.join(dir, "events.ndjson");
  const journal = createJournal({ file, now: () => new Date(), secrets: [], log: () => {} });
  const words = [...commands, "\u001b[31m\u009b31m\u007f\u2028"];
  for (const message of words) journal.append({ type: "warning", code: message, message });
  await journal.close();
  const text = await readFile(file, "utf8");
  const lines = text.split("\n").filter(Boolean);
  expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(words);
  expect(text).not.toMatch(/[^\P{Cc}\n]|\u2028/u);
  runAll(file);
  expect(existsSync(path.join(dir, "x"))).toBe(false);
});

it("a path keeps what every URL may hold, and is encoded otherwise", async () => {
  expect(inertPath("/facebook/a-b_c.d~e/%41:@+,=")).toBe("/facebook/a-b_c.d~e/%41:@+,=");
  expect(inertPath("/$(id)`;&|<>'\"\\ \x9b31m\xfc")).toBe("/%24%28id%29%60%3B%26%7C%3C%3E%27%22%5C%20%9B31m%FC");
  expect(inertPath("ü€")).toBe("%FC%E2%82%AC");
  for (const [i, command] of commands.entries()) {
    const file = path.join(dir, `log${i}`);
    await writeFile(file, `2026-01-01T00:00:00.000Z GET ${inertPath(command)} 200\n2026-01-01T00:00:00.000Z ${inertText(command)}\n`);
    runAll(file);
    expect([command, existsSync(path.join(dir, "x"))]).toEqual([command, false]);
  }
});

it("JSON is only escaped further", () => {
  const value = { $a: "`$!\u0085", n: 1, list: [null, true, "plain"] };
  expect(JSON.parse(inertJson(JSON.stringify(value)))).toEqual(value);
});

it("the log of a process stays within its bounds while others have it open", async () => {
  const file = path.join(dir, "agent.log");
  const fd = openAppend(file);
  const log = boundedLog(file, (line) => writeSync(fd, `${line}\n`), 10_000);
  for (let i = 0; i < 5_000; i++) log(`line ${i}`);
  closeSync(fd);
  expect((await stat(file)).size).toBeLessThan(25_000);
  expect((await stat(`${file}.1`)).size).toBeLessThan(25_000);
  expect(`${await readFile(`${file}.1`, "utf8")}${await readFile(file, "utf8")}`).toMatch(/line 4998\nline 4999\n$/);
});
