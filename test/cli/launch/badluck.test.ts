/** Bad input and bad luck, through the bundle's own command line: a clear error, and nothing lost or half done. */
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { StatusData } from "../../../cli/events.ts";
import { startEdge, type RunningEdge } from "../../../edge/index.ts";
import { airy, startAiry, type Ended, type Line } from "../../support/airy.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";
import { rememberPorts } from "../../support/ports.ts";

const minutes = 60_000;
const sandbox = ["up", "--sandbox", "--yes", "--engine", "embedded"];
let scope: LeakScope;
const opened: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  scope = await openLeakScope("badluck");
});

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
  const destroyed = await airy(scope, ["destroy", "--yes", "--no-backup"]);
  expect(destroyed.code, destroyed.stderr).toBe(0);
  expect(await scope.settled()).toEqual([]);
  await scope.close();
}, minutes);

const inWorkspace = (name: string): string => path.join(scope.workspace, name);
const step = (id: string, state: string) => (line: Line) => line.type === "step" && line.id === id && line.state === state;

async function agent(): Promise<{ pid: number; build: string }> {
  return JSON.parse(await readFile(inWorkspace(".airy/agent.json"), "utf8")) as { pid: number; build: string };
}

function succeeded(run: Ended): StatusData {
  expect(run, `${run.stderr}${run.stdout}`).toMatchObject({ code: 0, envelope: { status: "ok", error: null } });
  return run.envelope.data as StatusData;
}

function failed(run: Ended, code: string, exit: number): NonNullable<Ended["envelope"]["error"]> {
  expect(run, `${run.stderr}${run.stdout}`).toMatchObject({ code: exit, envelope: { status: "error", error: { code } } });
  return run.envelope.error!;
}

async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as net.AddressInfo).port;
}

async function openEdge(dir: string, port = 0): Promise<RunningEdge> {
  return startEdge({
    domain: "tunnel.localhost",
    ssh: { host: "127.0.0.1", port },
    http: { host: "127.0.0.1", port: 0 },
    admin: null,
    dataDir: path.join(scope.root, dir),
    hostKey: null,
    publicPort: null,
    log: () => {},
  });
}

/** A Graph API that answers every call alike. */
function graph(status: number, body: object): Promise<number> {
  return listen(http.createServer((_, res) => res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))));
}

describe("bad input changes nothing", () => {
  test("an airy.yaml with a mistake: file, line and key are named", async () => {
    await writeFile(inWorkspace("airy.yaml"), "edge: somewhere\ncomponents:\n  sources:\n    facebok: 1\n");
    const error = failed(await airy(scope, sandbox), "CONFIG_INVALID", 4);
    expect(error.details).toMatchObject({ file: inWorkspace("airy.yaml"), line: 4, key: "components.sources.facebok" });
    expect(await readdir(scope.workspace)).toEqual(["airy.yaml"]);
  });

  test("a half configured Facebook app names what is missing", async () => {
    const error = failed(await airy(scope, ["up", "--yes", "--engine", "embedded"], { FACEBOOK_APP_ID: "1" }), "SECRET_MISSING", 3);
    expect(error.details).toMatchObject({ missing: ["appSecret"], variables: ["FACEBOOK_APP_SECRET"] });
  });

  test("a port that was asked for and is taken: its holder is named", async () => {
    const port = await listen(net.createServer());
    const error = failed(await airy(scope, [...sandbox, "--port", String(port)]), "PORT_TAKEN", 11);
    expect(error.details).toMatchObject({ port, holder: expect.stringContaining(`pid ${process.pid}`) });
  });

  test("an edge that nobody answers for", async () => {
    const server = net.createServer();
    const port = await listen(server);
    await opened.pop()!();
    const error = failed(await airy(scope, ["up", "--yes", "--engine", "embedded", "--edge", `127.0.0.1:${port}`]), "SSH_UNREACHABLE", 20);
    expect(error.details).toMatchObject({ edge: `127.0.0.1:${port}` });
    expect(error.actions).toContain("airy up --sandbox");
  });

  test("an edge that airy.yaml alone names is not connected to; the flag or the environment confirms it", async () => {
    let met = 0;
    const port = await listen(net.createServer((socket) => void ((met += 1), socket.destroy())));
    await writeFile(inWorkspace("airy.yaml"), `edge: 127.0.0.1:${port}\n`);
    const up = ["up", "--yes", "--engine", "embedded"];
    const error = failed(await airy(scope, up), "EDGE_UNCONFIRMED", 3);
    expect(error.actions[0]).toContain(`airy up --edge 127.0.0.1:${port} `);
    expect(met).toBe(0);
    failed(await airy(scope, up, { AIRY_EDGE: `127.0.0.1:${port}` }), "SSH_UNREACHABLE", 20);
    expect(met).toBeGreaterThan(0);
    // It was never really met, so it still is a stranger.
    failed(await airy(scope, up), "EDGE_UNCONFIRMED", 3);
    await writeFile(inWorkspace(".airy/known_edges"), `[127.0.0.1]:${port} ssh-ed25519 AAAA\n`);
    failed(await airy(scope, up), "SSH_UNREACHABLE", 20);
  });

  test.each([
    ["of an edge that is not ours", ["--edge", "127.0.0.1:1"], "ssh-ed25519 AAAA"],
    ["that are none", ["--sandbox"], "ssh-ed25519 nonsense!"],
  ])("keys %s are refused by name", async (_, flags, text) => {
    await writeFile(path.join(scope.root, "keys"), `# a comment\n${text}\n`);
    const error = failed(await airy(scope, ["up", "--yes", ...flags, "--edge-keys", "../keys"]), "INVALID_ARGUMENT", 2);
    expect(error.details.reason).toContain("--edge-keys ../keys");
  });

  test("commands where nothing is, is no error but for those that need something", async () => {
    expect(await airy(scope, ["status"])).toMatchObject({ code: 30, envelope: { status: "ok", data: { state: "stopped" } } });
    expect(await airy(scope, ["down"])).toMatchObject({ code: 0 });
    expect(await airy(scope, ["logs"])).toMatchObject({ code: 0 });
    failed(await airy(scope, ["trigger", "message"]), "NOT_RUNNING", 13);
    expect(await readdir(scope.workspace)).toEqual([]);
  });
});

