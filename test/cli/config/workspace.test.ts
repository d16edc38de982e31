import { execFileSync } from "node:child_process";
import { chown, cp, link, mkdir, mkdtemp, readFile, readdir, realpath, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { namesBefore } from "../../../cli/config/marks.ts";
import { findWorkspace, isMade, workspacePaths, type WorkspacePaths } from "../../../cli/config/paths.ts";
import { prepareStateDir, readState, writeState } from "../../../cli/config/state.ts";
import { claimStateDir, openWorkspace, readSelf } from "../../../cli/config/workspace.ts";

const root = process.getuid?.() === 0;
let dir: string;
let env: Record<string, string>;
const who = () => ({ cwd: dir, env, uid: process.getuid?.() ?? null, now: () => new Date() });

beforeEach(async () => {
  dir = await realpath(await mkdtemp(path.join(tmpdir(), "airy-workspace-")));
  env = { XDG_STATE_HOME: path.join(dir, "state") };
});
afterEach(() => rm(dir, { recursive: true }));

const open = (name: string, options = {}) => openWorkspace(who(), path.join(dir, name), options);

/** A workspace as `airy up` leaves it. */
async function make(name: string): Promise<WorkspacePaths> {
  const paths = workspacePaths(path.join(dir, name));
  await mkdir(paths.root, { recursive: true });
  await claimStateDir(paths, who());
  await prepareStateDir(paths);
  await mkdir(path.join(paths.dir, "postgres/data"), { recursive: true });
  await writeState(paths, { ...(await readState(paths)), engine: "embedded", callbacks: [`http://${name}.example.com/facebook`] });
  for (const [file, text] of [
    ["identity", "the key"],
    ["secrets.json", "{}"],
    ["agent.json", "{}"],
    ["up.lock", "{}"],
    ["postgres/data/PG_VERSION", "18\n"],
    ["postgres/data/postmaster.pid", "1\n"],
  ] as const) {
    await writeFile(path.join(paths.dir, file), text, { mode: 0o600 });
  }
  return paths;
}

/** Everything below a folder, with what is in it. */
async function contents(of: string): Promise<Record<string, string>> {
  const entries = await readdir(of, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return Object.fromEntries(await Promise.all(files.map(async (file) => [path.relative(of, file), await readFile(file, "utf8")])));
}

describe("a state folder", () => {
  test("that airy made is used, by whatever way the workspace is reached", async () => {
    const paths = await make("w");
    const self = await readSelf(paths.root);
    expect((await open("w")).root).toBe(paths.root);
    await symlink(paths.root, path.join(dir, "link"));
    expect((await open("link")).root).toBe(paths.root);
    expect((await findWorkspace(path.join(dir, "link"), undefined)).root).toBe(paths.root);
    expect(await claimStateDir(paths, who())).toEqual({ self, copyOf: null });
    expect((await stat(path.join(env.XDG_STATE_HOME!, "airy/workspaces"))).mode & 0o777).toBe(0o700);
  });

  test("that does not exist, or has nothing in it, is nobody's yet", async () => {
    await open("w");
    await mkdir(path.join(dir, "w/.airy"), { recursive: true });
    await writeFile(path.join(dir, "w/.airy/.gitignore"), "*\n");
    await open("w");
    await make("w");
    await open("w");
  });

  test("that came from elsewhere is not used, and not changed, until the user says that it is theirs", async () => {
    const planted = workspacePaths(path.join(dir, "clone"));
    const made = await make("w");
    // Whoever plants one knows how it looks, and may have an id of their own; not one of ours.
    await cp(made.dir, planted.dir, { recursive: true });
    await writeFile(planted.self, JSON.stringify({ version: 1, id: "0".repeat(32), name: "00000000" }));
    const before = await contents(planted.root);
    await expect(open("clone")).rejects.toMatchObject({ code: "WORKSPACE_UNKNOWN", details: { dir: planted.dir } });
    await expect(open("clone", { copies: true })).rejects.toMatchObject({ code: "WORKSPACE_UNKNOWN" });
    await expect(claimStateDir(planted, who())).rejects.toMatchObject({ code: "WORKSPACE_UNKNOWN" });
    await rm(planted.self);
    await expect(open("clone")).rejects.toMatchObject({ code: "WORKSPACE_UNKNOWN" });
    expect(await contents(planted.root)).toEqual({ ...before, ".airy/workspace.json": undefined });

    await open("clone", { adopt: true });
    await open("clone");
    expect(await contents(planted.root)).toEqual({ ...before, ".airy/workspace.json": expect.any(String) });
    expect((await readSelf(planted.root))?.id).not.toBe("0".repeat(32));
  });

  test("of a moved workspace is the same one", async () => {
    const before = await make("w");
    const self = await readSelf(before.root);
    await rename(before.root, path.join(dir, "moved"));
    await open("moved");
    expect(await readSelf(path.join(dir, "moved"))).toEqual(self);
    // And the folder of before is free for a new one.
    const after = await make("w");
    expect((await readSelf(after.root))?.id).not.toBe(self?.id);
    await open("moved");
    await open("w");
  });

  test("that was moved to another disk, or put back from a backup, is the same one", async () => {
    const before = await make("w");
    await cp(before.root, path.join(dir, "other"), { recursive: true });
    await rm(before.root, { recursive: true });
    const self = await readSelf(path.join(dir, "other"));
    await open("other");
    await cp(path.join(dir, "other"), path.join(dir, "backup"), { recursive: true });
    await rm(path.join(dir, "other"), { recursive: true });
    await rename(path.join(dir, "backup"), path.join(dir, "other"));
    await open("other");
    expect(await readSelf(path.join(dir, "other"))).toEqual(self);
  });

  test("of a copied workspace is told from the original, and becomes one of its own without the original's key", async () => {
    const original = await make("w");
    const before = await contents(original.root);
    const copy = workspacePaths(path.join(dir, "copy"));
    await cp(original.root, copy.root, { recursive: true });
    await expect(open("copy")).rejects.toMatchObject({ code: "WORKSPACE_COPY", details: { dir: copy.root, original: original.root } });
    expect(await contents(copy.root)).toEqual(before);

    await open("copy", { copies: true });
    expect(await claimStateDir(copy, who())).toMatchObject({ copyOf: { root: original.root, running: true } });
    expect((await readdir(copy.dir)).sort()).toEqual([".gitignore", "postgres", "secrets.json", "state.json", "workspace.json"]);
    expect(await readdir(path.join(copy.dir, "postgres/data"))).toEqual(["PG_VERSION"]);
    expect(await readState(copy)).toMatchObject({ engine: "embedded", sandbox: null, ports: null, callbacks: [], heldAt: null });
    await open("copy");
    await open("w");
    expect(await contents(original.root)).toEqual(before);
    expect((await readSelf(copy.root))?.name).not.toBe((await readSelf(original.root))?.name);
  });

  test("is told from its copy also when the two have changed places", async () => {
    const original = await make("w");
    const self = await readSelf(original.root);
    await rename(original.root, path.join(dir, "w2"));
    await cp(path.join(dir, "w2"), original.root, { recursive: true });
    await open("w2");
    await expect(open("w")).rejects.toMatchObject({ code: "WORKSPACE_COPY", details: { original: path.join(dir, "w2") } });
    expect(await readSelf(path.join(dir, "w2"))).toEqual(self);
  });

  test("that was made anew is a new workspace, and the name of the one before is known", async () => {
    const first = await make("w");
    const self = (await readSelf(first.root))!;
    await rm(first.dir, { recursive: true });
    const second = (await make("w")) && (await readSelf(first.root))!;
    expect(second.id).not.toBe(self.id);
    expect(await namesBefore(env, first.root, second)).toEqual([self.name]);
  });

  test("two that are made at the same time are one", async () => {
    const paths = workspacePaths(path.join(dir, "w"));
    const [one, other] = await Promise.all([claimStateDir(paths, who()), claimStateDir(paths, who())]);
    const { self } = await claimStateDir(paths, who());
    expect([one.self.id, other.self.id]).toContain(self.id);
    await open("w");
  });

  test("is refused, not adopted, where home cannot keep a mark", async () => {
    await writeFile(path.join(dir, "state"), "in the way");
    await expect(make("w")).rejects.toMatchObject({ code: "STATE_HOME_UNUSABLE" });
    await rm(path.join(dir, "state"));
    await make("w");
  });
});

describe("what leads elsewhere", () => {
  test.each([
    ".gitignore",
    "identity.pub",
    "events.ndjson",
    "known_edges",
    "logs/agent.log",
    "logs",
    "edge/claims",
    "postgres/data/pg_wal",
  ])("%s as a link is refused by name, and what it points to stays as it is", async (name) => {
    const paths = await make("w");
    const target = path.join(dir, "precious");
    await writeFile(target, "thesis");
    const file = path.join(paths.dir, name);
    await rm(file, { recursive: true, force: true });
    await mkdir(path.dirname(file), { recursive: true });
    await symlink(target, file);
    for (const options of [{}, { adopt: true, copies: true }]) {
      await expect(open("w", options)).rejects.toMatchObject({ code: "STATE_UNSAFE", details: { file } });
    }
    expect(await readFile(target, "utf8")).toBe("thesis");
  });

  test("the folder itself as a link is refused", async () => {
    await mkdir(path.join(dir, "home/repo"), { recursive: true });
    await symlink("..", path.join(dir, "home/repo/.airy"));
    await expect(open("home/repo", { adopt: true })).rejects.toMatchObject({
      code: "STATE_UNSAFE",
      details: { file: path.join(dir, "home/repo/.airy"), reason: expect.stringContaining("symbolic link to ..") },
    });
  });

  test("a file that has another name elsewhere is not appended to", async () => {
    const paths = await make("w");
    await writeFile(path.join(dir, "bashrc"), "");
    await link(path.join(dir, "bashrc"), paths.events);
    await expect(open("w")).rejects.toMatchObject({ code: "STATE_UNSAFE", details: { file: paths.events } });
  });

  test("a pipe in a file's place is refused, and nothing waits for its other end", async () => {
    const paths = await make("w");
    execFileSync("mkfifo", [paths.events]);
    await expect(open("w")).rejects.toMatchObject({ code: "STATE_UNSAFE", details: { file: paths.events } });
  });
});

describe.runIf(root)("what belongs to another user", () => {
  test.each([".airy", ".airy/state.json", ".airy/logs"])("%s is named with its owner", async (name) => {
    const paths = await make("w");
    await chown(path.join(paths.root, name), 4711, 4711);
    await expect(open("w")).rejects.toMatchObject({ code: "WORKSPACE_OWNER", details: { dir: paths.root, owner: 4711, uid: 0 } });
  });
});

test("names that airy makes are told from others, drafts of a killed process included", () => {
  for (const name of ["state.json", "state.json.0a1b2c3d.tmp", "identity.01234567-89ab-cdef-0123-456789abcdef.new", "up.lock.4711.stale"]) {
    expect([name, isMade(name)]).toEqual([name, true]);
  }
  for (const name of ["notes.txt", "identity.backup", "state.json.bak", "..", "logs2"]) expect([name, isMade(name)]).toEqual([name, false]);
});
