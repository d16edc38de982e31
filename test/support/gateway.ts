/** The gateway of the Core edition in this machine's nginx, as the container of its image runs it. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import type { Profile } from "../../cli/config/core.ts";
import { gatewayFiles } from "../../cli/platform/compose/core/gateway.ts";
import { freePorts } from "../cli/platform/compose/spec.ts";

export const hasNginx = !(process.env.AIRY_TEST_WITHOUT ?? "").split(" ").includes("nginx");
export const GATE_TOKEN = "gate-token-of-this-test";

export interface Gateway {
  main: number;
  health: number;
  controller: number;
  close(): Promise<void>;
}

/** @param upstreams service -> `host:port`. */
export async function startGateway(
  profiles: readonly Profile[],
  upstreams: ReadonlyMap<string, string>,
  { hosts = [], origins = [] }: { hosts?: string[]; origins?: string[] } = {},
): Promise<Gateway> {
  const dir = mkdtempSync(path.join(os.tmpdir(), "airy-gateway-"));
  const [main = 0, health = 0, controller = 0] = await freePorts(3);
  const files = gatewayFiles({
    profiles,
    gateToken: GATE_TOKEN,
    hosts,
    origins,
    files: dir,
    tmp: dir,
    accessLog: "/dev/null",
    listen: [`127.0.0.1:${main}`, `127.0.0.1:${health}`, `127.0.0.1:${controller}`],
    upstreams,
  });
  for (const [name, text] of files) writeFileSync(path.join(dir, name), text);
  const conf = ["-p", dir, "-c", path.join(dir, "nginx.conf")];
  execFileSync("nginx", [...conf, "-t", "-q"], { stdio: ["ignore", "inherit", "pipe"] });
  const nginx = spawn("nginx", [...conf, "-g", "daemon off;"], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => nginx.once("exit", () => resolve()));
  while (nginx.exitCode === null && !(await answers(health))) await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    main,
    health,
    controller,
    async close() {
      nginx.kill("SIGTERM");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    http.get({ host: "127.0.0.1", port }, (answer) => answer.resume().on("end", () => resolve(true))).on("error", () => resolve(false));
  });
}
