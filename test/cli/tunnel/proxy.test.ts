/** `airy-proxy` as a process: what it prints, what its control API says, how it ends. */
import { mkdtemp, readFile, readdir, rm, stat } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ask, openEdge, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";
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

interface Record {
  pid: number;
  port: number;
  token: string;
}
async function recordOf(): Promise<Record> {
  const folder = path.join(dir, "state/airy");
  let name: string | undefined;
  await until("the record", async () => {
    name = (await readdir(folder).catch(() => [])).find((one) => /^proxy-[a-z2-7]{10}\.json$/.test(one));
    return name !== undefined;
  });
  const file = path.join(folder, name!);
  expect((await stat(file)).mode & 0o077).toBe(0);
  return JSON.parse(await readFile(file, "utf8")) as Record;
}

function control(port: number, target: string, headers: { [name: string]: string } = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: "127.0.0.1", port, path: target, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode!, text }));
    });
    request.on("error", reject);
  });
}

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

it("has a control API for its owner alone", async () => {
  const command = proxy();
  const url = await urlOf(command);
  const { host } = new URL(url);
  const { port, token, pid } = await recordOf();
  expect(pid).toBe(command.child.pid);
  const mine = { authorization: `Bearer ${token}` };

  expect((await control(port, "/state")).status).toBe(401);
  expect((await control(port, "/state", { authorization: "Bearer x" })).status).toBe(401);
  expect((await control(port, "/state", { ...mine, host: "evil.example" })).status).toBe(403);
  expect((await control(port, "/state", { ...mine, host: `evil.example:${port}` })).status).toBe(403);
  expect((await control(port, "/nothing", mine)).status).toBe(404);

  const state = JSON.parse((await control(port, "/state", mine)).text) as { state: string; tunnel: { url: string; state: string } };
  expect(state).toMatchObject({ state: "running", tunnel: { url, state: "open" } });
  for (let i = 0; i < 3; i++) await ask(edge.httpPort, { host, path: `/${i}?token=secret` });
  await until("the requests", async () => (await control(port, "/requests", mine)).text.includes('"/2"'));
  const { requests } = JSON.parse((await control(port, "/requests", mine)).text) as { requests: { path: string; status: number }[] };
  expect(requests.map((one) => [one.path, one.status])).toEqual([
    ["/2", 200],
    ["/1", 200],
    ["/0", 200],
  ]);

  // Events are told from the beginning, and as they come.
  const events: { type: string; seq: number }[] = [];
  const stream = http.get({ host: "127.0.0.1", port, path: "/events?since=0", headers: mine, agent: false }, (response) => {
    let rest = "";
    response.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop()!;
      for (const line of lines) events.push(JSON.parse(line) as { type: string; seq: number });
    });
  });
  stream.on("error", () => {});
  await until("three requests", () => events.filter(({ type }) => type === "request").length === 3);
  await ask(edge.httpPort, { host, path: "/live" });
  await until("the live one", () => events.filter(({ type }) => type === "request").length === 4);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 1));
  expect(events.some(({ type }) => type === "tunnel")).toBe(true);
  stream.destroy();

  const stop = http.request({ host: "127.0.0.1", port, path: "/stop", method: "POST", headers: mine, agent: false });
  stop.on("error", () => {});
  stop.end();
  expect(await command.exited).toBe(0);
  expect(await readdir(path.join(dir, "state/airy"))).not.toContain(expect.stringMatching(/\.json$/));
});

it("that is taken over ends with an error that says so, and leaves the record of the newer one alone", async () => {
  const first = proxy();
  await urlOf(first);
  const second = proxy();
  await urlOf(second);
  expect(await first.exited).toBe(20);
  expect(first.stderr()).toMatch(/TAKEN_OVER|Another client with the same key/);
  const { pid, port, token } = await recordOf();
  expect(pid).toBe(second.child.pid);
  expect((await control(port, "/state", { authorization: `Bearer ${token}` })).status).toBe(200);
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
  expect(lines.slice(0, -1).every(({ type }) => type === "tunnel" || type === "request")).toBe(true);
});

it.each([
  ["no target", []],
  ["a target that is none", ["proxy", "nonsense"]],
  ["a port that is none", ["proxy", "70000"]],
  ["a path without a slash", ["proxy", "3000", "--path", "facebook"]],
])("with %s explains itself and ends with 2", async (_what, args) => {
  const command = run(args.length === 0 ? ["proxy"] : args, { XDG_CONFIG_HOME: dir, XDG_STATE_HOME: dir });
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
