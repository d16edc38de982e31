import { spawn } from "node:child_process";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nextFreePort } from "../../../../cli/checks/ports.ts";
import { createHttpClient } from "../../../../cli/io/http.ts";
import type { AiryEventBody } from "../../../../cli/events.ts";
import { createEmbedded } from "../../../../cli/platform/embedded/embedded.ts";
import type { LogLine, Platform, PlatformSpec } from "../../../../cli/platform/platform.ts";
import type { AiryError } from "../../../../cli/errors.ts";
import { loadOrCreateIdentity } from "../../../../cli/tunnel/identity.ts";
import { startTunnel } from "../../../../cli/tunnel/tunnel.ts";
import { openLeakScope, type LeakScope } from "../../../support/leaks.ts";

const get = createHttpClient();
const never = new AbortController().signal;
let scope: LeakScope;
let events: AiryEventBody[];
const emit = (event: AiryEventBody): number => events.push(event);

beforeEach(async () => {
  scope = await openLeakScope("embedded");
  events = [];
});

afterEach(async () => {
  await makeEngine().destroy(scope.workspace, emit);
  const left = await scope.settled();
  await scope.close();
  expect(left).toEqual([]);
});

/** Each stands for a process of its own: it knows nothing but the files. */
function makeEngine(): Platform {
  const kill = (pid: number, signal: NodeJS.Signals): boolean => process.kill(pid, signal);
  const host = { os: process.platform, arch: process.arch, uid: process.getuid?.() ?? null, path: process.env.PATH ?? "", kill };
  return createEmbedded({ host, pid: process.pid, webDir: path.join(scope.root, "web") });
}

async function makeSpec(sandbox: boolean): Promise<PlatformSpec> {
  await mkdir(path.join(scope.root, "web"), { recursive: true });
  await writeFile(path.join(scope.root, "web", "index.html"), "<title>inbox</title>");
  const taken: number[] = [];
  for (let i = 0; i < 4; i++) taken.push(await nextFreePort(0, taken));
  const [platform = 0, edgeSsh = 0, edgeHttp = 0, facebook = 0] = taken;
  const key = await loadOrCreateIdentity(path.join(scope.root, "edge-key"));
  const admitted = await loadOrCreateIdentity(path.join(scope.root, "admitted-key"));
  return {
    workspace: scope.workspace,
    ports: { platform, edgeSsh, edgeHttp, facebook },
    secrets: { databasePassword: "canary-database", verifyToken: "canary-verify" },
    facebook: { appId: "1234567890", appSecret: "canary-secret", graphUrl: `http://127.0.0.1:${facebook}` },
    sandbox: sandbox
      ? {
          domain: "tunnel.localhost",
          edgeHostKey: key.privateKey,
          edgeKeys: admitted.publicKey,
          page: { id: "2345678901", name: "Page", token: "canary-page" },
          commandToken: "canary-command",
        }
      : null,
  };
}

/** What comes of a tunnel to the sandbox's edge with this key: `open`, or the code of the refusal. */
async function tunnelEnds(keyName: string, { ports }: PlatformSpec): Promise<string> {
  const { privateKey } = await loadOrCreateIdentity(path.join(scope.root, keyName));
  const tunnel = startTunnel({
    edge: { host: "127.0.0.1", port: ports.edgeSsh },
    hostKey: { kind: "known", key: (await loadOrCreateIdentity(path.join(scope.root, "edge-key"))).publicKey },
    identity: privateKey,
    target: { host: "127.0.0.1", port: 9 },
    paths: [],
    hold: [],
    holdSigned: true,
    onRefused: "close",
    onStatus: () => {},
    onRequest: () => {},
    log: () => {},
  });
  const ending = await tunnel.opened.then(
    ({ state }) => state as string,
    (error: AiryError) => error.code,
  );
  await tunnel.close();
  return ending;
}

async function linesOf(engine: Platform, service: string | null): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of engine.logs(scope.workspace, { service, tail: 100, follow: false, signal: never })) lines.push(line);
  return lines;
}

test("brings platform, edge and stand-in up, tells another process about it, and takes it all down again", async () => {
  const engine = makeEngine();
  const spec = await makeSpec(true);
  await engine.up(spec, emit, never);

  const names = ["postgres", "platform", "facebook", "edge"];
  const healthy = names.map((name) => ({ name, state: "running", health: "healthy" }));
  expect(await engine.status(scope.workspace)).toEqual(healthy);
  for (const name of names) {
    const states = events.flatMap((event) => (event.type === "service" && event.service.name === name ? [event.service.state] : []));
    // The platform waits for its database.
    expect(states, name).toEqual([...(name === "platform" ? ["created"] : []), "starting", "running"]);
  }

  const { platform, edgeHttp, edgeSsh } = spec.ports;
  const challenge = `http://127.0.0.1:${platform}/facebook?hub.mode=subscribe&hub.verify_token=canary-verify&hub.challenge=4711`;
  expect((await get({ url: challenge })).body.toString()).toBe("4711");
  expect((await get({ url: `http://127.0.0.1:${platform}/` })).body.toString()).toContain("inbox");
  expect((await get({ url: `http://nobody00000.tunnel.localhost:${edgeHttp}/` })).status).toBe(404);
  expect(await bannerOf(edgeSsh)).toMatch(/^SSH-2\.0-/);
  // Everybody on the machine can reach it; a key of one's own is not enough.
  expect(await tunnelEnds("admitted-key", spec)).toBe("open");
  expect(await tunnelEnds("key-of-another", spec)).toBe("SSH_AUTH");

  const other = makeEngine();
  expect(new Set(await other.status(scope.workspace))).toEqual(new Set(healthy));
  expect((await linesOf(other, "edge")).every((line) => line.service === "edge" && line.at !== null)).toBe(true);
  expect((await linesOf(other, null)).map((line) => line.service)).toEqual(expect.arrayContaining(["postgres", "edge"]));

  const before = events.length;
  await engine.up(spec, emit, never);
  expect(events).toHaveLength(before);

  await engine.down(scope.workspace, emit);
  expect(events.slice(before).map((event) => event.type === "service" && `${event.service.name} ${event.service.state}`)).toEqual(
    ["edge", "facebook", "platform", "postgres"].map((name) => `${name} exited`),
  );
  expect(await engine.status(scope.workspace)).toEqual([]);
  expect(await scope.settled()).toEqual([]);
});

