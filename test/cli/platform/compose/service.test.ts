/** What a container of ours runs, here without the container: `airy internal <service> --config FILE` of the bundle. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../../cli/io/http.ts";
import { freePorts } from "./spec.ts";

const bundle = path.resolve(import.meta.dirname, "../../../../dist/airy.js");
const http = createHttpClient();
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "airy-service-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Resolves when the process has ended; `onOutput` sees all of its output so far. */
function run(
  args: string[],
  onOutput: (output: string, kill: () => void) => void = () => {},
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [bundle, "internal", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += String(chunk);
      onOutput(output, () => child.kill("SIGTERM"));
    });
  }
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}

function writeConfig(config: unknown): string {
  const file = path.join(dir, "config.json");
  writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config));
  return file;
}

test("a service serves until SIGTERM, and ends well", async () => {
  const [port = 0] = await freePorts(1);
  const config = writeConfig({
    listen: { host: "127.0.0.1", port },
    app: { id: "1", secret: "canary-secret", name: "App" },
    page: { id: "2", name: "Page", token: "canary-token" },
    commandToken: "canary-command",
    localhost: "127.0.0.1",
  });
  let answered: Promise<number> | null = null;
  const { code, output } = await run(["facebook", "--config", config], (soFar, kill) => {
    if (!soFar.includes("facebook is up")) return;
    answered ??= http({ url: `http://127.0.0.1:${port}/sandbox/state`, headers: { authorization: "Bearer canary-command" } })
      .then(({ status }) => status)
      .finally(kill);
  });
  expect(await answered).toBe(200);
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/facebook is up\n[^]*facebook stops\n$/) });
  expect(output).not.toContain("canary");
});

test.each([
  ["that is not JSON", "{", "JSON"],
  ["with something missing", { listen: { host: "127.0.0.1", port: 1 } }, "databaseUrl"],
])("a configuration %s is refused with the reason", async (_, config, reason) => {
  const { code, output } = await run(["platform", "--config", writeConfig(config)]);
  expect({ code, output }).toEqual({ code: 13, output: expect.stringContaining(reason) });
  expect(output).toContain("SERVICE_EXITED");
});

test.each([
  [["nonsense"], "nonsense"],
  [["edge"], "--config"],
])("internal %j is refused", async (args, reason) => {
  expect(await run(args)).toEqual({ code: 2, output: expect.stringContaining(reason) });
});
