/** Where the docker engine of this machine listens, and how it is started. */
import { run } from "../io/spawn.ts";
import { fail } from "../errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** DOCKER_HOST wins over contexts, as it does for the docker client; contexts are that client's to resolve. Throws DOCKER_DOWN. */
export async function findEndpoint(env: Env, os: string): Promise<string> {
  if (env.DOCKER_HOST) return env.DOCKER_HOST;
  const inspected = await run("docker", ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], { timeoutMs: 5000 });
  if (inspected.notFound) {
    fail("DOCKER_DOWN", { reason: "The command docker was not found.", start: "Install Docker: https://docs.docker.com/get-docker/" });
  }
  const endpoint = inspected.stdout.trim();
  if (inspected.exitCode === 0 && endpoint !== "") return endpoint;
  const said = inspected.stderr.trim();
  if (/podman/i.test(said)) {
    const reason = "The command docker is podman's, which has no contexts: DOCKER_HOST has to name podman's socket.";
    fail("DOCKER_DOWN", {
      reason,
      start: "systemctl --user start podman.socket; export DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock",
    });
  }
  return fail("DOCKER_DOWN", { reason: said || "docker context inspect gave no answer.", start: startCommand("", os) });
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

export function startCommand(endpoint: string, os: string): string {
  if (endpoint.includes("colima")) return "colima start";
  if (endpoint.includes("orbstack")) return "open -a OrbStack";
  if (endpoint.includes("podman")) return os === "darwin" ? "podman machine start" : "systemctl --user start podman.socket";
  if (os === "darwin") return "open -a Docker";
  if (endpoint.includes("/.docker/desktop/")) return "systemctl --user start docker-desktop";
  return endpoint.includes("/run/user/") ? "systemctl --user start docker" : "sudo systemctl start docker";
}
