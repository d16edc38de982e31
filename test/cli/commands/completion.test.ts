/** What the shells themselves make of it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { spawn } from "node-pty";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bash, fish, zsh } from "../../../cli/commands/completion.ts";

const without = (process.env["AIRY_TEST_WITHOUT"] ?? "").split(" ");
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-completion-"));
  for (const [name, script] of Object.entries({ bash: bash(), zsh: zsh(), fish: fish() })) writeFileSync(path.join(dir, name), script);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The words of a line, the last one being typed, and what it may become. */
const cases: [line: string[], becomes: string[]][] = [
  [["airy", "statu"], ["status"]],
  [["airy", "up", "--engine", "do"], ["docker"]],
  [["airy", "trigger", "react"], ["reaction"]],
  [["airy", "logs", "--sin"], ["--since"]],
  [["airy-proxy", "--ver"], ["--verify"]],
];

describe("bash", () => {
  test.each([
    ...cases,
    [["./airy", "--json", "up", "--eng"], ["--engine"]],
    [
      ["airy", "edge", "--tls", ""],
      ["off", "files", "acme"],
    ],
  ])("%j", (line, becomes) => {
    const script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _airy; printf "%s\\n" "${COMPREPLY[@]}"';
    const said = execFileSync("bash", ["-c", script, path.join(dir, "bash"), ...line], { encoding: "utf8" })
      .trim()
      .split("\n");
    expect(becomes).toEqual(expect.arrayContaining(said));
  });
});

describe.skipIf(without.includes("fish"))("fish", () => {
  test.each(cases)("%j", (line, becomes) => {
    const said = execFileSync("fish", ["-c", 'source $argv[1]; complete -C "$argv[2]"', path.join(dir, "fish"), line.join(" ")], {
      encoding: "utf8",
      env: { ...process.env, HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir },
    });
    expect(
      said
        .trim()
        .split("\n")
        .map((row) => row.split("\t")[0]),
    ).toEqual(becomes);
  });
});

describe.skipIf(without.includes("zsh"))("zsh", () => {
  test("at the tab key", async () => {
    const terminal = spawn("zsh", ["-f", "-i"], {
      cols: 120,
      rows: 40,
      cwd: dir,
      env: { PATH: process.env["PATH"], TERM: "xterm", HOME: dir },
    });
    let seen = "";
    terminal.onData((text) => (seen += text));
    const until = async (text: string): Promise<void> => {
      const deadline = Date.now() + 20_000;
      while (!seen.includes(text) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
      expect(seen).toContain(text);
    };
    try {
      terminal.write(`autoload -Uz compinit; compinit -u -D; source '${dir}/zsh'; print re''ady\r`);
      await until("ready");
      for (const [line, [word = ""]] of cases) {
        seen = "";
        terminal.write(`${line.join(" ")}\t`);
        await until(word);
        terminal.write("\u0015");
      }
    } finally {
      terminal.kill();
    }
  });
});
