/**
 * How long a start takes, against targets and against `docker compose up -d --wait` of the same services in the same run.
 *
 * `npm run bench:start`: medians, milliseconds; `-- --quick` repeats less; `-- --json` prints `{"rows":[{"case","ms","target","peerMs"}]}`.
 * The peer is given a health check a second, where airy's files have one a minute (airy looks by itself): its time is then that of the
 * services. Where no docker engine can be used there is no peer, and only the embedded engine is measured; stderr says so.
 */
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { spawn } from "node-pty";

const root = path.resolve(import.meta.dirname, "../..");
const airy = path.join(root, "airy");
const quick = process.argv.includes("--quick");
const json = process.argv.includes("--json");
const dir = mkdtempSync(path.join(os.tmpdir(), "airy-bench-start-"));
const env: NodeJS.ProcessEnv = { ...process.env, XDG_STATE_HOME: dir, AIRY_NO_KEYRING: "1" };
const rows: { case: string; ms: number; target: number | null; peerMs: number | null }[] = [];

function add(name: string, ms: number, target: number | null, peerMs: number | null = null): void {
  const row = { case: name, ms: Math.round(ms), target: target && Math.round(target), peerMs: peerMs && Math.round(peerMs) };
  rows.push(row);
  const peer = row.peerMs === null ? "" : `   docker compose up -d --wait ${row.peerMs} ms`;
  if (!json) process.stdout.write(`${name.padEnd(48)}${String(row.ms).padStart(7)} ms   target ${row.target ?? "-"}${peer}\n`);
}

/** Milliseconds; the exit code is one of those given. */
function timed(file: string, args: string[], { given = env, codes = [0] } = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const from = performance.now();
    execFile(file, args, { cwd: dir, env: given, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code);
      if (codes.includes(code)) resolve(performance.now() - from);
      else reject(new Error(`${file} ${args.join(" ")} ended with ${code}: ${stdout}${stderr}`));
    });
  });
}

async function median(times: number, measure: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let i = 0; i < times; i++) values.push(await measure());
  return values.toSorted((a, b) => a - b)[Math.floor(times / 2)] ?? 0;
}

const times = quick ? 3 : 15;
const few = quick ? 1 : 3;

/** `airy up` on a terminal, until its first byte, its first frame with a step in it, and from Ctrl-C until it has ended. */
async function onTerminal(): Promise<{ byte: number; frame: number; ended: number }> {
  const workspace = mkdtempSync(path.join(dir, "terminal-"));
  const from = performance.now();
  const terminal = spawn(airy, ["up", "--sandbox", "--engine", "embedded", "--workspace", workspace], {
    cols: 100,
    rows: 30,
    cwd: dir,
    env,
  });
  const since = (start: number): number => performance.now() - start;
  let seen = "";
  let byte = 0;
  const framed = new Promise<number>((resolve) => {
    terminal.onData((text) => {
      byte ||= since(from);
      seen += text;
      if (/starting[\s\S]*\S/.test(seen)) resolve(since(from));
    });
  });
  const exited = new Promise<void>((resolve) => terminal.onExit(() => resolve()));
  const frame = await Promise.race([framed, exited.then(() => Promise.reject(new Error(`no frame: ${seen}`)))]);
  const interrupted = performance.now();
  terminal.write("\u0003");
  await exited;
  const ended = since(interrupted);
  await timed(airy, ["destroy", "--yes", "--no-backup", "--workspace", workspace]);
  return { byte, frame, ended };
}

async function small(): Promise<void> {
  for (const args of [["--version"], ["--help"], ["completion", "bash"]]) {
    add(`airy ${args.join(" ")}`, await median(times, () => timed(airy, args)), 130);
  }
  const seen = [];
  for (let i = 0; i < few; i++) seen.push(await onTerminal());
  const middle = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  add("first byte on the terminal", middle(seen.map(({ byte }) => byte)), 150);
  add("first useful frame", middle(seen.map(({ frame }) => frame)), 400);
  add("Ctrl-C in a start until the prompt is back", middle(seen.map(({ ended }) => ended)), 3000);
  const absent = { given: { ...env, DOCKER_HOST: `unix://${dir}/no.sock` }, codes: [10] };
  const report = ["up", "--yes", "--sandbox", "--engine", "docker", "--workspace", path.join(dir, "absent")];
  add("docker absent until the report", await median(few, () => timed(airy, report, absent)), 500);
}

