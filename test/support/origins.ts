/** Web servers of Debian as local services. Each writes down the request lines that it has understood. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { until } from "./edge.ts";

export interface WebServer {
  name: string;
  port: number;
  /** Ends it, because some write their log at the end; `METHOD target` of each request. */
  stop(): Promise<string[]>;
}

interface Recipe {
  command: string;
  args: (dir: string) => string[];
  config: (dir: string, port: number) => string;
  /** From the log (or what is written to stdout). */
  requests: (log: string) => string[];
}

const lines = (log: string) => log.split("\n").filter(Boolean);
/** `GET /x HTTP/1.1` */
const fromRequestLines = (log: string) => lines(log).flatMap((line) => /^(\S+) (\S+)(?: |$)/.exec(line)?.slice(1, 3).join(" ") ?? []);

const modules = "/usr/lib/apache2/modules";
const recipes: Record<string, Recipe> = {
  nginx: {
    command: "nginx",
    args: (dir) => ["-p", dir, "-c", `${dir}/config`, "-g", "daemon off;"],
    config: (dir, port) => `
      pid ${dir}/pid; error_log ${dir}/errors; worker_processes 1; events {}
      http {
        client_body_temp_path ${dir}/tmp; proxy_temp_path ${dir}/tmp; fastcgi_temp_path ${dir}/tmp; uwsgi_temp_path ${dir}/tmp; scgi_temp_path ${dir}/tmp;
        log_format plain '$request'; access_log ${dir}/log plain;
        server { listen 127.0.0.1:${port}; location / { return 200 "fine"; } }
      }`,
    requests: fromRequestLines,
  },
  apache2: {
    command: "apache2",
    args: (dir) => ["-X", "-d", dir, "-f", `${dir}/config`],
    config: (dir, port) => `
      LoadModule mpm_event_module ${modules}/mod_mpm_event.so
      LoadModule authz_core_module ${modules}/mod_authz_core.so
      ServerName localhost
      Listen 127.0.0.1:${port}
      PidFile ${dir}/pid
      ErrorLog ${dir}/errors
      DocumentRoot ${dir}/files
      User nobody
      Group nogroup
      LogFormat "%r" plain
      CustomLog ${dir}/log plain\n`,
    requests: fromRequestLines,
  },
  haproxy: {
    command: "haproxy",
    args: (dir) => ["-db", "-f", `${dir}/config`],
    config: (_dir, port) => `
global
  log stdout format raw local0
defaults
  mode http
  log global
  timeout client 10s
  timeout connect 1s
  timeout server 10s
frontend all
  bind 127.0.0.1:${port}
  log-format "%{+E}r"
  http-request return status 200 content-type text/plain string fine\n`,
    requests: (log) => fromRequestLines(log.replaceAll(/^"|"$/gm, "")),
  },
  caddy: {
    command: "caddy",
    args: (dir) => ["run", "--config", `${dir}/config`, "--adapter", "caddyfile"],
    config: (dir, port) =>
      `{\n  admin off\n  auto_https off\n}\nhttp://:${port} {\n  bind 127.0.0.1\n  log {\n    output file ${dir}/log\n  }\n  respond fine\n}\n`,
    requests: (log) =>
      lines(log).flatMap((line) => {
        const { request } = JSON.parse(line) as { request?: { method: string; uri: string } };
        return request ? [`${request.method} ${request.uri}`] : [];
      }),
  },
  lighttpd: {
    command: "lighttpd",
    args: (dir) => ["-D", "-f", `${dir}/config`],
    config: (dir, port) => `
      server.modules = ("mod_accesslog")
      server.document-root = "${dir}/files"
      server.bind = "127.0.0.1"
      server.port = ${port}
      server.errorlog = "${dir}/errors"
      accesslog.filename = "${dir}/log"
      accesslog.format = "%r"\n`,
    requests: fromRequestLines,
  },
};

export const webServers = Object.keys(recipes);

export function hasWebServer(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${recipes[name]?.command}`]).status === 0;
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startWebServer(name: string): Promise<WebServer> {
  const recipe = recipes[name]!;
  const dir = mkdtempSync(path.join(os.tmpdir(), `airy-${name}-`));
  mkdirSync(path.join(dir, "files"), { mode: 0o755 });
  const port = await freePort();
  writeFileSync(path.join(dir, "config"), recipe.config(dir, port));
  const child: ChildProcess = spawn(recipe.command, recipe.args(dir), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: dir },
  });
  let said = "";
  let wrong = "";
  child.stdout!.on("data", (chunk: Buffer) => (said += chunk.toString("latin1")));
  child.stderr!.on("data", (chunk: Buffer) => (wrong += chunk.toString()));
  await until(`${name} to listen`, async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${wrong}`);
    return new Promise((resolve) => {
      const socket = net.connect(port, "127.0.0.1");
      socket.once("connect", () => (socket.destroy(), resolve(true)));
      socket.once("error", () => resolve(false));
    });
  });
  return {
    name,
    port,
    stop: async () => {
      const closed = new Promise((resolve) => child.once("close", resolve));
      child.kill("SIGTERM");
      await closed;
      let log = said;
      try {
        log += readFileSync(path.join(dir, "log"), "latin1");
      } catch {
        // It writes to stdout.
      }
      rmSync(dir, { recursive: true, force: true });
      return recipe.requests(log);
    },
  };
}
