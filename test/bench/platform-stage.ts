/** Where the platform's bench runs: each engine's service and database, and what is to be known of them. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { build } from "esbuild";
import { startPostgres } from "../support/postgres.ts";

export interface Stage {
  engine: "embedded" | "docker";
  databaseUrl: string;
  app: { appId: string; appSecret: string };
  page: string;
  port: number;
  /** Resident memory of the service, MB. */
  memory(): number;
  /** Ends the service and starts it again; seconds until it is healthy. */
  restart(): Promise<number>;
  /** MB; null where the engine has none. */
  imageSize: number | null;
  close(): Promise<void>;
}

const memoryOf = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;

/** The service as a process of its own, so that its memory is its own, on the Postgres that the embedded engine brings. */
export async function embeddedStage(): Promise<Stage> {
  const given = process.env.AIRY_BENCH_DATABASE;
  const postgres = given ? null : await startPostgres();
  const databaseUrl = given ?? (await postgres!.createDatabase());
  const app = { appId: "1234567890123456", appSecret: "bench_secret" };
  const built = path.join(os.tmpdir(), `airy-bench-platform-${process.pid}.mjs`);
  await build({
    entryPoints: [path.join(import.meta.dirname, "platform-service.ts")],
    outfile: built,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["pg-native"],
    logLevel: "error",
    banner: {
      js: 'import { createRequire as __r } from "node:module"; const require = __r(import.meta.url); const __dirname = import.meta.dirname; const __filename = import.meta.filename;',
    },
  });

  async function start() {
    const began = performance.now();
    const facebook = { ...app, verifyToken: "bench_verify", graphUrl: "http://127.0.0.1:9" };
    const child = spawn(process.execPath, [built], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, BENCH: JSON.stringify({ databaseUrl, facebook }) },
    });
    const port = await new Promise<number>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => {
        const found = /listening (\d+)/.exec(chunk.toString());
        if (found) resolve(Number(found[1]));
      });
      child.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
    });
    const stop = () =>
      new Promise<void>((resolve) => {
        child.removeAllListeners("exit").once("exit", () => resolve());
        child.kill("SIGTERM");
      });
    return { port, pid: child.pid ?? 0, seconds: (performance.now() - began) / 1_000, stop };
  }

  let service = await start();
  return {
    engine: "embedded",
    databaseUrl,
    app,
    page: "1001",
    get port() {
      return service.port;
    },
    memory: () => memoryOf(service.pid),
    async restart() {
      await service.stop();
      service = await start();
      return service.seconds;
    },
    imageSize: null,
    async close() {
      await service.stop();
      rmSync(built, { force: true });
      await postgres?.close();
    },
  };
}

const docker = (...args: string[]): string => execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/** Whether there is an engine, with the base images of `AIRY_NODE_IMAGE` and `AIRY_POSTGRES_IMAGE` where those are named. */
export function hasDocker(): boolean {
  try {
    docker("compose", "version");
    docker("info");
    for (const name of [process.env.AIRY_NODE_IMAGE, process.env.AIRY_POSTGRES_IMAGE]) if (name) docker("image", "inspect", name);
    return true;
  } catch {
    return false;
  }
}

/** A workspace of `airy up --engine docker`, with its containers. */
export async function dockerStage(): Promise<Stage> {
  const workspace = mkdtempSync(path.join(os.tmpdir(), "airy-bench-docker-"));
  const airy = (...args: string[]) => {
    const bundle = path.resolve(import.meta.dirname, "../../dist/airy.js");
    const state = { XDG_STATE_HOME: path.join(workspace, "home") };
    const text = execFileSync(process.execPath, [bundle, ...args, "--json"], {
      cwd: workspace,
      env: { ...process.env, ...state },
      encoding: "utf8",
    });
    return JSON.parse(text.trim().split("\n").at(-1) ?? "{}") as { data: { platform: { url: string } } };
  };
  const close = async () => {
    airy("destroy", "--yes", "--no-backup");
    rmSync(workspace, { recursive: true, force: true });
  };
  try {
    const { url } = airy("up", "--sandbox", "--yes", "--engine", "docker").data.platform;
    const port = Number(new URL(url).port);
    const secrets = JSON.parse(readFileSync(path.join(workspace, ".airy/secrets.json"), "utf8")) as {
      databasePassword: string;
      sandbox: { appId: string; appSecret: string; pageId: string };
    };
    const container = (service: string): string => {
      const [id = ""] = docker(
        "ps",
        "-q",
        "--filter",
        `label=com.docker.compose.service=${service}`,
        "--filter",
        `label=co.airy.workspace=${workspace}`,
      ).split("\n");
      return id;
    };
    const [platform, postgres] = [container("platform"), container("postgres")];
    const address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", postgres).split(" ")[0];
    return {
      engine: "docker",
      databaseUrl: `postgres://airy:${secrets.databasePassword}@${address}:5432/airy`,
      app: secrets.sandbox,
      page: secrets.sandbox.pageId,
      port,
      memory: () => nodesOf(Number(docker("inspect", "-f", "{{.State.Pid}}", platform))),
      async restart() {
        docker("stop", platform);
        const began = performance.now();
        docker("start", platform);
        await healthy(port);
        return (performance.now() - began) / 1_000;
      },
      imageSize: Number(docker("image", "inspect", "-f", "{{.Size}}", docker("inspect", "-f", "{{.Image}}", platform))) / 1e6,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Process 1 of the container is an init; the service is its child. */
function nodesOf(init: number): number {
  const children = readFileSync(`/proc/${init}/task/${init}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  return children.reduce((sum, pid) => sum + memoryOf(pid), 0);
}

async function healthy(port: number): Promise<void> {
  for (;;) {
    const status = await new Promise<number>((resolve) => {
      http
        .get({ host: "127.0.0.1", port, path: "/health", agent: false }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        })
        .on("error", () => resolve(0));
    });
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
