import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nextFreePort } from "../../../cli/checks/ports.ts";
import { preflight, type CheckResult, type PreflightInput } from "../../../cli/checks/preflight.ts";
import { errorBody } from "../../../cli/errors.ts";
import { freeze } from "../../support/freeze.ts";

let dir: string;
const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-preflight-"));
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await rm(dir, { recursive: true });
});

/** A server that says this to everyone who connects, and its port. */
async function speak(words: string | null): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (words !== null) socket.write(words);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as net.AddressInfo).port;
}

async function check(id: string, input: Partial<PreflightInput> = {}): Promise<CheckResult> {
  const results = await preflight({ workspace: dir, engine: "embedded", ports: [], edge: null, ...input });
  return results.find((result) => result.id === id)!;
}

test("finds nothing wrong in an ordinary place, and changes nothing there", async () => {
  const port = await nextFreePort(0, []);
  const ports = [{ name: "platform", port, fixed: true }];
  const workspace = path.join(dir, "not", "there", "yet");
  const results = await preflight({ workspace, engine: "embedded", ports, edge: null });
  expect(results.map(({ id }) => id)).toEqual(["workspace", "disk", "memory", "tunnel-speed", "loopback", "port-platform"]);
  expect(results.filter(({ status }) => status === "fail")).toEqual([]);
  expect(results[0]?.status).toBe("ok");
  expect(results[1]?.message).toMatch(/\d (GB|MB)/);
  expect(await readdir(dir)).toEqual([]);
});

test("a workspace that is a file's child cannot be used", async () => {
  const result = await check("workspace", { workspace: "/proc/self/nothing" });
  expect(result).toMatchObject({ status: "fail", error: { code: "WORKSPACE_NOT_WRITABLE" } });
});

test("a closed .airy is found out", async (context) => {
  const state = path.join(dir, ".airy");
  await mkdir(state);
  const thaw = await freeze(state);
  if (!thaw) return context.skip("this file system cannot close a folder to root");
  cleanups.push(thaw);
  expect(await check("workspace")).toMatchObject({ status: "fail", error: { code: "WORKSPACE_NOT_WRITABLE" } });
});

test("a port that was asked for and is taken stops the start; one that was not only moves", async () => {
  const port = await speak(null);
  const id = "port-platform";
  const fixed = await check(id, { ports: [{ name: "platform", port, fixed: true }] });
  expect(fixed).toMatchObject({ status: "fail", error: { code: "PORT_TAKEN", details: { port } } });
  expect(fixed.message).toContain(`pid ${process.pid}`);
  expect(await check(id, { ports: [{ name: "platform", port, fixed: false }] })).toMatchObject({ status: "warn" });
});

test("an edge that answers is recognised by its banner, also after other lines and in pieces", async () => {
  const port = await speak("Welcome\r\nSSH-2.0-AiryEdge_1\r\n");
  expect(await check("edge", { edge: { host: "edge.localhost", port } })).toMatchObject({
    status: "ok",
    message: expect.stringContaining("SSH-2.0-AiryEdge_1"),
  });
});

const unreachable: [string, () => Promise<{ host: string; port: number }>, RegExp][] = [
  ["nothing listens", async () => ({ host: "127.0.0.1", port: await nextFreePort(0, []) }), /Nothing listens/],
  ["the name has no address", async () => ({ host: "edge.invalid", port: 22 }), /edge\.invalid/],
  [
    "something else answers",
    async () => ({ host: "127.0.0.1", port: await speak("HTTP/1.1 400 Bad Request\r\n".repeat(400)) }),
    /speak SSH/,
  ],
  ["it says nothing", async () => ({ host: "127.0.0.1", port: await speak(null) }), /did not say/],
];

test.each(unreachable)("an edge is unreachable when %s, and the reason is told", async (_, make, reason) => {
  const result = await check("edge", { edge: await make() });
  expect(result).toMatchObject({ status: "fail", error: { code: "SSH_UNREACHABLE" } });
  expect(result.message).toMatch(reason);
  expect(errorBody(result.error!).category).toBe("tunnel");
});

test.each([
  ["the second version", "memory.max", "memory.current"],
  ["the first version", "memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"],
])("a container's limit counts, by control groups of %s", async (_, limit, used) => {
  await mkdir(path.join(dir, "memory"));
  await writeFile(path.join(dir, limit), "300000000\n");
  await writeFile(path.join(dir, used), "200000000\n");
  expect(await check("memory", { cgroup: dir })).toMatchObject({ status: "warn", message: expect.stringMatching(/Only 95 MB/) });
});

test("the clock is compared with the Graph API's", async () => {
  let ahead = 0;
  const server = http.createServer((_, res) =>
    res
      .setHeader("date", new Date(Date.now() - ahead).toUTCString())
      .writeHead(400)
      .end(),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => server.close());
  const graphUrl = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  expect(await check("clock", { graphUrl })).toMatchObject({ status: "ok" });
  ahead = 10 * 60_000;
  expect(await check("clock", { graphUrl })).toMatchObject({ status: "warn", message: expect.stringMatching(/is 10 minutes ahead of/) });
  ahead = -90_000;
  expect(await check("clock", { graphUrl })).toMatchObject({ message: expect.stringMatching(/(89|90|91) seconds behind/) });
  expect(await check("clock", { graphUrl: `http://127.0.0.1:${await nextFreePort(0, [])}` })).toMatchObject({
    status: "warn",
    message: expect.stringContaining("did not answer"),
  });
});

test("all is looked at side by side, and what hangs costs two seconds once", async () => {
  const hung = await speak(null);
  const began = performance.now();
  const results = await preflight({
    workspace: dir,
    engine: new Promise((resolve) => setTimeout(resolve, 200, "docker")),
    ports: new Promise((resolve) => setTimeout(resolve, 200, [])),
    edge: { host: "127.0.0.1", port: hung },
    graphUrl: `http://127.0.0.1:${hung}`,
  });
  expect(results.filter(({ status }) => status !== "ok").map(({ id }) => id)).toEqual(["edge", "clock"]);
  // One after the other they would be four seconds and more.
  expect(performance.now() - began).toBeLessThan(3_900);
});

test("a local edge is not looked for", async () => {
  expect(await check("edge")).toBeUndefined();
});
