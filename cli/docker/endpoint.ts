/** Where the docker engine of this machine listens. */
import { run } from "../io/spawn.ts";
import { AiryError, fail } from "../errors.ts";
import { howToStart, knownSockets, listens } from "./installed.ts";

type Env = Record<string, string | undefined>;

/** The docker client's own, where no context was chosen. */
const USUAL = "/var/run/docker.sock";
/** A local socket answers at once, or its process is stuck. */
const KNOCK_MS = 1000;

/**
 * DOCKER_HOST wins over contexts, as it does for the docker client; contexts are that client's to resolve. Where none was chosen and nobody
 * listens at the usual place, the engine that does listen on this machine is taken, and named in `env` as DOCKER_HOST, so that the docker
 * client and the agent process speak to the same one. Throws DOCKER_DOWN.
 * @param usual path of the socket that the docker client takes by itself.
 */
export async function findEndpoint(env: Env, os: string, usual = USUAL): Promise<string> {
  if (env.DOCKER_HOST) return env.DOCKER_HOST;
  const inspected = await run("docker", ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], { timeoutMs: 5000 });
  if (inspected.notFound) {
    fail("DOCKER_DOWN", { reason: "The command docker was not found.", start: "Install Docker: https://docs.docker.com/get-docker/" });
  }
  const endpoint = inspected.exitCode === 0 ? inspected.stdout.trim() : "";
  // Somebody who has chosen a context means that one.
  if (endpoint !== "" && endpoint !== `unix://${usual}`) return endpoint;
  const other = await findListening([usual, ...knownSockets(env, os)]);
  if (other === usual && endpoint !== "") return endpoint;
  if (other !== null) return (env.DOCKER_HOST = `unix://${other}`);
  if (endpoint !== "") return endpoint;
  throw await unknownEndpoint(inspected.stderr.trim(), env, os);
}

async function findListening(sockets: readonly string[]): Promise<string | null> {
  for (const socketPath of sockets) if (await listens(socketPath, KNOCK_MS)) return socketPath;
  return null;
}

async function unknownEndpoint(said: string, env: Env, os: string): Promise<AiryError> {
  if (/podman/i.test(said)) {
    return new AiryError("DOCKER_DOWN", {
      reason: "The command docker is podman's, which has no contexts, and nobody listens at podman's socket.",
      start: await howToStart("podman", env, os),
    });
  }
  return new AiryError("DOCKER_DOWN", { reason: said || "docker context inspect gave no answer.", start: await howToStart("", env, os) });
}

export type Address = { socketPath: string } | { protocol: "http"; host: string; port: string };

/** Throws DOCKER_REMOTE for an engine on another machine. */
export function addressOf(endpoint: string, os: string): Address {
  if (endpoint.startsWith("unix://")) return { socketPath: endpoint.slice("unix://".length) };
  if (endpoint.startsWith("npipe://") && os === "win32") return { socketPath: endpoint.slice("npipe://".length) };
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  const host = url?.hostname.replace(/^\[|\]$/g, "") ?? "";
  if (url?.protocol === "tcp:" && /^(localhost|127(\.\d+){3}|::1)$/.test(host)) return { protocol: "http", host, port: url.port || "2375" };
  return fail("DOCKER_REMOTE", { endpoint });
}