describe("interrupted starts", () => {
  beforeEach(() => rememberPorts(scope.workspace));

  test.each([
    ["SIGINT", 130, step("platform", "running")],
    ["SIGTERM", 143, step("platform", "done")],
    ["SIGHUP", 129, step("webhook", "running")],
  ] as const)(
    "%s ends the start with %i and leaves nothing running; up again works",
    async (signal, exit, moment) => {
      const starting = startAiry(scope, sandbox);
      await starting.line(moment);
      starting.kill(signal);
      failed(await starting.ended, "INTERRUPTED", exit);
      expect(await scope.settled()).toEqual([]);
      succeeded(await airy(scope, sandbox));
    },
    2 * minutes,
  );

  test(
    "a second up while one is starting is told so; both end well",
    async () => {
      const first = startAiry(scope, sandbox);
      await first.line(step("platform", "running"));
      const error = failed(await airy(scope, sandbox), "LOCKED", 14);
      expect(error.details).toMatchObject({ pid: first.pid, command: "up" });
      failed(await airy(scope, ["down"]), "LOCKED", 14);
      succeeded(await first.ended);
    },
    2 * minutes,
  );

  test.each([
    ["while services start", step("platform", "running")],
    ["when the services run", step("platform", "done")],
    ["when the tunnel is open", step("tunnel", "done")],
  ])(
    "agent process killed %s: the launcher says so; up again works",
    async (_, moment) => {
      const starting = startAiry(scope, sandbox);
      await starting.line(moment);
      process.kill((await agent()).pid, "SIGKILL");
      const ended = await starting.ended;
      if (ended.code !== 0) failed(ended, "AGENT_EXITED", 13);
      succeeded(await airy(scope, sandbox));
    },
    2 * minutes,
  );
});

