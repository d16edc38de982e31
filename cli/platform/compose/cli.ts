/** `docker compose` as a program: version, configuration hashes, up, down. */
import path from "node:path";
import { holderOf, holderText } from "../../checks/ports.ts";
import { run, type RunOptions, type RunResult } from "../../io/spawn.ts";
import { AiryError, fail } from "../../errors.ts";
import { lastLine } from "./image.ts";
import { createTally, failureOf, parseProgress, speaksJson } from "./progress.ts";
import type { Project } from "./project.ts";

/** All paths are absolute, and the folder that this process was started in may be gone. */
const cwd = path.parse(process.execPath).root;

/** `start_interval` of health checks came with it. */
const oldest = [2, 20, 2] as const;

/** Throws COMPOSE_MISSING, COMPOSE_TOO_OLD. */
export async function requireCompose(): Promise<string> {
  const result = await run("docker", ["compose", "version", "--short"], { timeoutMs: 10_000 });
  if (result.exitCode !== 0) fail("COMPOSE_MISSING", { reason: lastLine(result.stderr) || "docker compose version gave no answer." });
  const found = result.stdout.trim().replace(/^v/, "");
  // Distributions append to the third number.
  const numbers = found.split(".").map((part) => Number.parseInt(part, 10) || 0);
  const older = oldest.findIndex((number, i) => (numbers[i] ?? 0) !== number);
  if (older >= 0 && (numbers[older] ?? 0) < (oldest[older] ?? 0)) fail("COMPOSE_TOO_OLD", { found, needed: oldest.join(".") });
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

export interface ComposeUp {
  signal: AbortSignal;
  /** More arguments, such as the services that are meant. */
  more?: readonly string[];
  /** Of the compose that is here, where it is known: from 2.29 on it says for programs what it does. */
  version?: string;
  /** Called with what all containers have come to, where compose says it. */
  onProgress?: (text: string) => void;
}

/**
 * Creates and starts what is not up to date, all services unless the arguments name some. All images are there. Throws PORT_TAKEN,
 * COMPOSE_FAILED.
 */
export async function composeUp(project: Project, { signal, more = [], version = "", onProgress }: ComposeUp): Promise<void> {
  const args = ["up", "--detach", "--no-build", "--pull", "never", "--remove-orphans", ...more];
  const tally = createTally();
  const onLine = (line: string): void => {
    const progress = parseProgress(line);
    const said = progress && !("failure" in progress) ? tally(progress) : null;
    if (said !== null) onProgress?.(said);
  };
  const result = await compose(project, speaksJson(version) ? ["--progress", "json", ...args] : args, { signal, onLine });
  signal.throwIfAborted();
  if (result.exitCode !== 0) throw await upError(failureOf(result.stderr));
}

/** Needs no compose file: the project is found by its labels. Throws COMPOSE_FAILED. */
export async function composeDown(name: string, options: { volumes: boolean }): Promise<void> {
  const args = ["compose", "--project-name", name, "down", "--remove-orphans"];
  if (options.volumes) args.push("--volumes");
  const result = await run("docker", args, { cwd });
  if (result.exitCode !== 0) fail("COMPOSE_FAILED", { command: "down", reason: lastLine(result.stderr) });
}

function compose(project: Project, args: string[], options: Pick<RunOptions, "signal" | "onLine"> = {}): Promise<RunResult> {
  const all = ["compose", "--project-name", project.name, ...project.args, ...args];
  return run("docker", all, { cwd, env: project.env, ...options });
}

/** Where only part of this machine's folders can be mounted: Docker Desktop, colima, docker from a snap. */
const hidden = /mounts denied|bind source path does not exist|not shared from the host/i;

async function upError(reason: string): Promise<AiryError> {
  const taken = /\d+\.\d+\.\d+\.\d+:(\d+)\b[^\n]*(?:already allocated|already in use)/.exec(reason)?.[1];
  if (taken === undefined) {
    const hint = hidden.test(reason) ? " This engine sees only some of this machine's folders, often the home folder alone." : "";
    return new AiryError("COMPOSE_FAILED", { command: "up", reason: `${reason}${hint}` });
  }
  const holder = await holderOf(Number(taken));
  return new AiryError("PORT_TAKEN", { port: Number(taken), holder: holder && holderText(holder) });
}