async function embedded(): Promise<void> {
  const up = ["up", "--yes", "--sandbox", "--engine", "embedded", "--workspace", path.join(dir, "embedded")];
  add("up --yes, embedded, cold", await timed(airy, up), null);
  add("up --yes, embedded, nothing changed", await median(few + 2, () => timed(airy, up)), 700);
  add("status --json", await median(times, () => timed(airy, ["status", "--json", "--workspace", up[6] ?? ""])), 350);
  await timed(airy, ["destroy", "--yes", "--no-backup", "--workspace", up[6] ?? ""]);
}

interface Call {
  args: string[];
  env: NodeJS.ProcessEnv;
}

/** A `docker` first on the PATH that notes with what compose was called, and calls it. */
function watchCompose(): { env: NodeJS.ProcessEnv; call: () => Call } {
  const real = execFileSync("sh", ["-c", "command -v docker"], { encoding: "utf8" }).trim();
  const note = path.join(dir, "call");
  writeFileSync(
    path.join(dir, "docker"),
    `#!/bin/sh\ncase " $* " in *" compose "*" up "*) env -0 >'${note}.env'; printf '%s\\0' "$@" >'${note}.args' ;; esac\nexec '${real}' "$@"\n`,
  );
  chmodSync(path.join(dir, "docker"), 0o755);
  const list = (file: string): string[] => readFileSync(file, "utf8").split("\0").filter(Boolean);
  return {
    env: { ...env, PATH: `${dir}:${env["PATH"]}` },
    call: () => ({
      args: list(`${note}.args`),
      env: {
        ...env,
        ...Object.fromEntries(list(`${note}.env`).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])),
      },
    }),
  };
}

/** Both from containers that are gone and data that is there, and both from all that runs. */
async function docker(): Promise<void> {
  const workspace = path.join(dir, "docker-workspace");
  const up = ["up", "--yes", "--sandbox", "--engine", "docker", "--workspace", workspace];
  const watched = watchCompose();
  await timed(airy, up, { given: watched.env }); // builds the image, makes the database
  const { args, env: given } = watched.call();
  const cold = async (): Promise<number> => {
    await timed(airy, ["down", "--workspace", workspace]);
    return timed(airy, up);
  };
  const ours = { cold: await median(few, cold), warm: await median(few + 2, () => timed(airy, up)) };
  await timed(airy, ["down", "--workspace", workspace]);
  const before = args.slice(0, args.indexOf("up"));
  const services = execFileSync("docker", [...before, "config", "--services"], { encoding: "utf8", env: given })
    .trim()
    .split("\n");
  const checks = path.join(dir, "checks.yaml");
  writeFileSync(
    checks,
    JSON.stringify({ services: Object.fromEntries(services.map((name) => [name, { healthcheck: { interval: "1s" } }])) }),
  );
  const peer = [...before, "--file", checks];
  const start = (): Promise<number> => timed("docker", [...peer, "up", "-d", "--wait", "--no-build", "--pull", "never"], { given });
  const theirs = {
    cold: await median(few, async () => {
      await timed("docker", [...peer, "down"], { given });
      return start();
    }),
    warm: await median(few + 2, start),
  };
  await timed("docker", [...peer, "down"], { given });
  add("up --yes, docker, cold", ours.cold, Math.max(theirs.cold + 500, theirs.cold * 1.05), theirs.cold);
  add("up --yes, docker, nothing changed", ours.warm, 700, theirs.warm);
  await timed(airy, ["destroy", "--yes", "--no-backup", "--workspace", workspace]);
}

function canUseDocker(): boolean {
  const said = execFileSync("sh", ["-c", `'${airy}' doctor --json || true`], { cwd: dir, env, encoding: "utf8" });
  const { data } = JSON.parse(said) as { data: { checks: { id: string; status: string; message: string }[] } };
  const found = data.checks.find(({ id }) => id === "engine-docker");
  if (found?.status !== "ok") process.stderr.write(`No peer: ${found?.message ?? "docker was not looked at"}\n`);
  return found?.status === "ok";
}

try {
  await timed(airy, ["version"]); // what has to be built is built
  await small();
  await embedded();
  // What was measured is told, also where an engine then fails.
  if (canUseDocker()) await docker().catch((error: Error) => process.stderr.write(`No peer: ${error.message}\n`));
  if (json) process.stdout.write(`${JSON.stringify({ rows })}\n`);
} finally {
  for (const name of ["embedded", "docker-workspace"]) {
    const workspace = path.join(dir, name);
    if (existsSync(path.join(workspace, ".airy/state.json")))
      await timed(airy, ["destroy", "--yes", "--no-backup", "--workspace", workspace]).catch(() => {});
  }
  rmSync(dir, { recursive: true, force: true });
}
