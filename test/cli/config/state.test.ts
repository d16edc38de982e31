import { chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findWorkspace, workspacePaths, type WorkspacePaths } from "../../../cli/config/paths.ts";
import { loadOrCreateSecrets, prepareStateDir, readSecrets, readState, writeState } from "../../../cli/config/state.ts";

let dir: string;
let paths: WorkspacePaths;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "airy-state-"));
  paths = workspacePaths(dir);
});
afterEach(() => rm(dir, { recursive: true }));

const mode = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;

describe("workspace", () => {
  test("is the nearest folder upward that holds airy.yaml, else the current one", async () => {
    const deep = path.join(dir, "a/b/c");
    await mkdir(deep, { recursive: true });
    expect((await findWorkspace(deep, undefined)).root).toBe(deep);
    await writeFile(path.join(dir, "airy.yaml"), "");
    expect((await findWorkspace(deep, undefined)).root).toBe(dir);
    await writeFile(path.join(dir, "a/airy.yaml"), "");
    expect((await findWorkspace(deep, undefined)).root).toBe(path.join(dir, "a"));
    expect((await findWorkspace(deep, "../..")).root).toBe(path.join(dir, "a"));
  });

  test.skipIf(process.getuid?.() !== 0)("is not a folder above whose airy.yaml somebody else has put there", async () => {
    const mine = path.join(dir, "mine");
    await mkdir(mine);
    await writeFile(path.join(dir, "airy.yaml"), "edge: edge.of.another");
    await chown(mine, 1001, 1001);
    await chown(path.join(dir, "airy.yaml"), 1002, 1002);
    expect((await findWorkspace(mine, undefined)).root).toBe(mine);
    await chown(path.join(dir, "airy.yaml"), 1001, 1001);
    expect((await findWorkspace(mine, undefined)).root).toBe(dir);
    await chown(path.join(dir, "airy.yaml"), 0, 0);
    expect((await findWorkspace(mine, undefined)).root).toBe(dir);
  });

  test("keeps its state to its owner and out of version control", async () => {
    await mkdir(paths.dir, { mode: 0o755 });
    await prepareStateDir(paths);
    await loadOrCreateSecrets(paths);
    await writeState(paths, await readState(paths));
    expect([await mode(paths.dir), await mode(paths.secrets), await mode(paths.state)]).toEqual([0o700, 0o600, 0o600]);
    expect(await readFile(path.join(paths.dir, ".gitignore"), "utf8")).toBe("*\n");
  });

  test("that cannot be written to is refused by name", async () => {
    await writeFile(path.join(dir, ".airy"), "a file in the way");
    await expect(prepareStateDir(paths)).rejects.toMatchObject({ code: "WORKSPACE_NOT_WRITABLE", details: { dir } });
  });
});

describe("state", () => {
  test("is empty before the first start and kept afterwards", async () => {
    await prepareStateDir(paths);
    const empty = await readState(paths);
    expect(empty).toMatchObject({ engine: null, sandbox: null, ports: null });
    await writeState(paths, { ...empty, engine: "embedded", sandbox: true });
    expect(await readState(paths)).toMatchObject({ engine: "embedded", sandbox: true });
  });

  test.each([
    ["not JSON", "{", "STATE_UNREADABLE"],
    ["of the wrong shape", '{"version":1}', "STATE_UNREADABLE"],
    ["from a newer airy", '{"version":2,"engine":"podman"}', "UPGRADE_REQUIRED"],
  ])("%s is refused, not overwritten", async (_, text, code) => {
    await prepareStateDir(paths);
    await writeFile(paths.state, text);
    await expect(readState(paths)).rejects.toMatchObject({ code, details: { file: paths.state } });
    expect(await readFile(paths.state, "utf8")).toBe(text);
  });

  test("secrets are made once, differ between workspaces, and are never made again over an unreadable file", async () => {
    await prepareStateDir(paths);
    expect(await readSecrets(paths)).toBeNull();
    const first = await loadOrCreateSecrets(paths);
    expect(await loadOrCreateSecrets(paths)).toEqual(first);
    const other = workspacePaths(path.join(dir, "other"));
    await prepareStateDir(other);
    const second = await loadOrCreateSecrets(other);
    expect(second.databasePassword).not.toBe(first.databasePassword);
    expect(second.sandbox.commandToken).not.toBe(first.sandbox.commandToken);
    await writeFile(paths.secrets, "half written");
    await expect(loadOrCreateSecrets(paths)).rejects.toMatchObject({ code: "STATE_UNREADABLE" });
  });
});
