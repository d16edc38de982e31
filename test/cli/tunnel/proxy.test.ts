/** `airy-proxy` as a process: what it prints, what it needs, how it ends. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ask, openEdge, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";
import { freeze } from "../../support/freeze.ts";
import { loadOrCreateIdentity } from "../../../cli/tunnel/identity.ts";
import { run, type RunningCommand } from "../../support/edge-process.ts";

let edge: TestEdge;
let origin: Origin;
let dir = "";
let running: RunningCommand[] = [];
beforeEach(async () => {
  edge = await openEdge();
  origin = await startOrigin((_request, response) => response.end("fine"));
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-proxy-"));
});
afterEach(async () => {
  for (const command of running) await command.kill("SIGKILL");
  running = [];
  await edge.close();
  await origin.close();
  await rm(dir, { recursive: true, force: true });
});

function proxy(args: string[] = []): RunningCommand {
  const command = run(["proxy", String(origin.port), "--edge", `127.0.0.1:${edge.sshPort}`, ...args], {
    XDG_CONFIG_HOME: path.join(dir, "config"),
    XDG_STATE_HOME: path.join(dir, "state"),
  });
  running.push(command);
  return command;
}
const urlOf = (command: RunningCommand) => command.line((line) => line.startsWith("http://"));

it("prints the URL alone on stdout, serves, and keeps the URL", async () => {
  const first = proxy();
  const url = await urlOf(first);
  expect(url).toMatch(/^http:\/\/[a-z2-7]{10}\.tunnel\.localhost:\d+$/);
  expect((await ask(edge.httpPort, { host: new URL(url).host })).text).toBe("fine");
  expect(await first.kill("SIGTERM")).toBe(0);
  expect(first.stdout()).toBe(`${url}\n`);
  expect(first.stderr()).toContain("every path is public");
  const second = proxy();
  expect(await urlOf(second)).toBe(url);
  expect(await second.kill("SIGINT")).toBe(0);
});

it("exposes only the paths it is told to, and says so", async () => {
  const command = proxy(["--path", "/facebook", "--path", "/hooks"]);
  const { host } = new URL(await urlOf(command));
  for (const [target, status] of [
    ["/facebook", 200],
    ["/hooks/x", 200],
    ["/", 404],
  ] as const) {
    expect((await ask(edge.httpPort, { host, path: target })).status).toBe(status);
  }
  await until("the note", () => command.stderr().includes("public: /facebook, /hooks"));
});

it("that is taken over ends with an error that says so", async () => {
  const first = proxy();
  await urlOf(first);
  const second = proxy();
  await urlOf(second);
  expect(await first.exited).toBe(20);
  expect(first.stderr()).toMatch(/TAKEN_OVER|Another client with the same key/);
});

it.each([
  ["no home", { HOME: "" }],
  ["a home that is none of the whole path", { HOME: "home" }],
])("with %s writes nothing into the current folder", async (_, env) => {
  const command = run(
    ["proxy", String(origin.port), "--edge", `127.0.0.1:${edge.sshPort}`, "--edge-key", edge.edge.hostKey, "--ephemeral"],
    {
      XDG_CONFIG_HOME: "",
      XDG_STATE_HOME: "",
      ...env,
    },
    dir,
  );
  running.push(command);
  await urlOf(command);
  await command.kill();
  expect(await readdir(dir)).toEqual([]);
});

it("works with a given key where nothing can be written, and says that it could not pin the host key", async () => {
  const identity = path.join(dir, "key");
  await loadOrCreateIdentity(identity);
  const thaw = await freeze(dir);
  if (!thaw) return;
  try {
    const command = run(["proxy", String(origin.port), "--edge", `127.0.0.1:${edge.sshPort}`, "--identity", identity], {
      HOME: dir,
      XDG_STATE_HOME: dir,
    });
    running.push(command);
    await urlOf(command);
    await until("the note", () => command.stderr().includes("host key not pinned"));
  } finally {
    await thaw();
  }
});

it("says how to do without a home when no key can be made, and does without for a name of the moment", async () => {
  const file = path.join(dir, "file");
  await writeFile(file, "");
  const env = { HOME: file, XDG_CONFIG_HOME: "" };
  const args = ["proxy", String(origin.port), "--edge", `127.0.0.1:${edge.sshPort}`];
  const command = run(args, env);
  running.push(command);
  expect(await command.exited).toBe(20);
  expect(command.stderr()).toContain("--identity FILE");
  expect(command.stderr()).toContain("--ephemeral");
  const ephemeral = run([...args, "--ephemeral"], env);
  running.push(ephemeral);
  await urlOf(ephemeral);
});

it("with --json prints events and ends with the result", async () => {
  const command = proxy(["--json"]);
  await command.line((line) => line.includes('"state":"open"'));
  expect(await command.kill()).toBe(0);
  const lines = command
    .stdout()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; status?: string });
  expect(lines.at(-1)).toMatchObject({ type: "result", status: "ok" });
  expect(lines.slice(0, -1).every(({ type }) => ["tunnel", "request", "check"].includes(type))).toBe(true);
  const met = lines.filter(({ type }) => type === "check");
  expect(met).toMatchObject([{ id: "edge-key", message: expect.stringMatching(/host key SHA256:[A-Za-z0-9+/]{43} is trusted/) }]);
});

it.each([
  ["a target twice", ["proxy", "3000", "3001"]],
  ["a path that can be read in two ways", ["proxy", "/a/../b=3000"]],
  ["a secret for nothing", ["proxy", "3000", "--secret-env", "S"]],
  ["a secret that is not there", ["proxy", "3000", "--verify", "facebook", "--secret-env", "AIRY_TEST_NONE"]],
  ["a time that is none", ["proxy", "3000", "--expire", "soon"]],
  ["a failure that is none", ["proxy", "3000", "--fail", "200"]],
  ["a target that is none", ["proxy", "nonsense"]],
  ["a port that is none", ["proxy", "70000"]],
  ["a path without a slash", ["proxy", "3000", "--path", "facebook"]],
])("with %s explains itself and ends with 2", async (_what, args) => {
  const command = run(args, { XDG_CONFIG_HOME: dir, XDG_STATE_HOME: dir });
  running.push(command);
  expect(await command.exited).toBe(2);
  expect(command.stdout()).toBe("");
  expect(command.stderr()).not.toBe("");
});

it("at an edge with another host key than before ends with 20 and says what to do", async () => {
  await urlOf(proxy());
  for (const command of running) await command.kill();
  const other = await openEdge({ ssh: { host: "127.0.0.1", port: 0 } });
  await edge.close();
  const { startEdge } = await import("../../../edge/index.ts");
  // Another edge, with a key of its own, at the address of the first.
  const imposter = await startEdge({
    domain: "tunnel.localhost",
    ssh: { host: "127.0.0.1", port: edge.sshPort },
    http: { host: "127.0.0.1", port: 0 },
    admin: null,
    dataDir: path.join(dir, "imposter"),
    hostKey: null,
    publicPort: null,
    log: () => {},
  });
  const command = proxy();
  expect(await command.exited).toBe(20);
  expect(command.stderr()).toMatch(/another host key/);
  expect(command.stderr()).toContain("known_edges");
  await imposter.close(0);
  await other.close();
});

it("looks at each step of the way when the tunnel does not come up", async () => {
  const command = run(["proxy", String(origin.port), "--edge", "127.0.0.1:1", "--ephemeral"], { HOME: dir, XDG_CONFIG_HOME: "" });
  running.push(command);
  await until("the table", () => /The way to 127\.0\.0\.1[\s\S]*tcp-1 +FAIL[\s\S]*outgoing TCP/.test(command.stderr()));
  expect(command.stdout()).toBe("");
});

it("ends by itself after the first answered request, or when its time is up", async () => {
  const once = proxy(["--once"]);
  const { host } = new URL(await urlOf(once));
  expect((await ask(edge.httpPort, { host })).text).toBe("fine");
  expect(await once.exited).toBe(0);
  const brief = proxy(["--expire", "500ms"]);
  await urlOf(brief);
  expect(await brief.exited).toBe(0);
});

it("leads to several servers by path", async () => {
  const second = await startOrigin((request, response) => response.end(`second ${request.url}`));
  try {
    const command = proxy([`/viber=http://127.0.0.1:${second.port}/hook`]);
    const { host } = new URL(await urlOf(command));
    expect((await ask(edge.httpPort, { host, path: "/viber/x?y" })).text).toBe("second /hook/x?y");
    expect((await ask(edge.httpPort, { host, path: "/" })).text).toBe("fine");
  } finally {
    await second.close();
  }
});
