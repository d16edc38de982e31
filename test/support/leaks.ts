/**
 * Finds what a test has left behind. A test gets a folder of its own; everything it starts works in it, names it in its command line,
 * or has TMPDIR inside it, so that what other tests do on the machine at the same time does not count.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, readlink, realpath, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface LeakScope {
  /** Real path of the test's own folder. */
  root: string;
  /** An empty folder for a workspace. */
  workspace: string;
  /** To be TMPDIR of everything that is started. */
  tmp: string;
  /** What is left now: one line each, empty when nothing is. */
  leaks(): Promise<string[]>;
  /** Waits until nothing is left; resolves with what is still there after `patienceMs`. */
  settled(patienceMs?: number): Promise<string[]>;
  /** Removes the folder. */
  close(): Promise<void>;
}

/** @param label part of the folder's name. */
export async function openLeakScope(label: string): Promise<LeakScope> {
  const root = await realpath(await mkdtemp(path.join(os.tmpdir(), `airy-test-${label}-`)));
  const workspace = path.join(root, "workspace");
  const tmp = path.join(root, "tmp");
  for (const dir of [workspace, tmp]) await mkdir(dir);
  const ownPorts = new Set(await portsOf(process.pid));

  const leaks = async (): Promise<string[]> => {
    const processes = await processesOf(root);
    const listening = await Promise.all(processes.map(async ({ pid }) => ({ pid, ports: await portsOf(pid) })));
    const mine = (await portsOf(process.pid)).filter((port) => !ownPorts.has(port));
    return [
      ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
      ...listening.flatMap(({ pid, ports }) => ports.map((port) => `port ${port} of process ${pid}`)),
      ...mine.map((port) => `port ${port} of the test itself`),
      ...dockerOf(workspace),
      ...(await readdir(tmp)).map((name) => `temporary file ${name}`),
    ];
  };
  return {
    root,
    workspace,
    tmp,
    leaks,
    async settled(patienceMs = 5000) {
      for (const end = Date.now() + patienceMs; ; await delay(50)) {
        const left = await leaks();
        if (left.length === 0 || Date.now() > end) return left;
      }
    },
    close: () => rm(root, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** Name of the compose project of a workspace: `airy-` and 8 hex digits of its path. */
export function projectOf(workspace: string): string {
  return `airy-${createHash("sha256").update(workspace).digest("hex").slice(0, 8)}`;
}

interface Process {
  pid: number;
  command: string;
}

/** Processes that name the folder in their command line or TMPDIR, or work in it; not this one. Zombies do not count. */
async function processesOf(root: string): Promise<Process[]> {
  if (os.platform() !== "linux") return fromPs(root);
  const found: Process[] = [];
  for (const name of await readdir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const read = (file: string): Promise<string> => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "");
    const [command, environment, cwd] = await Promise.all([
      read("cmdline"),
      read("environ"),
      readlink(`/proc/${name}/cwd`).catch(() => ""),
    ]);
    if (command === "") continue;
    if ([command, environment, cwd].some((text) => text.includes(root))) found.push({ pid, command: command.replaceAll("\0", " ").trim() });
  }
  return found;
}

function fromPs(root: string): Process[] {
  const lines = execFileSync("ps", ["-axww", "-o", "pid=,command="], { encoding: "utf8" }).split("\n");
  return lines
    .map((line) => ({ pid: Number.parseInt(line, 10), command: line.trim().replace(/^\d+\s+/, "") }))
    .filter(({ pid, command }) => pid !== process.pid && command.includes(root));
}

/** TCP ports a process listens on. */
async function portsOf(pid: number): Promise<number[]> {
  if (os.platform() !== "linux") return [];
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = new Set(await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""))));
  const ports: number[] = [];
  for (const table of ["tcp", "tcp6"]) {
    const text = await readFile(`/proc/${pid}/net/${table}`, "utf8").catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state === "0A" && targets.has(`socket:[${inode}]`)) ports.push(Number.parseInt(local.split(":").at(-1) ?? "", 16));
    }
  }
  return [...new Set(ports)];
}

/** Containers, networks and volumes of the workspace's compose project, if an engine answers. */
function dockerOf(workspace: string): string[] {
  const project = projectOf(workspace);
  const label = ["--filter", `label=com.docker.compose.project=${project}`];
  const lists: [string, string[]][] = [
    ["container", ["ps", "-a", ...label, "--format", "{{.Names}}"]],
    ["network", ["network", "ls", ...label, "--format", "{{.Name}}"]],
    ["volume", ["volume", "ls", ...label, "--format", "{{.Name}}"]],
  ];
  return lists.flatMap(([kind, args]) => {
    try {
      const names = execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 5000 });
      return names
        .split("\n")
        .filter(Boolean)
        .map((name) => `${kind} ${name}`);
    } catch {
      return [];
    }
  });
}
