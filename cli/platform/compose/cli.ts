/** `docker compose` as a program: version, configuration hashes, up, down. */
import { holderOf, holderText } from "../../checks/ports.ts";
import { run, type RunResult } from "../../io/spawn.ts";
import { AiryError, fail } from "../../errors.ts";
import { lastLine } from "./image.ts";
import type { Project } from "./project.ts";

const oldest = [2, 20] as const;

/** Throws COMPOSE_MISSING, COMPOSE_TOO_OLD. */
export async function requireCompose(): Promise<string> {
  const result = await run("docker", ["compose", "version", "--short"], { timeoutMs: 10_000 });
  if (result.exitCode !== 0) fail("COMPOSE_MISSING", { reason: lastLine(result.stderr) || "docker compose version gave no answer." });
  const found = result.stdout.trim().replace(/^v/, "");
  const [major = 0, minor = 0] = found.split(".").map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) fail("COMPOSE_TOO_OLD", { found, needed: oldest.join(".") });
  return found;
}

/** Service -> hash of its configuration, equal to the label of containers that are up to date. Throws COMPOSE_FAILED. */
export async function configHashes(project: Project): Promise<Map<string, string>> {
  const result = await compose(project, ["config", "--hash", "*"]);
  if (result.exitCode !== 0) fail("COMPOSE_FAILED", { command: "config", reason: lastLine(result.stderr) });
  return new Map(
    result.stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]),
  );
}

/** Creates and starts what is not up to date. All images are there. Throws PORT_TAKEN, COMPOSE_FAILED. */
export async function composeUp(project: Project, signal: AbortSignal): Promise<void> {
  const args = ["up", "--detach", "--no-build", "--pull", "never", "--remove-orphans"];
  const result = await compose(project, args, signal);
  signal.throwIfAborted();
  if (result.exitCode !== 0) throw await upError(result.stderr);
}

/** Needs no compose file: the project is found by its labels. Throws COMPOSE_FAILED. */
export async function composeDown(name: string, options: { volumes: boolean }): Promise<void> {
  const args = ["compose", "--project-name", name, "down", "--remove-orphans"];
  if (options.volumes) args.push("--volumes");
  const result = await run("docker", args);
  if (result.exitCode !== 0) fail("COMPOSE_FAILED", { command: "down", reason: lastLine(result.stderr) });
}

function compose(project: Project, args: string[], signal?: AbortSignal): Promise<RunResult> {
  const all = ["compose", "--project-name", project.name, ...project.args, ...args];
  return run("docker", all, { env: project.env, ...(signal && { signal }) });
}

async function upError(stderr: string): Promise<AiryError> {
  const taken = /\d+\.\d+\.\d+\.\d+:(\d+)\b[^\n]*(?:already allocated|already in use)/.exec(stderr)?.[1];
  if (taken === undefined) return new AiryError("COMPOSE_FAILED", { command: "up", reason: lastLine(stderr) });
  const holder = await holderOf(Number(taken));
  return new AiryError("PORT_TAKEN", { port: Number(taken), holder: holder && holderText(holder) });
}
