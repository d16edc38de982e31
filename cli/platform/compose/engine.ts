/** The docker engine of this machine, asked directly over its socket: that takes milliseconds. */
import http from "node:http";
import { z } from "zod";
import { run } from "../../io/spawn.ts";
import { fail } from "../../errors.ts";

export interface Engine {
  /** Where it listens, e.g. `unix:///var/run/docker.sock`. */
  endpoint: string;
  version: string;
  /** The engine runs as an ordinary user, who is root in its containers. */
  rootless: boolean;
  /** null for 404. Throws DOCKER_DOWN, DOCKER_DENIED, or a plain error with the engine's message. */
  get(path: string, options?: { timeoutMs?: number }): Promise<Buffer | null>;
  /** What is not there counts as removed. Throws as {@link Engine.get} does. */
  remove(path: string): Promise<void>;
}

const infoSchema = z.object({ ServerVersion: z.string(), SecurityOptions: z.array(z.string()).nullish() });

/** Throws DOCKER_DOWN, DOCKER_DENIED, DOCKER_REMOTE. */
export async function connectEngine(os: string): Promise<Engine> {
  const endpoint = await findEndpoint(os);
  const address = addressOf(endpoint, os);
  const ask = async (method: string, path: string, timeoutMs: number): Promise<Buffer | null> => {
    let answer: Answer;
    try {
      answer = await send({ ...address, method, path }, timeoutMs);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EACCES" || code === "EPERM") fail("DOCKER_DENIED", { endpoint, reason: message }, { cause: error });
      return fail("DOCKER_DOWN", { endpoint, reason: `${endpoint}: ${message}`, start: startCommand(endpoint, os) }, { cause: error });
    }
    if (answer.status === 404) return null;
    if (answer.status >= 400) throw new Error(messageOf(answer.body));
    return answer.body;
  };
  const info = infoSchema.parse(JSON.parse(String(await ask("GET", "/info", 5000))));
  return {
    endpoint,
    version: info.ServerVersion,
    rootless: (info.SecurityOptions ?? []).some((option) => option.startsWith("name=rootless")),
    get: (path, { timeoutMs = 10_000 } = {}) => ask("GET", path, timeoutMs),
    remove: async (path) => void (await ask("DELETE", path, 30_000)),
  };
}

/** Contexts and DOCKER_HOST are the docker client's to resolve. */
async function findEndpoint(os: string): Promise<string> {
  const inspected = await run("docker", ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], { timeoutMs: 5000 });
  if (inspected.notFound) {
    fail("DOCKER_DOWN", { reason: "The command docker was not found.", start: "Install Docker: https://docs.docker.com/get-docker/" });
  }
  const endpoint = inspected.stdout.trim();
  if (inspected.exitCode !== 0 || endpoint === "") {
    fail("DOCKER_DOWN", { reason: inspected.stderr.trim() || "docker context inspect gave no answer.", start: startCommand("", os) });
  }
  return endpoint;
}

/** Throws DOCKER_REMOTE for an engine on another machine. */
function addressOf(endpoint: string, os: string): { socketPath: string } | { host: string; port: string } {
  if (endpoint.startsWith("unix://")) return { socketPath: endpoint.slice("unix://".length) };
  if (endpoint.startsWith("npipe://") && os === "win32") return { socketPath: endpoint.slice("npipe://".length) };
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  const host = url?.hostname.replace(/^\[|\]$/g, "") ?? "";
  if (url?.protocol === "tcp:" && /^(localhost|127(\.\d+){3}|::1)$/.test(host)) return { host, port: url.port || "2375" };
  return fail("DOCKER_REMOTE", { endpoint });
}

function startCommand(endpoint: string, os: string): string {
  if (endpoint.includes("colima")) return "colima start";
  if (endpoint.includes("orbstack")) return "open -a OrbStack";
  if (endpoint.includes("podman")) return os === "darwin" ? "podman machine start" : "systemctl --user start podman.socket";
  if (os === "darwin") return "open -a Docker";
  if (endpoint.includes("/.docker/desktop/")) return "systemctl --user start docker-desktop";
  return endpoint.includes("/run/user/") ? "systemctl --user start docker" : "sudo systemctl start docker";
}

interface Answer {
  status: number;
  body: Buffer;
}

function send(options: http.RequestOptions, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ ...options, agent: false, headers: { host: "docker" } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 500, body: Buffer.concat(chunks) });
      });
    });
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    request.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    request.end();
  });
}

function messageOf(body: Buffer): string {
  try {
    return z.object({ message: z.string() }).parse(JSON.parse(String(body))).message;
  } catch {
    return String(body).slice(0, 300);
  }
}
