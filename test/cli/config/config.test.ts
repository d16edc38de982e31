import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { facebookApp, readConfig, writeDefaultConfig } from "../../../cli/config/config.ts";

let dir: string;
let file: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "airy-config-"));
  file = path.join(dir, "airy.yaml");
});
afterEach(() => rm(dir, { recursive: true }));

async function read(text: string, env: Record<string, string> = {}) {
  await writeFile(file, text);
  return readConfig(file, env);
}

describe("airy.yaml", () => {
  test("the file that up writes is valid and asks for nothing", async () => {
    expect(await writeDefaultConfig(file)).toBe(true);
    expect(await writeDefaultConfig(file)).toBe(false);
    expect(await readConfig(file, {})).toMatchObject({ edge: null, engine: null, graphUrl: "https://graph.facebook.com" });
  });

  test("the file that up writes is its owner's alone, for a secret may be written into it", async () => {
    await writeDefaultConfig(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test("the file that up writes is valid with every comment sign removed", async () => {
    await writeDefaultConfig(file);
    const text = await readFile(file, "utf8");
    const opened = text
      .split("\n")
      .map((line) => (/^#\S/.test(line) ? line.slice(1) : line))
      .map((line) => line.replace(/^(\s*)#\s*$/, ""));
    const config = await read(opened.join("\n"));
    expect(config).toMatchObject({ edge: "tunnel.airy.co:22", engine: "auto" });
    expect(facebookApp(config, file)).toBeNull();
  });

  test("an app id keeps all its digits", async () => {
    const config = await read("components:\n  sources:\n    facebook:\n      appId: 12345678901234567890\n      appSecret: 0x1\n");
    expect(facebookApp(config, file)).toEqual({ appId: "12345678901234567890", appSecret: "0x1", webhookSecret: null });
  });

  test("sections and values left empty count as not written", async () => {
    for (const text of [
      "",
      "components:\n",
      "components:\n  sources:\n",
      "components:\n  sources:\n    facebook:\n      appId:\n",
      "edge:\nengine:\n",
    ]) {
      expect(facebookApp(await read(text), file)).toBeNull();
    }
  });

  test.each([
    ["an unknown key", "edge: a\nedgee: b\n", 2, "edgee"],
    ["an unknown key deep inside", "edge: a\ncomponents:\n  sources:\n    facebok:\n      appId: 1\n", 4, "components.sources.facebok"],
    ["a wrong value", "# comment\n\nengine: podman\n", 3, "engine"],
    ["a scalar in place of a section", "components:\n  sources: yes\n", 2, "components.sources"],
    ["a list in place of a value", "edge: x\n\nengine: [a]\n", 3, "engine"],
    ["a list in place of the file", "- a\n", 1, null],
    ["broken YAML", "edge: x\nengine: [a\n", 3, null],
    ["a key written twice", "edge: x\nedge: y\n", 2, null],
    ["a tab for indentation", "components:\n\tsources:\n", 2, null],
  ])("%s is refused with its line", async (_, text, line, key) => {
    await expect(read(text)).rejects.toMatchObject({ code: "CONFIG_INVALID", details: { file, line, key } });
  });
});

describe("credentials", () => {
  test("the environment wins, one value at a time", async () => {
    const text = "components:\n  sources:\n    facebook:\n      appId: one\n      appSecret: two\n";
    const config = await read(text, { FACEBOOK_APP_SECRET: "three", FACEBOOK_WEBHOOK_SECRET: "four" });
    expect(facebookApp(config, file)).toEqual({ appId: "one", appSecret: "three", webhookSecret: "four" });
  });

  test.each([
    [{ FACEBOOK_APP_ID: "1" }, ["appSecret"]],
    [{ FACEBOOK_APP_SECRET: "1" }, ["appId"]],
    [{ FACEBOOK_WEBHOOK_SECRET: "1" }, ["appId", "appSecret"]],
  ])("a part of them is not enough: %o", async (env, missing) => {
    const config = await read("", env);
    expect(() => facebookApp(config, file)).toThrow(
      expect.objectContaining({ code: "SECRET_MISSING", details: expect.objectContaining({ missing }) }),
    );
  });

  test("AIRY_GRAPH_URL replaces Facebook's address, and has to be one", async () => {
    expect(await read("", { AIRY_GRAPH_URL: "http://127.0.0.1:1/" })).toMatchObject({ graphUrl: "http://127.0.0.1:1" });
    await expect(read("", { AIRY_GRAPH_URL: "nonsense" })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      details: { key: "AIRY_GRAPH_URL" },
    });
  });
});

describe("values of the environment", () => {
  const yaml = "components: { sources: { facebook: { appId: '1', appSecret: kept } } }";

  test.each(["secret\r", "secret\n", " secret\r\n", "\tsecret "])(
    "%j is taken without what surrounds it, as the file's values are",
    async (text) => {
      const { facebook, graphUrl } = await read(yaml, { FACEBOOK_APP_SECRET: text, AIRY_GRAPH_URL: `http://x/${text.slice(-1)}` });
      expect(facebook).toMatchObject({ appId: "1", appSecret: "secret" });
      expect(graphUrl).toBe("http://x");
    },
  );

  test("one that is blank hides nothing", async () => {
    expect((await read(yaml, { FACEBOOK_APP_SECRET: " \r\n", FACEBOOK_APP_ID: "" })).facebook).toMatchObject({
      appId: "1",
      appSecret: "kept",
    });
  });

  test.each([
    [{ FACEBOOK_APP_SECRET: "two\nlines" }, "the environment", "FACEBOOK_APP_SECRET", "U+000A"],
    [{ FACEBOOK_APP_SECRET: "in it" }, "the environment", "FACEBOOK_APP_SECRET", "U+0020"],
    [{ FACEBOOK_APP_ID: "1\u200b2" }, "the environment", "FACEBOOK_APP_ID", "U+200B"],
    [{ FACEBOOK_WEBHOOK_SECRET: "a\u0000b" }, "the environment", "FACEBOOK_WEBHOOK_SECRET", "U+0000"],
  ])("%j is refused before anybody is asked", async (env, where, key, reason) => {
    await expect(read(yaml, env)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      details: { file: where, key, reason: expect.stringContaining(reason) },
    });
  });

  test("a webhook secret of several words is one", async () => {
    expect((await read(yaml, { FACEBOOK_WEBHOOK_SECRET: "héllo wörld" })).facebook.webhookSecret).toBe("héllo wörld");
  });

  test("so is one in the file, which names its key", async () => {
    await expect(read(yaml.replace("kept", '"ke pt"'))).rejects.toMatchObject({
      details: { file, key: "components.sources.facebook.appSecret" },
    });
  });
});
