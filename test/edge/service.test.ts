/** The edge as a process: what its surroundings do to it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it } from "vitest";
import { bundle } from "../support/airy.ts";
import { newKey, until } from "../support/edge.ts";
import { login } from "../support/ssh.ts";

let dir: string;
let child: ChildProcess | null = null;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-service-"));
});
afterEach(() => {
  child?.kill("SIGKILL");
  child = null;
  rmSync(dir, { recursive: true });
});

const any = "127.0.0.1:0";
const args = () => [
  bundle,
  "edge",
  "--json",
  "--domain",
  "t.test",
  "--ssh",
  any,
  "--http",
  any,
  "--admin",
  any,
  "--data",
  path.join(dir, "d"),
];

interface Ports {
  sshPort: number;
  adminPort: number;
}

async function start(stderr: number | "pipe", more: string[] = []): Promise<Ports> {
  child = spawn(process.execPath, [...args(), ...more], { stdio: ["ignore", "pipe", stderr] });
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  return JSON.parse(line) as Ports;
}

const lives = async ({ adminPort }: Ports) => (await fetch(`http://127.0.0.1:${adminPort}/healthz`)).ok;

async function comeAndGo({ sshPort }: Ports): Promise<void> {
  const client = await login(sshPort, newKey().private);
  client.end();
  await once(client, "close");
}

it("serves on when its log is a full disk", async () => {
  const full = openSync("/dev/full", "w");
  const ports = await start(full);
  closeSync(full);
  for (let i = 0; i < 3; i++) await comeAndGo(ports);
  expect(await lives(ports)).toBe(true);
  child!.kill("SIGTERM");
  expect(await once(child!, "exit")).toEqual([0, null]);
});

it("serves on when nobody reads its log any more", async () => {
  const ports = await start("pipe");
  child!.stderr!.destroy();
  child!.stdout!.destroy();
  for (let i = 0; i < 3; i++) child!.kill("SIGHUP");
  await comeAndGo(ports);
  expect(await lives(ports)).toBe(true);
});

it("SIGHUP reads the lists of keys again, and ends nothing", async () => {
  const { private: key, public: line } = newKey();
  const list = path.join(dir, "keys");
  const log = path.join(dir, "log");
  writeFileSync(list, "");
  const fd = openSync(log, "w");
  const ports = await start(fd, ["--authorized-keys", list]);
  closeSync(fd);
  await expect(login(ports.sshPort, key)).rejects.toThrow();
  writeFileSync(list, `${line}\n`);
  child!.kill("SIGHUP");
  await until("the log to say so", () => /SIGHUP: reading the lists[^]*keys: 1 keys/.test(readFileSync(log, "utf8")));
  (await login(ports.sshPort, key)).end();
  expect(await lives(ports)).toBe(true);
});

it.each(["AIRY_AUTHORIZED_KEYS", "AIRY_DENIED_KEYS", "AIRY_DATA"])("an empty %s does not mean that there is none", async (name) => {
  child = spawn(process.execPath, args(), { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, [name]: "" } });
  let stdout = "";
  child.stdout!.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  expect(await once(child, "close")).toEqual([2, null]);
  expect(stdout).toContain(`${name} is set but empty`);
});
