/** `airy config` as a program: what it writes, what it shows, and where secrets go. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConfig } from "../../../cli/config/config.ts";
import { exposedSecrets } from "../../../cli/config/exposed.ts";
import { configKeys, configSchema } from "../../../cli/config/schema.ts";
import type { Envelope } from "../../../cli/report/output.ts";
import { bundle } from "../../support/airy.ts";

const SECRET = "canary0123456789abcdefcanary";
let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-config-"));
  file = path.join(dir, "airy.yaml");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Ran {
  code: number | null;
  text: string;
  envelope: Envelope;
}

/** @param before a program that is given ours to run. */
function run(args: string[], { input = "", env = {}, before = [] as string[] } = {}): Ran {
  const [program = "", ...rest] = [...before, process.execPath, bundle, "config", ...args, "--json"];
  const ended = spawnSync(program, rest, { cwd: dir, input, encoding: "utf8", env: { ...process.env, ...env }, timeout: 60_000 });
  return {
    code: ended.status,
    text: ended.stdout + ended.stderr,
    envelope: JSON.parse(ended.stdout.trim().split("\n").at(-1)!) as Envelope,
  };
}

test("values are written beside comments, in files that stay what they are, and nothing that is not valid", () => {
  writeFileSync(file, "# mine\nedge: a.example.com # the old one\n\n# later\n#engine: docker\n");
  chmodSync(file, 0o644);
  expect(run(["set", "edge", "b.example.com"]).code).toBe(0);
  expect(readFileSync(file, "utf8")).toBe("# mine\nedge: b.example.com # the old one\n\n# later\n#engine: docker\n");
  expect(statSync(file).mode & 0o777).toBe(0o644);
  expect(run(["set", "facebook.appId", "12345678901234567890"]).code).toBe(0);
  expect(run(["get", "facebook.appId"]).envelope.data).toMatchObject({ value: "12345678901234567890", from: "airy.yaml" });
  const before = readFileSync(file, "utf8");
  for (const wrong of [["engine", "podman"], ["port", "x"], ["engin", "docker"], ["components", "x"], ["edge"]])
    expect(run(["set", ...wrong]).envelope.error).toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(readFileSync(file, "utf8")).toBe(before);
  expect(run(["set", "edge", ""]).code).toBe(0);
  expect(run(["get", "edge"]).envelope.data).toMatchObject({ value: "tunnel.airy.co:22", from: "default" });
  expect(readFileSync(file, "utf8")).toContain("# mine");
});

test("a link stays a link", () => {
  const real = path.join(dir, "real.yaml");
  writeFileSync(real, "hold: true\n");
  symlinkSync(real, file);
  expect(run(["set", "hold", "false"]).code).toBe(0);
  expect(readFileSync(real, "utf8")).toBe("hold: false\n");
});

test("a secret comes by standard input, is never shown in full, and closes its file to others", async () => {
  writeFileSync(file, "edge: a.example.com\n");
  chmodSync(file, 0o644);
  expect(await exposedSecrets(file)).toBeNull();
  writeFileSync(file, `components:\n  sources:\n    facebook:\n      appSecret: ${SECRET}\n`);
  expect(await exposedSecrets(file)).toMatchObject({ message: expect.stringContaining("facebook.appSecret"), action: `chmod 600 ${file}` });
  writeFileSync(file, "edge: a.example.com\n");
  const typed = run(["set", "facebook.appSecret", SECRET]);
  expect(typed.envelope.error).toMatchObject({ code: "INVALID_ARGUMENT" });
  const kept = run(["set", "facebook.appSecret"], { input: `${SECRET}\r\n` });
  expect(kept.envelope.data).toMatchObject({ keyring: false });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await exposedSecrets(file)).toBeNull();
  expect((await readConfig(file, {})).facebook.appSecret).toBe(SECRET);
  for (const args of [["get", "facebook.appSecret"], ["get"], ["explain"], ["set", "edge", "b.example.com"]])
    expect(run(args).text).not.toContain(SECRET);
  expect(run(["get", "facebook.appSecret"], { env: { FACEBOOK_APP_SECRET: `${SECRET}2` } }).envelope.data).toMatchObject({
    value: "********ary2",
    from: "environment, FACEBOOK_APP_SECRET",
  });
});

