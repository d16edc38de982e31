/** `airy export`: canaries in every place where a secret may stand, and none of them in the zip. */
import { spawnSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { strFromU8, unzipSync } from "fflate";
import { afterEach, beforeEach, expect, test } from "vitest";
import { workspacePaths } from "../../../cli/config/paths.ts";
import { loadOrCreateSecrets, prepareStateDir, readState, writeState } from "../../../cli/config/state.ts";
import { claimStateDir } from "../../../cli/config/workspace.ts";
import { bundle } from "../../support/airy.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";

let scope: LeakScope;
beforeEach(async () => (scope = await openLeakScope("export")));
afterEach(() => scope.close());

const run = (args: string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, [bundle, "export", ...args], { cwd: scope.workspace, encoding: "utf8", env: { ...process.env, ...env } });

test("tells what is needed, and no secret, wherever it was written", async () => {
  const paths = workspacePaths(scope.workspace);
  await claimStateDir(paths, { cwd: scope.workspace, env: process.env, uid: process.getuid?.() ?? null, now: () => new Date() });
  await prepareStateDir(paths);
  const secrets = await loadOrCreateSecrets(paths);
  await writeState(paths, { ...(await readState(paths)), engine: "embedded" });
  const inFile = "canary/in=file+0123456789";
  const inEnv = "canary-in-env-0123456789";
  const pageToken = "EAAcanaryCANARY0123456789pageTOKEN";
  const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaCcanary0123\n-----END OPENSSH PRIVATE KEY-----";
  writeFileSync(paths.identity, key, { mode: 0o600 });
  writeFileSync(
    paths.config,
    `edge: edge.example.com # seen\ncomponents:\n  sources:\n    facebook:\n      appId: 1234567\n      appSecret: ${inFile}\n`,
  );
  const canaries = [inFile, inEnv, pageToken, ...Object.values(secrets.sandbox).filter((value) => !/^\d+$/.test(value))];
  canaries.push(secrets.databasePassword, secrets.verifyToken, secrets.platformSecret!);
  const written = canaries.flatMap((one) => [one, encodeURIComponent(one), JSON.stringify({ one }), Buffer.from(one).toString("base64")]);
  const others = ["Authorization: Bearer canary.abc-0123456", "https://x.example/?access_token=canaryabcdef0123", key];
  writeFileSync(path.join(paths.logs, "platform.log"), `something useful\n${[...written, ...others].join("\n")}\n`);
  writeFileSync(paths.events, `${written.map((text) => JSON.stringify({ type: "warning", text })).join("\n")}\n`);

  const { status, stdout } = run(["--file", "out.zip"], { FACEBOOK_APP_SECRET: inEnv });
  expect(status).toBe(0);
  const zip = path.join(scope.workspace, "out.zip");
  expect(statSync(zip).mode & 0o777).toBe(0o600);
  const files = Object.entries(unzipSync(readFileSync(zip))).map(([name, bytes]) => [name, strFromU8(bytes)] as const);
  for (const name of ["about.json", "status.json", "doctor.json", "files.txt", "airy.yaml", "events.ndjson", "logs/platform.log"]) {
    expect(files.map(([found]) => found)).toContain(name);
    expect(stdout).toContain(name);
  }
  const all = files.map(([, text]) => text).join("\n");
  expect(all).toContain("something useful");
  expect(all).toContain("edge.example.com # seen");
  for (const secret of [...written, "canaryabcdef", "canary.abc", "b3BlbnNza"])
    expect(all, secret).not.toContain(secret.replace(/=+$/, ""));
  // What is there is not replaced.
  expect(run(["--file", "out.zip"]).status).toBe(2);
});

test("also where nothing was ever started", () => {
  const { status, stderr } = run(["--file", "out.zip"]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
