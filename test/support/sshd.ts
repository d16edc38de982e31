/** Debian's own sshd on a port of its own, and nginx in front of what it forwards, as the documentation has them. */
import { spawn, execFileSync, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { newKey, until } from "./edge.ts";

export interface Sshd extends AsyncDisposable {
  dir: string;
  user: string;
  port: number;
  /** Public host key, `ssh-ed25519 AAAA...`. */
  hostKey: string;
  /** Private key of somebody who may log in. */
  identity: string;
  /** Port that it may listen on for clients, and what is allowed. */
  remotePort: number;
  /** Ends it with all its connections. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const documentation = path.resolve(import.meta.dirname, "../../docs/airy-proxy.md");

export async function startSshd(): Promise<Sshd> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-sshd-"));
  const [port, remotePort] = [await freePort(), await freePort()];
  const client = newKey();
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${dir}/host`]);
  const options = /^(restrict\S+) ssh-ed25519/m.exec(await readFile(documentation, "utf8"))?.[1] ?? "";
  await writeFile(`${dir}/authorized`, `${options.replaceAll("8080", String(remotePort))} ${client.public}\n`);
  // sshd that runs as root wants this folder.
  if (os.userInfo().uid === 0) await mkdir("/run/sshd", { recursive: true });
  const config = `Port ${port}
ListenAddress 127.0.0.1
HostKey ${dir}/host
AuthorizedKeysFile ${dir}/authorized
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
`;
  await writeFile(`${dir}/sshd_config`, config);
  let server: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    // A group of its own, so that the processes of its connections can be ended as well.
    server = spawn("/usr/sbin/sshd", ["-D", "-f", `${dir}/sshd_config`], { stdio: "ignore", detached: true });
    await until("sshd", () => listens(port));
  };
  const stop = async (): Promise<void> => {
    const running = server;
    if (!running?.pid) return;
    server = null;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    for (const pid of [...children(running.pid), running.pid]) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It had ended.
      }
    }
    await ended;
  };
  await start();
  return {
    dir,
    port,
    remotePort,
    user: os.userInfo().username,
    hostKey: (await readFile(`${dir}/host.pub`, "utf8")).trim(),
    identity: client.private,
    start,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** nginx that gives everything to the forwarded port: the snippet of docs/airy-proxy.md with ports of the test. */
export async function startNginx(dir: string, forwarded: number): Promise<{ port: number } & AsyncDisposable> {
  const port = await freePort();
  const page = await readFile(documentation, "utf8");
  const snippet = /```nginx\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  const server = snippet.replaceAll("127.0.0.1:8080", `127.0.0.1:${forwarded}`).replace(/listen 80;/, `listen 127.0.0.1:${port};`);
  await mkdir(`${dir}/nginx`, { recursive: true });
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${dir}/nginx/${kind};`).join(" ");
  const file = `${dir}/nginx.conf`;
  await writeFile(
    file,
    `daemon off; master_process off; pid ${dir}/nginx.pid; error_log ${dir}/nginx.log; events {} http { access_log off; ${temp}\n${server}\n}`,
  );
  const child = spawn("nginx", ["-p", dir, "-c", file], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await until("nginx", () => listens(port));
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** OpenSSH's ssh-agent with one key. */
export async function startKeyAgent(privateKey: string): Promise<{ socket: string } & AsyncDisposable> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-keys-"));
  const socket = `${dir}/agent`;
  await writeFile(`${dir}/key`, privateKey, { mode: 0o600 });
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  const ended = new Promise((resolve) => agent.once("exit", resolve));
  await until("the agent", () => existsSync(socket));
  execFileSync("ssh-add", ["-q", `${dir}/key`], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: "ignore" });
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      agent.kill();
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: "127.0.0.1", port });
    socket.on("connect", () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });
}

/** All processes below one. */
function children(pid: number): number[] {
  try {
    const found = execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
    const direct = found.trim().split(/\s+/).filter(Boolean).map(Number);
    return direct.flatMap((child) => [...children(child), child]);
  } catch {
    return [];
  }
}
