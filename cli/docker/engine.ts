/** The docker engine of this machine, spoken to through dockerode, which is loaded only here and only when an engine is needed. */
import type Dockerode from "dockerode";
import { z } from "zod";
import { AiryError, fail } from "../errors.ts";
import { joinSignals } from "../io/signals.ts";
import { addressOf, findEndpoint } from "./endpoint.ts";
import { howToStart } from "./installed.ts";

export interface Engine {
  /** Where it listens, e.g. `unix:///var/run/docker.sock`. */
  endpoint: string;
  /** Tells it from other engines: its own id; podman makes one up for each question, so that there it is the endpoint. */
  id: string;
  kind: "docker" | "podman";
  version: string;
  /** Of the machine that the engine runs on, e.g. `x86_64`, `aarch64`; empty where it does not say. */
  architecture: string;
  /** That its machine has, in MB; on a Mac that of its virtual machine. null where it does not say. */
  memoryMb: number | null;
  /** The engine runs as an ordinary user, who is root in its containers. */
  rootless: boolean;
  /** Users in containers are others outside (dockerd --userns-remap). */
  userns: boolean;
  /**
   * Asks something that is answered at once, within 10 s unless told otherwise; null for 404. Throws DOCKER_DOWN, DOCKER_DENIED, or a plain
   * error with the engine's message.
   */
  ask<T>(question: (docker: Dockerode, abortSignal: AbortSignal) => Promise<T>, options?: { timeoutMs?: number }): Promise<T | null>;
}

export interface EngineHost {
  /** DOCKER_HOST is set in it where that is the only way to say which engine was found. */
  env: Record<string, string | undefined>;
  os: string;
}

const infoSchema = z.object({
  ID: z.string().optional(),
  ServerVersion: z.string(),
  Architecture: z.string().default(""),
  MemTotal: z.number().optional(),
  SecurityOptions: z.array(z.string()).nullish(),
});
/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemVersion; podman names itself there. */
const versionSchema = z.object({ Components: z.array(z.object({ Name: z.string() })).nullish() });

/** Throws DOCKER_DOWN, DOCKER_DENIED, DOCKER_REMOTE. */
export async function connectEngine({ env, os }: EngineHost): Promise<Engine> {
  const endpoint = await findEndpoint(env, os);
  const address = addressOf(endpoint, os);
  const { default: Docker } = await import("dockerode");
  const docker = new Docker(address);
  const ask: Engine["ask"] = async (question, { timeoutMs = 10_000 } = {}) => {
    const given = joinSignals([], timeoutMs, () => new Error(`no answer within ${timeoutMs / 1000} s`));
    try {
      return await Promise.race([question(docker, given.signal), rejected(given.signal)]);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw await explain(given.signal.aborted ? given.signal.reason : error, endpoint, { env, os });
    } finally {
      given.release();
    }
  };
  const [info, version] = await Promise.all([
    ask((d) => d.info(), { timeoutMs: 5000 }),
    ask((d) => d.version(), { timeoutMs: 5000 }).catch(() => null),
  ]);
  const { ID, ServerVersion, Architecture, MemTotal, SecurityOptions } = infoSchema.parse(info);
  const podman = versionSchema.safeParse(version).data?.Components?.some(({ Name }) => /podman/i.test(Name)) ?? false;
  const has = (option: string): boolean => (SecurityOptions ?? []).some((one) => one.startsWith(`name=${option}`));
  return {
    endpoint,
    id: podman ? endpoint : (ID ?? endpoint),
    kind: podman ? "podman" : "docker",
    version: ServerVersion,
    architecture: Architecture,
    memoryMb: MemTotal === undefined ? null : Math.floor(MemTotal / 1024 / 1024),
    rootless: has("rootless"),
    userns: has("userns"),
    ask,
  };
}

/** What the engine said, without dockerode's frame around it. */
export function messageOf(error: unknown): string {
  const said = z.object({ json: z.object({ message: z.string() }) }).safeParse(error);
  return said.data?.json.message ?? (error instanceof Error ? error.message : String(error));
}

/** Not every call of dockerode takes a signal. */
function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

function isNotFound(error: unknown): boolean {
  return z.object({ statusCode: z.literal(404) }).safeParse(error).success;
}

async function explain(error: unknown, endpoint: string, { env, os }: EngineHost): Promise<Error> {
  if (error instanceof AiryError) return error;
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  const message = messageOf(error);
  if (statusCode !== undefined) return new Error(message, { cause: error });
  if (code === "EACCES" || code === "EPERM") return new AiryError("DOCKER_DENIED", { endpoint, reason: message }, { cause: error });
  const reason = `${endpoint}: ${message}`;
  return new AiryError("DOCKER_DOWN", { endpoint, reason, start: await howToStart(endpoint, env, os) }, { cause: error });
}

export interface EngineAt {
  id: string;
  endpoint: string;
}

/** Throws ENGINE_ELSEWHERE when it is not the one in which the containers and messages of the workspace are. */
export function requireSame(engine: Engine, at: EngineAt | null): void {
  if (at !== null && at.id !== engine.id) fail("ENGINE_ELSEWHERE", { before: at.endpoint, now: engine.endpoint });
}
