import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findEndpoint } from "../../../cli/docker/endpoint.ts";
import { howToStart, knownSockets } from "../../../cli/docker/installed.ts";

let dir: string;
const servers: net.Server[] = [];
const pathBefore = process.env["PATH"];

beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-docker-"));
});

afterEach(async () => {
  process.env["PATH"] = pathBefore;
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true });
});

async function listen(socketPath: string): Promise<void> {
  await mkdir(path.dirname(socketPath), { recursive: true });
  const server = net.createServer((socket) => socket.end());
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
}

async function install(program: string, script: string): Promise<void> {
  await writeFile(path.join(dir, program), `#!/bin/sh\n${script}\n`);
  await chmod(path.join(dir, program), 0o755);
}

test.each([
  ["unix:///home/a/.colima/default/docker.sock", "darwin", "colima start"],
  ["unix:///Users/a/.orbstack/run/docker.sock", "darwin", "open -a OrbStack"],
  ["unix:///Users/a/.rd/docker.sock", "darwin", "rdctl start"],
  ["unix:///run/user/1000/podman/podman.sock", "linux", "systemctl --user start podman.socket"],
  ["unix:///run/user/1000/docker.sock", "linux", "systemctl --user start docker"],
  ["unix:///home/a/.docker/desktop/docker.sock", "linux", "systemctl --user start docker-desktop"],
])("the engine at %s is started as it was installed", async (endpoint, system, expected) => {
  expect(await howToStart(endpoint, { PATH: dir }, system)).toBe(expected);
});

test("without a context the engine that is installed is the one to start", async () => {
  expect(await howToStart("unix:///var/run/docker.sock", { PATH: dir }, "darwin")).toBe("open -a Docker");
  await install("podman", "");
  expect(await howToStart("unix:///var/run/docker.sock", { PATH: dir }, "darwin")).toBe("podman machine start");
  await install("colima", "");
  expect(await howToStart("unix:///var/run/docker.sock", { PATH: `/nowhere:${dir}` }, "darwin")).toBe("colima start");
});

test("an engine that listens elsewhere is found where no context was chosen, and named for the docker client", async () => {
  const env = { HOME: dir, XDG_RUNTIME_DIR: path.join(dir, "run"), PATH: dir } as Record<string, string | undefined>;
  process.env["PATH"] = dir;
  await install("docker", `echo unix://${dir}/usual.sock`);
  const colima = path.join(dir, ".colima/default/docker.sock");
  expect(knownSockets(env, "linux")).toContain(colima);
  await listen(colima);
  expect(await findEndpoint({ ...env, DOCKER_HOST: "tcp://127.0.0.1:1" }, "linux")).toBe("tcp://127.0.0.1:1");
  expect(await findEndpoint(env, "linux", path.join(dir, "usual.sock"))).toBe(`unix://${colima}`);
  expect(env["DOCKER_HOST"]).toBe(`unix://${colima}`);
  await listen(path.join(dir, "usual.sock"));
  expect(await findEndpoint({ ...env, DOCKER_HOST: undefined }, "linux", path.join(dir, "usual.sock"))).toBe(`unix://${dir}/usual.sock`);
});

test("a context that was chosen is not left for another engine", async () => {
  const env = { HOME: dir, XDG_RUNTIME_DIR: path.join(dir, "run") } as Record<string, string | undefined>;
  process.env["PATH"] = dir;
  await listen(path.join(dir, ".colima/default/docker.sock"));
  await install("docker", `echo unix://${dir}/other.sock`);
  expect(await findEndpoint(env, "linux")).toBe(`unix://${dir}/other.sock`);
  expect(env["DOCKER_HOST"]).toBeUndefined();
});

test("podman's docker command has no contexts; its socket is found all the same", async () => {
  const env = { HOME: dir, XDG_RUNTIME_DIR: path.join(dir, "run") } as Record<string, string | undefined>;
  process.env["PATH"] = dir;
  await install("docker", "echo 'Error: unrecognized command `podman context`' >&2; exit 125");
  await listen(path.join(dir, "run/podman/podman.sock"));
  expect(await findEndpoint(env, "linux", path.join(dir, "usual.sock"))).toBe(`unix://${dir}/run/podman/podman.sock`);
});