test("keeps messages over down and up, and destroy removes them", async () => {
  const spec = await makeSpec(false);
  const engine = makeEngine();
  await engine.up(spec, emit, never);
  const data = path.join(scope.workspace, ".airy", "postgres", "data", "PG_VERSION");
  const made = (await readFile(data, "utf8")).trim();
  await engine.down(scope.workspace, emit);
  await engine.up(spec, emit, never);
  expect((await readFile(data, "utf8")).trim()).toBe(made);
  expect((await engine.status(scope.workspace)).map((service) => service.name)).toEqual(["postgres", "platform"]);
  await engine.destroy(scope.workspace, emit);
  await expect(access(path.join(scope.workspace, ".airy", "postgres"))).rejects.toThrow();
  await expect(access(path.join(scope.workspace, ".airy", "edge"))).rejects.toThrow();
});

test("a taken port names its holder and leaves nothing running", async () => {
  const spec = await makeSpec(true);
  const squatter = http.createServer().listen(spec.ports.edgeHttp, "127.0.0.1");
  await new Promise((resolve) => squatter.once("listening", resolve));
  const engine = makeEngine();
  await expect(engine.up(spec, emit, never)).rejects.toMatchObject({
    code: "PORT_TAKEN",
    details: { port: spec.ports.edgeHttp, service: "edge", holder: expect.stringContaining(`pid ${process.pid}`) },
  });
  await new Promise((resolve) => squatter.close(resolve));
  expect(await scope.settled()).toEqual([]);
  await engine.up(spec, emit, never);
  await engine.down(scope.workspace, emit);
});

test("given up during the start, it stops what it had begun", async () => {
  const giveUp = new AbortController();
  const engine = makeEngine();
  const spec = await makeSpec(true);
  const starting = engine.up(
    spec,
    (event) => {
      emit(event);
      if (event.type === "service" && event.service.name === "edge" && event.service.state === "running") giveUp.abort(new Error("enough"));
    },
    giveUp.signal,
  );
  await expect(starting).rejects.toThrow("enough");
  expect(await scope.settled()).toEqual([]);
});

test("no secret gets into logs, events or the record", async () => {
  const spec = await makeSpec(true);
  const engine = makeEngine();
  await engine.up(spec, emit, never);
  await get({ url: `http://127.0.0.1:${spec.ports.platform}/facebook?hub.mode=subscribe&hub.verify_token=canary-verify&hub.challenge=1` });
  await engine.down(scope.workspace, emit);
  const text = JSON.stringify([await linesOf(engine, null), events]);
  expect(text).not.toContain("canary-");
});

test("follows logs until told to stop", async () => {
  const file = path.join(scope.workspace, ".airy", "logs", "platform.log");
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, "2026-01-01T00:00:00.000Z one\n2026-01-01T00:00:01.000Z two\n");
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const line of makeEngine().logs(scope.workspace, { service: "platform", tail: 1, follow: true, signal: stop.signal })) {
    seen.push(line.line);
    if (seen.length === 1) await writeFile(file, "2026-01-01T00:00:02.000Z thr", { flag: "a" });
    if (seen.length === 1) setTimeout(() => void writeFile(file, "ee\n", { flag: "a" }), 400);
    if (seen.length === 2) stop.abort();
  }
  expect(seen).toEqual(["two", "three"]);
});

test("down stops a database whose agent process was killed", async () => {
  const spec = await makeSpec(false);
  const engine = makeEngine();
  await engine.up(spec, emit, never);
  await engine.down(scope.workspace, emit);
  const data = path.join(scope.workspace, ".airy", "postgres", "data");
  const { findFooting } = await import("../../../../cli/platform/embedded/footing.ts");
  const base = path.dirname(data);
  const host = { os: process.platform, arch: process.arch, uid: process.getuid?.() ?? null, path: process.env.PATH ?? "" };
  const footing = await findFooting({ base, ...host });
  const [file, ...args] = [
    ...footing.prefix,
    path.join(footing.binaries.native, "bin/postgres"),
    "-D",
    data,
    "-p",
    `${spec.ports.facebook}`,
  ];
  const orphan = spawn(file!, [...args, "-c", "unix_socket_directories="], { stdio: "ignore", detached: true, cwd: "/" });
  const gone = new Promise((resolve) => orphan.once("exit", resolve));
  await expect.poll(async () => (await readFile(path.join(data, "postmaster.pid"), "utf8").catch(() => "")).includes("ready")).toBe(true);
  await makeEngine().down(scope.workspace, emit);
  await gone;
});

function bannerOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("error", reject);
    socket.once("data", (chunk) => {
      socket.destroy();
      resolve(chunk.toString());
    });
  });
}
