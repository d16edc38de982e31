/** The launcher's side: start the agent process of a workspace, find the one that runs, stop it. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { rm, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { WorkspacePaths } from "../config/paths.ts";
import { tailLines } from "../io/files.ts";
import type { Io } from "../io/io.ts";
import { gone, terminate } from "../io/process.ts";
import { start } from "../io/spawn.ts";
import { fail } from "../errors.ts";
import { announceStart, withdrawStarts } from "./claim.ts";
import { requestStop } from "./client.ts";
import { findAgent, readRecord, type AgentRecord } from "./record.ts";
import type { AgentSettings } from "./settings.ts";

/** Stopping takes as long as requests in flight, held by platform (5 s) and edge, and Postgres' shutdown. */
const STOP_MS = 15_000;

/**
 * The environment of the agent process: what it needs to find programs and networks and to speak the user's language, and no secrets (but a
 * proxy's, where its address holds them).
 */
const PASSED_ON = new Set(
  [
    "PATH HOME LANG TZ TMPDIR XDG_CONFIG_HOME XDG_STATE_HOME XDG_RUNTIME_DIR",
    "DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_CERT_PATH DOCKER_TLS_VERIFY DOCKER_API_VERSION",
    "NODE_EXTRA_CA_CERTS NODE_USE_SYSTEM_CA SSL_CERT_FILE SSL_CERT_DIR",
    "HTTPS_PROXY HTTP_PROXY ALL_PROXY NO_PROXY",
    "https_proxy http_proxy all_proxy no_proxy",
  ].flatMap((names) => names.split(" ")),
);
/** Of Node's options only where to look for certificates: a debugger's port is taken by then. */
const CERTIFICATE_OPTIONS = new Set(["--use-system-ca", "--use-openssl-ca", "--use-bundled-ca"]);

/** What of the launcher's environment the agent process gets. */
export function agentEnv(env: Io["env"]): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && (PASSED_ON.has(name) || name.startsWith("LC_"))) given[name] = value;
  }
  const options = (env.NODE_OPTIONS ?? "").split(/\s+/).filter((option) => CERTIFICATE_OPTIONS.has(option));
  if (options.length > 0) given.NODE_OPTIONS = options.join(" ");
  return given;
}

/**
 * Starts the process, detached, and returns when its control API answers. Secrets go through its stdin.
 * Throws AGENT_EXITED with the end of its log.
 */
export async function startAgent(
  io: Io,
  paths: WorkspacePaths,
  settings: Omit<AgentSettings, "startId">,
  signal: AbortSignal,
): Promise<AgentRecord> {
  const startId = randomUUID();
  const logged = await sizeOf(paths.agentLog);
  await announceStart(paths, startId);
  const env = agentEnv(io.env);
  // Not in the workspace, whose folder may be moved or deleted.
  const cwd = path.parse(io.script).root;
  const child = start(io.node, [io.script, "internal", "agent"], { cwd, env, logFile: paths.agentLog, detached: true });
  const exited = once(child, "exit").then(
    () => true,
    () => true,
  );
  let ended = false;
  void exited.then(() => (ended = true));
  // A process that ends before it has read its settings is reported by its exit, not by the broken pipe.
  child.stdin?.on("error", () => {});
  child.stdin?.end(JSON.stringify({ ...settings, startId }));
  child.unref();
  for (;;) {
    const record = await readRecord(paths);
    if (record?.startId === startId) return record;
    if (ended) {
      const log = await tailLines(paths.agentLog, 20, logged);
      fail("AGENT_EXITED", { service: "agent", reason: `It ended with ${exitText(child)} before it could be reached.`, log });
    }
    if (signal.aborted) {
      child.kill("SIGTERM");
      signal.throwIfAborted();
    }
    await Promise.race([sleep(15), exited]);
  }
}

/** Stops the agent process, if there is one, and returns when it is gone. Idempotent. */
export async function stopAgent(io: Pick<Io, "kill">, paths: WorkspacePaths): Promise<boolean> {
  const record = await findAgent(paths);
  if (record) {
    const asked = await requestStop(record).then(
      () => true,
      () => false,
    );
    if (!asked || !(await gone(record.pid, record.started, STOP_MS))) await terminate(io.kill, record.pid, record.started, 5000);
  }
  const another = await withdrawStarts(paths, io);
  await rm(paths.agent, { force: true });
  return record !== null || another;
}

function exitText(child: { exitCode: number | null; signalCode: NodeJS.Signals | null }): string {
  return child.exitCode === null ? `signal ${child.signalCode}` : `exit code ${child.exitCode}`;
}

/** Bytes: what is appended by this start is behind them. */
async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (s) => s.size,
    () => 0,
  );
}