describe("what is there already", () => {
  beforeEach(() => rememberPorts(scope.workspace));

  test(
    "another mode and another engine are refused while it runs; a plain up joins what runs",
    async () => {
      const first = succeeded(await airy(scope, sandbox));
      failed(await airy(scope, ["up", "--yes", "--edge", "127.0.0.1:1"]), "MODE_CONFLICT", 14);
      failed(await airy(scope, ["up", "--yes", "--engine", "docker"]), "ENGINE_CONFLICT", 14);
      expect(succeeded(await airy(scope, ["up", "--yes"]))).toMatchObject({
        control: first.control,
        tunnel: { since: first.tunnel?.since },
      });
    },
    2 * minutes,
  );

  test(
    "an agent process of another build is replaced, under the same URL",
    async () => {
      const first = succeeded(await airy(scope, sandbox));
      const before = await agent();
      await writeFile(inWorkspace(".airy/agent.json"), JSON.stringify({ ...before, build: "000000000000" }));
      const second = succeeded(await airy(scope, sandbox));
      expect((await agent()).pid).not.toBe(before.pid);
      expect(second.tunnel?.url).toBe(first.tunnel?.url);
    },
    2 * minutes,
  );

  test(
    "a name that another client with the key took is taken back by up, which says so",
    async () => {
      const first = succeeded(await airy(scope, sandbox));
      const ports = (JSON.parse(await readFile(inWorkspace(".airy/state.json"), "utf8")) as { ports: { edgeSsh: number } }).ports;
      const identity = ["--identity", inWorkspace(".airy/identity")];
      const other = startAiry(scope, ["proxy", "9", "--edge", `127.0.0.1:${ports.edgeSsh}`, ...identity]);
      opened.push(async () => other.kill("SIGKILL"));
      const closed = async (): Promise<unknown> => ((await airy(scope, ["status"])).envelope.data as StatusData).tunnel;
      await expect.poll(closed, { timeout: 30_000 }).toMatchObject({ state: "closed", reason: "TAKEN_OVER" });
      const plan = await airy(scope, ["up", "--yes", "--dry-run"]);
      expect(plan.envelope.data).toMatchObject({ steps: expect.arrayContaining([expect.objectContaining({ id: "stop" })]) });

      // The sandbox's edge ends with its agent process; the other client, if it lives, takes the name at the new one again.
      other.kill("SIGKILL");
      await other.ended;
      const again = await airy(scope, sandbox);
      expect(succeeded(again)).toMatchObject({ state: "running", tunnel: { state: "open", url: first.tunnel?.url } });
      expect(again.envelope.warnings).toEqual([expect.objectContaining({ code: "TAKEN_OVER" })]);
    },
    2 * minutes,
  );

  test(
    "the agent process ends properly on SIGTERM",
    async () => {
      succeeded(await airy(scope, sandbox));
      process.kill((await agent()).pid, "SIGTERM");
      expect(await scope.settled(15_000)).toEqual([]);
      expect(await airy(scope, ["status"])).toMatchObject({ code: 30 });
    },
    2 * minutes,
  );

  test(
    "a database that cannot start: its last lines are in the error, and nothing is left running",
    async () => {
      succeeded(await airy(scope, sandbox));
      succeeded(await airy(scope, ["down"]));
      const [data] = (await readdir(inWorkspace(".airy"), { recursive: true })).filter(
        (name) => name.endsWith("PG_VERSION") && !name.includes("base"),
      );
      const control = path.join(inWorkspace(".airy"), path.dirname(data!), "global/pg_control");
      await rename(control, `${control}.away`);
      const run = await airy(scope, sandbox);
      expect(run.code).toBe(13);
      expect(JSON.stringify(run.envelope.error)).toContain("pg_control");
      expect(await scope.settled()).toEqual([]);
      await rename(`${control}.away`, control);
      succeeded(await airy(scope, sandbox));
    },
    2 * minutes,
  );
});

