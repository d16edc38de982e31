/** compose/edge: what docker compose makes of it, and where there is an engine, an edge in a container. */
import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { until } from "../support/edge.ts";
import { freeBlock } from "../support/ports.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const hasCompose = spawnSync("docker", ["compose", "version"]).status === 0;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "airy-compose-edge-"));
  cpSync(path.join(root, "compose/edge/compose.yaml"), path.join(dir, "compose/edge/compose.yaml"));
  cpSync(path.join(root, "compose/edge/Dockerfile"), path.join(dir, "compose/edge/Dockerfile"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const compose = (args: string[], env: Record<string, string> = {}) =>
  run("docker", ["compose", "--file", path.join(dir, "compose/edge/compose.yaml"), ...args], { env: { ...process.env, ...env } });

interface Config {
  services: {
    edge: { image: string; ports: { published: string; target: number; host_ip?: string }[]; read_only: boolean; cap_drop: string[] };
  };
}

it.skipIf(!hasCompose)("is valid, and publishes what is public and nothing else", async () => {
  const { services } = JSON.parse((await compose(["config", "--format", "json"])).stdout) as Config;
  const { image, ports, read_only, cap_drop } = services.edge;
  expect([image, read_only, cap_drop]).toEqual(["airy-edge", true, ["ALL"]]);
  expect(ports.map(({ published, target, host_ip = "" }) => `${host_ip}:${published}:${target}`)).toEqual([
    ":22:22",
    ":80:80",
    ":443:443",
    "127.0.0.1:9090:9090",
  ]);
});

it.skipIf(!hasCompose || !process.env.AIRY_TEST_DOCKER)(
  "runs: ready, names, SIGHUP, and nothing is forgotten when the container is made anew",
  async () => {
    const first = await freeBlock();
    const project = `airy-test-edge-${process.pid}`;
    const env = {
      COMPOSE_PROJECT_NAME: project,
      AIRY_EDGE_IMAGE: project,
      AIRY_SSH_PORT: `${first}`,
      AIRY_HTTP_PORT: `${first + 1}`,
      AIRY_HTTPS_PORT: `${first + 2}`,
      AIRY_ADMIN_PORT: `${first + 3}`,
    };
    const settings = path.join(dir, "compose/edge/settings");
    try {
      const node = ["--build-arg", `AIRY_NODE_IMAGE=${process.env.AIRY_NODE_IMAGE ?? "node:22-bookworm-slim"}`];
      await run("docker", ["build", "--tag", project, ...node, "--file", path.join(root, "compose/edge/Dockerfile"), root]);
      await expect(compose(["up", "--detach", "--no-build"], env)).rejects.toThrow(/settings/);
      mkdirSync(settings);
      writeFileSync(path.join(settings, "airy-edge.yaml"), "domain: t.test\nssh: :22\nhttp: :80\n");
      await compose(["up", "--detach", "--no-build"], env);
      const ready = () =>
        fetch(`http://127.0.0.1:${env.AIRY_ADMIN_PORT}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        );
      await until("the edge", ready, 60_000);
      const names = async (...args: string[]) =>
        (await compose(["exec", "--no-TTY", "edge", "node", "/airy/airy.js", "edge", "names", ...args, "--data", "/data"], env)).stdout;
      expect(await names("reserve", "shop")).toContain("reserved");
      await compose(["kill", "--signal", "HUP", "edge"], env);
      await until("the reload", async () => (await compose(["logs"], env)).stdout.includes("SIGHUP"));
      await compose(["up", "--detach", "--no-build", "--force-recreate"], env);
      await until("the edge again", ready, 60_000);
      expect(await names("list")).toContain("shop");
    } finally {
      await compose(["down", "--volumes", "--timeout", "5"], env).catch(() => {});
      await run("docker", ["image", "rm", project]).catch(() => {});
    }
  },
  240_000,
);
