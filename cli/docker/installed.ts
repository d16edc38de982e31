/** Which engines are installed on this machine, where each listens, and how it is started. */
import { access, constants } from "node:fs/promises";
import net from "node:net";
import path from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

/** Where engines listen that bring no docker context, or whose context is not the present one; the first that answers is used. */
export function knownSockets(env: Env, os: string): string[] {
  const home = env.HOME || "/root";
  const runtime = env.XDG_RUNTIME_DIR || null;
  const mac = [
    `${home}/.docker/run/docker.sock`,
    `${home}/.orbstack/run/docker.sock`,
    `${home}/.colima/default/docker.sock`,
    `${home}/.config/colima/default/docker.sock`,
    `${home}/.rd/docker.sock`,
    `${home}/.lima/docker/sock/docker.sock`,
    `${home}/.local/share/containers/podman/machine/podman.sock`,
  ];
  const linux = [
    ...(runtime ? [`${runtime}/docker.sock`] : []),
    `${home}/.docker/desktop/docker.sock`,
    `${home}/.colima/default/docker.sock`,
    `${home}/.config/colima/default/docker.sock`,
    `${home}/.rd/docker.sock`,
    ...(runtime ? [`${runtime}/podman/podman.sock`] : []),
    "/run/podman/podman.sock",
  ];
  return os === "darwin" ? mac : os === "linux" ? linux : [];
}

/** Whether somebody takes connections there; one that may not be used by this user is somebody. */
export function listens(socketPath: string, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: socketPath, timeout: withinMs });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(true));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code === "EACCES" || error.code === "EPERM"));
  });
}

/** A command line for the user: of the engine that the endpoint is of, else of one that is installed, else how to get one. */
export async function howToStart(endpoint: string, env: Env, os: string): Promise<string> {
  if (endpoint.includes("colima")) return "colima start";
  if (endpoint.includes("orbstack")) return "open -a OrbStack";
  if (endpoint.includes("/.rd/")) return "rdctl start";
  if (endpoint.includes("podman")) return os === "darwin" ? "podman machine start" : "systemctl --user start podman.socket";
  if (endpoint.includes("/.docker/desktop/")) return "systemctl --user start docker-desktop";
  if (endpoint.includes("/run/user/")) return "systemctl --user start docker";
  const there = async (file: string): Promise<boolean> =>
    access(file).then(
      () => true,
      () => false,
    );
  if (os === "darwin") {
    if (await there("/Applications/Docker.app")) return "open -a Docker";
    if (await there("/Applications/OrbStack.app")) return "open -a OrbStack";
  }
  if (os === "linux" && ((await there("/usr/sbin/dockerd")) || (await onPath("dockerd", env)))) {
    if (await there("/run/systemd/system")) return "sudo systemctl start docker";
    return (await there("/etc/init.d/docker")) ? "sudo service docker start" : "sudo dockerd";
  }
  if (await onPath("colima", env)) return "colima start";
  if (await onPath("rdctl", env)) return "rdctl start";
  if (await onPath("podman", env)) {
    return os === "darwin" ? "podman machine start" : "systemctl --user start podman.socket";
  }
  return os === "darwin" ? "open -a Docker" : "Install Docker: https://docs.docker.com/get-docker/";
}

async function onPath(program: string, env: Env): Promise<boolean> {
  const dirs = (env.PATH ?? "").split(path.delimiter).filter(Boolean);
  const found = await Promise.all(
    dirs.map((dir) =>
      access(path.join(dir, program), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
