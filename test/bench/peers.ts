/** Real programs of the bench: nginx as origin and as the peer's router, OpenSSH as the peer, wrk as the load. All on loopback. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until something listens there; throws after 10 s. */
export async function listening(port: number): Promise<void> {
  const until = Date.now() + 10_000;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, "127.0.0.1", () => resolve(true));
      socket.once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    if (Date.now() > until) throw new Error(`nothing listens on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Processes of the bench; all are ended by {@link stopAll}. */
const children: ChildProcess[] = [];

export function start(command: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  child.on("error", (error) => {
    throw new Error(`${command} cannot be started (${error.message}); test/run --install installs what the benches need`);
  });
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (tail = (tail + chunk.toString()).slice(-2000)));
  child.on("exit", (code) => {
    if (code) process.stderr.write(`${command} ended with ${code}: ${tail}\n`);
  });
  children.push(child);
  return child;
}

export async function stopAll(): Promise<void> {
  for (const child of children.toReversed()) child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (const child of children.splice(0)) child.kill("SIGKILL");
}

/** An origin that answers at once, serves `/f/`, and takes uploads at `/up`. */
export async function startOrigin(dir: string): Promise<number> {
  const port = await freePort();
  await nginx(
    dir,
    "origin",
    `server { listen 127.0.0.1:${port} backlog=4096; client_max_body_size 0; client_body_buffer_size 128k;
       location / { return 200 "hello\\n"; }
       location /f/ { alias ${dir}/files/; }
       # Reads the whole body before it answers.
       location /up { proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://127.0.0.1:${port}/sink; }
       location /sink { return 200 "ok\\n"; } }`,
  );
  await listening(port);
  return port;
}

/** What a user can assemble today: `ssh -R` to an OpenSSH server, and nginx in front of the forwarded port. */
export async function startOpenSsh(dir: string, originPort: number, sshPortOf: (sshd: number) => Promise<number>): Promise<number> {
  const [sshd, remote, router] = [await freePort(), await freePort(), await freePort()];
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${dir}/host`]);
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${dir}/client`]);
  await run("cp", [`${dir}/client.pub`, `${dir}/authorized`]);
  await mkdir("/run/sshd", { recursive: true }).catch(() => {});
  await writeFile(
    `${dir}/sshd_config`,
    `Port ${sshd}\nListenAddress 127.0.0.1\nHostKey ${dir}/host\nAuthorizedKeysFile ${dir}/authorized\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nAllowTcpForwarding yes\n`,
  );
  start("/usr/sbin/sshd", ["-D", "-e", "-f", `${dir}/sshd_config`]);
  await listening(sshd);
  const port = await sshPortOf(sshd);
  const options = [
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "Ciphers=aes128-gcm@openssh.com",
    "ExitOnForwardFailure=yes",
    "LogLevel=ERROR",
  ];
  const args = ["-N", "-p", String(port), "-i", `${dir}/client`, ...options.flatMap((option) => ["-o", option])];
  start("ssh", [...args, "-R", `127.0.0.1:${remote}:127.0.0.1:${originPort}`, `${os.userInfo().username}@127.0.0.1`]);
  await listening(remote);
  await nginx(
    dir,
    "router",
    `upstream tunnel { server 127.0.0.1:${remote}; keepalive 512; keepalive_requests 10000000; }
     server { listen 127.0.0.1:${router} backlog=4096; client_max_body_size 0;
       location / { proxy_pass http://tunnel; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
                    proxy_request_buffering off; proxy_buffering on; proxy_max_temp_file_size 0; } }`,
  );
  await listening(router);
  return router;
}

async function nginx(dir: string, name: string, server: string): Promise<void> {
  const file = path.join(dir, `${name}.conf`);
  await mkdir(path.join(dir, "tmp"), { recursive: true });
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${dir}/tmp/${name}_${kind};`)
    .join(" ");
  await writeFile(
    file,
    // The folder is private; workers of a root nginx would not get in.
    `${process.getuid?.() === 0 ? "user root;" : ""} worker_processes 1; daemon off; pid ${dir}/${name}.pid; error_log ${dir}/${name}.err; worker_rlimit_nofile 8192;
     events { worker_connections 4096; }
     http { access_log off; keepalive_requests 10000000; ${temp} ${server} }`,
  );
  start("nginx", ["-c", file]);
}

export interface Load {
  /** Requests a second. */
  rate: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

/** Throws when any answer was not 2xx or a connection failed. */
export async function wrk(options: {
  port: number;
  host: string;
  connections: number;
  seconds: number;
  close?: boolean;
  script?: string;
}): Promise<Load> {
  const { port, host, connections, seconds, close, script } = options;
  const headers = ["-H", `Host: ${host}`, ...(close ? ["-H", "Connection: close"] : [])];
  const args = [
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--latency",
    ...headers,
    ...(script ? ["-s", script] : []),
    `http://127.0.0.1:${port}/`,
  ];
  const { stdout } = await run("wrk", args);
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(stdout) ?? /Socket errors: (?!connect 0, read 0, write 0, timeout 0)(.*)/.exec(stdout);
  // wrk counts every connection that the server closes as a read error; with Connection: close that is each.
  if (bad && !(close && !stdout.includes("Non-2xx"))) throw new Error(`wrk: ${bad[0]}`);
  const number = (pattern: RegExp) => pattern.exec(stdout)?.[1] ?? "";
  return {
    rate: Number(number(/Requests\/sec:\s+([\d.]+)/)),
    p50: milliseconds(number(/50%\s+(\S+)/)),
    p99: milliseconds(number(/99%\s+(\S+)/)),
  };
}

function milliseconds(text: string): number {
  const value = Number.parseFloat(text);
  if (text.endsWith("us")) return value / 1000;
  return text.endsWith("ms") ? value : value * 1000;
}

/** MB/s of one transfer with curl; throws unless it was complete. */
export async function transfer(options: { port: number; host: string; bytes: number; upload?: string; target: string }): Promise<number> {
  const { port, host, bytes, upload, target } = options;
  const out = "%{http_code} %{size_download} %{size_upload} %{time_total}";
  const args = [
    "-sS",
    "-o",
    "/dev/null",
    "-w",
    out,
    "-H",
    `Host: ${host}`,
    "-H",
    "Expect:",
    ...(upload ? ["-T", upload] : []),
    `http://127.0.0.1:${port}${target}`,
  ];
  const { stdout } = await run("curl", args);
  const [status, down, up, seconds] = stdout.split(" ").map(Number);
  if (status !== 200 || (upload ? up : down) !== bytes) throw new Error(`transfer: ${stdout}`);
  return bytes / 1e6 / (seconds ?? 1);
}
