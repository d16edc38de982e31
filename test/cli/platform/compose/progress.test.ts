/** What compose of different versions says, as it was seen; and our own start with such a compose in the place of this machine's. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { composeUp } from "../../../../cli/platform/compose/cli.ts";
import { failureOf, parseProgress, speaksJson } from "../../../../cli/platform/compose/progress.ts";

const older = [
  '{"id":"Network p_default","status":"Creating"}',
  '{"id":"Container p-db-1","status":"Creating"}',
  '{"id":"Container p-web-1","status":"Creating"}',
  '{"id":"Container p-db-1","status":"Created"}',
  '{"id":"Container p-db-1","status":"Started"}',
  '{"id":"Container p-web-1","status":"Started"}',
];
const newer = [
  '{"id":"Container p-db-1","parent_id":"","status":"Working","text":"Creating"}',
  '{"id":"Container p-web-1","status":"Working","text":"Creating","details":"0 B","current":0,"total":10,"percent":0}',
  '{"id":"Container p-db-1","status":"Done","text":"Started"}',
  '{"id":"Container p-web-1","status":"Done","text":"Running"}',
];
const tallied = ["compose makes the containers", "1 of 2 containers started", "2 of 2 containers started"];
const taken = "Error response from daemon: driver failed: Bind for 127.0.0.1:4299 failed: port is already allocated";

test.each([
  [older[1]!, { id: "Container p-db-1", text: "Creating", state: "working" }],
  [older[4]!, { id: "Container p-db-1", text: "Started", state: "done" }],
  [newer[0]!, { id: "Container p-db-1", text: "Creating", state: "working" }],
  [newer[2]!, { id: "Container p-db-1", text: "Started", state: "done" }],
  ['{"id":"Container x","status":"Error","text":"Error"}', { id: "Container x", text: "Error", state: "error" }],
  ['{"error":true,"message":"no such image"}', { failure: "no such image" }],
  [" Container p-db-1  Started", null],
  ["{not json", null],
  ['{"level":"warning"}', null],
])("%s", (line, expected) => {
  expect(parseProgress(line)).toEqual(expected);
});

test("why it failed is found in either kind of output", () => {
  expect(failureOf(`${older.join("\n")}\n{"error":true,"message":"${taken}"}\n`)).toBe(taken);
  expect(failureOf(` Container p-db-1  Creating\n${taken}\n`)).toBe(taken);
  expect([speaksJson("2.28.1"), speaksJson("2.29.0"), speaksJson("2.26.1-4"), speaksJson("5.0.0")]).toEqual([false, true, false, true]);
});

describe("a start", () => {
  let bin: string;
  const pathBefore = process.env["PATH"];
  beforeEach(async () => {
    bin = await mkdtemp(path.join(os.tmpdir(), "airy-compose-"));
    process.env["PATH"] = `${bin}:${pathBefore}`;
  });
  afterEach(async () => {
    process.env["PATH"] = pathBefore;
    await rm(bin, { recursive: true });
  });

  /** A docker whose compose says this of an `up`, which it understands with JSON only from 2.29 on. */
  async function install(version: string, lines: readonly string[], exit = 0): Promise<void> {
    const says = lines.map((line) => `echo '${line}' >&2`).join("\n");
    const script = `#!/bin/sh\ncase "$*" in\n*version*) echo ${version}; exit 0 ;;\nesac\necho "$@" > ${bin}/called\n${says}\nexit ${exit}\n`;
    await writeFile(path.join(bin, "docker"), script);
    await chmod(path.join(bin, "docker"), 0o755);
  }

  const project = { name: "p", args: [], env: {} };
  const signal = new AbortController().signal;

  test.each([
    ["2.40.3", older],
    ["5.0.1", newer],
  ])("is told as it goes by compose %s", async (version, lines) => {
    await install(version, lines);
    const said: string[] = [];
    await composeUp(project, { signal, version, onProgress: (text) => said.push(text) });
    expect(said).toEqual(tallied);
  });

  test("goes on without a word where compose has none for programs", async () => {
    await install("2.26.1-4", [" Container p-db-1  Creating", " Container p-db-1  Started"]);
    const said: string[] = [];
    await composeUp(project, { signal, version: "2.26.1-4", onProgress: (text) => said.push(text) });
    expect(said).toEqual([]);
  });

  test.each([
    ["2.40.3", `{"error":true,"message":"${taken}"}`],
    ["2.26.1-4", taken],
  ])("that fails names the port with compose %s", async (version, line) => {
    await install(version, [line], 1);
    await expect(composeUp(project, { signal, version })).rejects.toMatchObject({ code: "PORT_TAKEN", details: { port: 4299 } });
  });
});