describe("an edge and a Facebook that are not ours", () => {
  beforeEach(() => rememberPorts(scope.workspace));

  const up = (edge: RunningEdge, env: Record<string, string> = {}): Promise<Ended> =>
    airy(scope, ["up", "--yes", "--engine", "embedded", "--edge", `127.0.0.1:${edge.sshPort}`], env);

  test(
    "without credentials: ready, the webhook unconfigured, a warning",
    async () => {
      const edge = await openEdge("edge");
      opened.push(() => edge.close(0));
      const run = await up(edge);
      expect(succeeded(run)).toMatchObject({ state: "running", webhooks: [{ state: "unconfigured", callbackUrl: null }] });
      expect(run.envelope.warnings).toEqual([expect.objectContaining({ code: "WEBHOOK_UNCONFIGURED" })]);
      await airy(scope, ["down"]);
    },
    2 * minutes,
  );

  test(
    "an edge that shows another host key is not connected to",
    async () => {
      const first = await openEdge("first");
      succeeded(await up(first));
      succeeded(await airy(scope, ["down"]));
      const { sshPort } = first;
      await first.close(0);
      const second = await openEdge("second", sshPort);
      opened.push(() => second.close(0));
      failed(await up(second), "HOST_KEY_CHANGED", 20);
      expect((await scope.leaks()).filter((leak) => leak.startsWith("process"))).toEqual([]);
    },
    2 * minutes,
  );

  test(
    "Facebook refuses the app: its words, and no secret anywhere",
    async () => {
      const edge = await openEdge("edge");
      opened.push(() => edge.close(0));
      const port = await graph(400, {
        error: { message: "Error validating application.", type: "OAuthException", code: 101, fbtrace_id: "T" },
      });
      const env = {
        FACEBOOK_APP_ID: "1234567890",
        FACEBOOK_APP_SECRET: "canary-app-secret",
        FACEBOOK_WEBHOOK_SECRET: "canary-verify-token",
        AIRY_GRAPH_URL: `http://127.0.0.1:${port}`,
      };
      const run = await up(edge, env);
      const error = failed(run, "FB_APP_UNKNOWN", 4);
      expect(JSON.stringify(error)).toContain("Error validating application");
      expect((await scope.leaks()).filter((leak) => leak.startsWith("process"))).toEqual([]);
      const files = (await readdir(inWorkspace(".airy"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
      const readable = files.filter(({ name }) => /\.(log|ndjson|json)$/.test(name) && name !== "secrets.json");
      const texts = await Promise.all(readable.map((entry) => readFile(path.join(entry.parentPath, entry.name), "utf8")));
      for (const text of [run.stdout, run.stderr, ...texts]) expect(text).not.toContain("canary");
    },
    2 * minutes,
  );

  test(
    "a Facebook that never answers: not ready in time, and nothing is left running",
    async () => {
      const edge = await openEdge("edge");
      opened.push(() => edge.close(0));
      const silent = new Set<net.Socket>();
      const port = await listen(net.createServer((socket) => silent.add(socket)));
      opened.push(async () => silent.forEach((socket) => socket.destroy()));
      const env = { FACEBOOK_APP_ID: "1234567890", FACEBOOK_APP_SECRET: "app-secret", AIRY_GRAPH_URL: `http://127.0.0.1:${port}` };
      const start = ["up", "--yes", "--engine", "embedded", "--edge", `127.0.0.1:${edge.sshPort}`];
      // So long as a slow machine needs to come to the webhook.
      for (let seconds = 8; ; seconds *= 2) {
        const run = await airy(scope, [...start, "--timeout", String(seconds)], env);
        const { details } = failed(run, "READY_TIMEOUT", 13);
        expect((await scope.leaks()).filter((leak) => leak.startsWith("process"))).toEqual([]);
        if (details.waitingFor !== "webhook" && seconds < 64) continue;
        expect(details).toMatchObject({ seconds, waitingFor: "webhook" });
        return;
      }
    },
    4 * minutes,
  );

  test(
    "secrets are in nobody's arguments or environment",
    async () => {
      succeeded(await airy(scope, sandbox));
      const secrets = JSON.parse(await readFile(inWorkspace(".airy/secrets.json"), "utf8")) as {
        databasePassword: string;
        sandbox: Record<string, string>;
      };
      const { pid } = await agent();
      const seen = await Promise.all(["cmdline", "environ"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8")));
      const { appSecret, pageToken, commandToken } = secrets.sandbox;
      for (const secret of [secrets.databasePassword, appSecret, pageToken, commandToken]) {
        expect(secret).toMatch(/.{20}/);
        expect(seen.join()).not.toContain(secret);
      }
    },
    2 * minutes,
  );
});

test("a dry run shows the plan and makes nothing, not even its folder", async () => {
  const dir = path.join(scope.root, "not/there");
  const run = await airy(scope, [...sandbox, "--dry-run", "--workspace", dir]);
  expect(run.code, run.stderr).toBe(0);
  const { steps, engine, ports } = run.envelope.data as { steps: { id: string }[]; engine: string; ports: object };
  expect(steps.map(({ id }) => id)).toEqual(["platform", "tunnel", "probe", "page", "webhook"]);
  expect([engine, Object.keys(ports).sort()]).toEqual(["embedded", ["edgeHttp", "edgeSsh", "facebook", "platform"]]);
  await expect(readdir(path.dirname(dir))).rejects.toMatchObject({ code: "ENOENT" });
  failed(await airy(scope, [...sandbox, "--dry-run", "--edge", "x"]), "INVALID_ARGUMENT", 2);
});

test("a workspace named by --workspace is made where it does not exist", async () => {
  const dir = path.join(scope.root, "new/place");
  await mkdir(path.dirname(dir));
  failed(await airy(scope, [...sandbox, "--workspace", dir, "--edge", "x"]), "INVALID_ARGUMENT", 2);
  expect(await readdir(dir)).toEqual([".airy", "airy.yaml"]);
});

test(
  "an agent process that is halted is not called stopped, nobody waits long for it, and up replaces it",
  { timeout: 2 * minutes },
  async () => {
    succeeded(await airy(scope, sandbox));
    const { pid } = await agent();
    process.kill(pid, "SIGSTOP");
    const status = await airy(scope, ["status"]);
    expect(status).toMatchObject({ code: 31, envelope: { status: "ok", data: { state: "degraded", engine: "embedded", sandbox: true } } });
    expect(status.envelope.warnings).toEqual([
      expect.objectContaining({ code: "AGENT_SILENT", message: expect.stringContaining(`pid ${pid}`) }),
    ]);
    for (const command of [
      ["trigger", "message"],
      ["replay", "--dead"],
    ]) {
      expect(failed(await airy(scope, command), "AGENT_SILENT", 13).details).toMatchObject({ pid });
    }
    succeeded(await airy(scope, sandbox));
    expect((await agent()).pid).not.toBe(pid);
    succeeded(await airy(scope, ["trigger", "message"]));
  },
);
