/** The containers of a compose project as the engine lists them, and what they mean to us. */
import { z } from "zod";
import type { ServiceHealth, ServiceState, ServiceStatus } from "../../events.ts";
import type { Engine } from "./engine.ts";

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerList */
const listSchema = z.array(
  z.object({
    Id: z.string(),
    State: z.string(),
    /** For people, and the only place in the list with health and exit code: `Up 2 minutes (healthy)`, `Exited (1) 3 seconds ago`. */
    Status: z.string(),
    Labels: z.record(z.string(), z.string()),
  }),
);

export interface Container {
  id: string;
  service: string;
  status: ServiceStatus;
  /** null while it runs. */
  exitCode: number | null;
  /** Of its part of the compose file, as `docker compose config --hash` prints it. */
  configHash: string;
}

/** What `airy status` shows first comes first. */
const order = ["postgres", "platform", "edge", "facebook"];

export async function listContainers(engine: Engine, project: string): Promise<Container[]> {
  const filters = JSON.stringify({ label: [`com.docker.compose.project=${project}`] });
  const listed = listSchema.parse(JSON.parse(String(await engine.get(`/containers/json?all=1&filters=${encodeURIComponent(filters)}`))));
  return listed
    .map(({ Id, State, Status, Labels }) => {
      const service = Labels["com.docker.compose.service"] ?? "";
      const exitCode = /^(?:Exited|Restarting) \((\d+)\)/.exec(Status)?.[1];
      return {
        id: Id,
        service,
        status: { name: service, state: stateOf(State), health: healthOf(State, Status) },
        exitCode: exitCode === undefined ? null : Number(exitCode),
        configHash: Labels["com.docker.compose.config-hash"] ?? "",
      };
    })
    .sort((a, b) => order.indexOf(a.service) - order.indexOf(b.service));
}

export function stateOf(state: string): ServiceState {
  switch (state) {
    case "created":
      return "created";
    case "restarting":
      return "starting";
    case "running":
    case "paused":
      return "running";
    default:
      return "exited"; // exited, dead, removing
  }
}

export function healthOf(state: string, status: string): ServiceHealth {
  if (state === "paused") return "unhealthy";
  if (state !== "running") return "none";
  if (status.includes("(healthy)")) return "healthy";
  if (status.includes("(unhealthy)")) return "unhealthy";
  return status.includes("(health: starting)") ? "starting" : "none";
}