const without = (process.env["AIRY_TEST_WITHOUT"] ?? "").split(" ");
describe.skipIf(["gnome-keyring-daemon", "dbus-run-session"].some((name) => without.includes(name)))("with a keyring", () => {
  test("the file has a reference, and other commands the secret", () => {
    const home = { HOME: dir, XDG_RUNTIME_DIR: dir, XDG_DATA_HOME: dir, AIRY_NO_KEYRING: "", XDG_STATE_HOME: dir };
    const session = path.join(dir, "session");
    writeFileSync(session, 'eval "$(printf pw | gnome-keyring-daemon --unlock --components=secrets 2>/dev/null)"\nexec sh -c "$1"\n');
    const airy = `'${process.execPath}' '${bundle}'`;
    const script = [
      `printf %s ${SECRET} | ${airy} config set facebook.appSecret`,
      "cp airy.yaml first.yaml",
      `${airy} config get facebook.appSecret`,
      `${airy} config set facebook.appId 1234567`,
      `${airy} trigger message --via http://127.0.0.1:1/x --page 1 --json`,
      `printf other%s ${SECRET} | ${airy} config set facebook.appSecret`,
      `cp first.yaml airy.yaml; ${airy} trigger message --via http://127.0.0.1:1/x --page 1 --json`,
    ].join("; ");
    const { stdout } = spawnSync("dbus-run-session", ["--", "sh", session, script], {
      cwd: dir,
      encoding: "utf8",
      env: { ...process.env, ...home },
      timeout: 60_000,
    });
    expect(stdout).toContain("components.sources.facebook.appSecret is kept in the keyring of this system.");
    expect(stdout).toContain("in the keyring\n");
    expect(stdout).not.toContain(SECRET);
    expect(readFileSync(path.join(dir, "first.yaml"), "utf8")).toMatch(/appSecret: \$\{keyring:[0-9a-f]{16}\}\n/);
    // Signed with it, and sent to where nothing listens; what was replaced is gone from the keyring.
    expect(stdout).toContain('"code":"TRIGGER_VIA_FAILED"');
    expect(stdout).toContain('"code":"KEYRING_UNREADABLE"');
  });

  test("where it is locked or gone, a reference is an error that says what to do, unless the environment has the secret", async () => {
    writeFileSync(file, "components:\n  sources:\n    facebook:\n      appId: 1234567\n      appSecret: ${keyring:0123456789abcdef}\n");
    await expect(readConfig(file, {})).rejects.toMatchObject({ code: "KEYRING_UNREADABLE" });
    expect((await readConfig(file, { FACEBOOK_APP_SECRET: SECRET })).facebook.appSecret).toBe(SECRET);
  });
});

test("what an editor is told fits what the program reads", () => {
  const keys = configKeys();
  expect(keys.map(({ name }) => name)).toEqual(expect.arrayContaining(["edge", "hold", "components.sources.facebook.appSecret"]));
  expect(keys.filter(({ description, variable }) => description === "" || variable === null)).toEqual([]);
  expect(keys.filter(({ name }) => /secret|token/i.test(name)).every(({ secret }) => secret)).toBe(true);
  const template = readFileSync(path.resolve(import.meta.dirname, "../../../templates/airy.yaml"), "utf8");
  expect(template).toMatch(/^# yaml-language-server: \$schema=\.airy\/airy\.schema\.json\n/);
  expect(configSchema().properties?.["hold"]).toMatchObject({ type: ["boolean", "null"], default: true });
  expect(configSchema().properties?.["hold"]).not.toHaveProperty("enum");
  expect(parse("edge:\n")).toEqual({ edge: null });
});
