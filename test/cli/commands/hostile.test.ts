/** A repository that brings a state folder of its own, as git would bring it, and every command in it. */
import { chown, mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commands, type CommandName } from "../../../cli/commands/table.ts";
import { workspacePaths } from "../../../cli/config/paths.ts";
import { claimStateDir } from "../../../cli/config/workspace.ts";
import { airy } from "../../support/airy.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";

const minutes = 60_000;
let scope: LeakScope;

beforeEach(async () => {
  scope = await openLeakScope("hostile");
});
afterEach(() => scope.close());

const inWorkspace = (name: string): string => path.join(scope.workspace, name);

/** All that work on a workspace, with what they need to begin. */
const inFolder = (Object.keys(commands) as CommandName[]).filter((name) =>
  commands[name].options.some((option) => option.name === "workspace"),
);
const lineOf: Partial<Record<CommandName, string[]>> = {
  up: ["up", "--sandbox", "--yes"],
  destroy: ["destroy", "--yes"],
  trigger: ["trigger", "message"],
  replay: ["replay", "--dead"],
  restore: ["restore", "backup.tar"],
  export: ["export", "helm"],
};

test("every command that has a workspace is tried here", () => {
  const known =
    "attach backup config destroy doctor down export logs open replay reprocess requests restore service status trigger up url wait webhook";
  expect(inFolder.sort()).toEqual(known.split(" "));
});

describe.each(inFolder)("airy %s", (name) => {
  const run = () => airy(scope, lineOf[name] ?? [name]);

  test("follows no link in place of the state folder", async () => {
    await mkdir(path.join(scope.root, "docs"));
    await writeFile(path.join(scope.root, "docs/thesis.txt"), "precious");
    await writeFile(inWorkspace("airy.yaml"), "");
    await symlink("..", inWorkspace(".airy"));
    expect(await run()).toMatchObject({ code: 14, envelope: { error: { code: "STATE_UNSAFE", details: { file: inWorkspace(".airy") } } } });
    expect(await readFile(path.join(scope.root, "docs/thesis.txt"), "utf8")).toBe("precious");
    expect((await readdir(scope.root)).sort()).toEqual(["docs", "tmp", "workspace"]);
  });

  test("uses no state that airy did not make", async () => {
    await mkdir(inWorkspace(".airy"));
    const state = { version: 1, engine: "embedded", sandbox: null, ports: null, callbacks: ["http://theirs.example.com/facebook"] };
    await writeFile(inWorkspace(".airy/state.json"), JSON.stringify(state));
    expect(await run()).toMatchObject({
      code: 14,
      envelope: { error: { code: "WORKSPACE_UNKNOWN", details: { dir: inWorkspace(".airy") } } },
    });
    expect(await readdir(inWorkspace(".airy"))).toEqual(["state.json"]);
    expect((await readdir(scope.workspace)).sort()).toEqual([".airy"]);
  });

  test.runIf(process.getuid?.() === 0)("names the owner where it was run as another user", async () => {
    await mkdir(inWorkspace(".airy"));
    await chown(inWorkspace(".airy"), 4711, 4711);
    expect(await run()).toMatchObject({ code: 4, envelope: { error: { code: "WORKSPACE_OWNER", details: { owner: 4711 } } } });
  });
});

test(
  "destroy deletes what airy made, names the folder, and lists what it leaves",
  async () => {
    const who = { cwd: scope.workspace, env: process.env, uid: process.getuid?.() ?? null, now: () => new Date() };
    const { dir, logs } = workspacePaths(scope.workspace);
    await claimStateDir(workspacePaths(scope.workspace), who);
    await mkdir(logs);
    for (const name of ["identity", "secrets.json", "logs/agent.log", "notes.txt", "secrets.json.0a1b2c3d.tmp"]) {
      await writeFile(path.join(dir, name), "text", { mode: 0o600 });
    }
    expect(await airy(scope, ["destroy", "--yes"])).toMatchObject({
      code: 0,
      envelope: { data: { destroyed: true, dir, kept: [path.join(dir, "identity")], left: [path.join(dir, "notes.txt")] } },
    });
    expect((await readdir(dir)).sort()).toEqual(["identity", "notes.txt", "workspace.json"]);
    expect(await airy(scope, ["destroy", "--yes"])).toMatchObject({ code: 0, envelope: { data: { destroyed: false } } });
  },
  minutes,
);
