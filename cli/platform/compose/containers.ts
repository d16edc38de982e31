/** The containers of a compose project as the engine describes them, and what they mean to us. */
import { z } from "zod";
import { profileNames } from "../../config/core.ts";
import type { ServiceHealth, ServiceState, ServiceStatus } from "../../events.ts";
import type { Engine } from "../../docker/engine.ts";
import { coreServices } from "./core/profiles.ts";

const list = z.array(z.object({ Id: z.string(), Labels: z.record(z.string(), z.string()) }));

/**
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerInspect. Asked for each container, because
 * the list has health in a text for people only, and podman's has it nowhere.
 */
const inspected = z.object({
  Id: z.string(),
  RestartCount: z.number().nullish(),
  State: z.object({
    Status: z.string(),
    ExitCode: z.number(),
    StartedAt: z.string().nullish(),
    Health: z
      .object({ Status: z.string().nullish(), Log: z.array(z.object({ End: z.string().nullish(), Output: z.string() })).nullish() })
      .nullish(),
  }),
  Config: z.object({
    Labels: z.record(z.string(), z.string()).nullish(),
    Healthcheck: z.object({ Test: z.array(z.string()).nullish() }).nullish(),
  }),
});

export interface Container {
  id: string;
  service: string;
  status: ServiceStatus;
  /** null while it runs. */
  exitCode: number | null;
  /** Of its part of the compose file, as `docker compose config --hash` prints it. */
  configHash: string;
  paused: boolean;
  /** Services that have to be there before it. */
  dependsOn: readonly string[];
  /** Tells its present run from earlier ones. */
  run: string;
  /** The command that tells whether it is healthy. */
  healthTest: readonly string[] | null;
  /** What that printed the last time. */
  healthOutput: string | null;
}

/** What `airy status` shows first comes first. */
const order = ["postgres", "platform", ...coreServices(profileNames).keys(), "edge", "facebook"];

export async function listContainers(engine: Engine, project: string): Promise<Container[]> {
  const filters = { label: [`com.docker.compose.project=${project}`] };
  const found = list.parse(await engine.ask((docker, abortSignal) => docker.listContainers({ all: true, filters, abortSignal })));
  const details = await Promise.all(
    found.map(({ Id }) => engine.ask((docker, abortSignal) => docker.getContainer(Id).inspect({ abortSignal }))),
  );
  return details
    .filter((detail) => detail !== null) // removed since it was listed
    .map((detail) => containerOf(inspected.parse(detail)))
    .sort((a, b) => order.indexOf(a.service) - order.indexOf(b.service));
}

/** On this machine, by the project's containers that run. */
export async function publishedPorts(engine: Engine, project: string): Promise<Set<number>> {
  const filters = { label: [`com.docker.compose.project=${project}`] };
  const found = (await engine.ask((docker, abortSignal) => docker.listContainers({ filters, abortSignal }))) ?? [];
  return new Set(found.flatMap(({ Ports }) => (Ports ?? []).map(({ PublicPort }) => PublicPort).filter((port) => port !== undefined)));
}

/**
 * The same, and those that the engine has not checked yet, or found unhealthy some time ago, are checked by us: engines before 25 look for
 * the first time after a whole interval, podman without systemd never does, and a container that was paused counts as unhealthy until the
 * next look.
 * @param passed what has passed before, which is believed until the engine has looked itself.
 */
export async function observeContainers(engine: Engine, project: string, passed: Set<string> = new Set()): Promise<Container[]> {
  const containers = await listContainers(engine, project);
  return Promise.all(
    containers.map(async (container) => {
      const { status, run, paused } = container;
      if (status.state !== "running" || paused || (status.health !== "starting" && status.health !== "unhealthy")) return container;
      const known = status.health === "starting" && passed.has(run);
      if (!known && !(await passesHealthTest(engine, container).catch(() => false))) return container;
      passed.add(run);
      return { ...container, status: { ...status, health: "healthy" as const } };
    }),
  );
}

function containerOf({ Id, RestartCount, State, Config }: z.output<typeof inspected>): Container {
  const service = Config.Labels?.["com.docker.compose.service"] ?? "";
  const state = stateOf(State.Status);
  const test = Config.Healthcheck?.Test ?? null;
  return {
    id: Id,
    service,
    status: {
      name: service,
      state,
      health: healthOf(State.Status, State.Health?.Status ?? null),
      ...(RestartCount ? { restarts: RestartCount } : {}),
    },
    exitCode: state === "exited" || State.Status === "restarting" ? State.ExitCode : null,
    configHash: Config.Labels?.["com.docker.compose.config-hash"] ?? "",
    paused: State.Status === "paused",
    dependsOn: dependenciesOf(Config.Labels?.["com.docker.compose.depends_on"]),
    run: `${Id} ${State.StartedAt ?? ""}`,
    healthTest: test && test.length > 1 ? test : null,
    healthOutput: State.Health?.Log?.at(-1)?.Output.trim() || null,
  };
}

/** `postgres:service_started:false,setup:service_completed_successfully:false`, as compose labels its containers. */
function dependenciesOf(label: string | undefined): string[] {
  return (label ?? "")
    .split(",")
    .flatMap((entry) => entry.split(":", 1))
    .filter(Boolean);
}

export function stateOf(state: string): ServiceState {
  switch (state) {
    case "created":
    case "configured": // podman
    case "initialized":
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

export function healthOf(state: string, health: string | null): ServiceHealth {
  if (state === "paused") return "unhealthy";
  if (state !== "running") return "none";
  return health === "healthy" || health === "unhealthy" || health === "starting" ? health : "none";
}

/** Runs the container's own check in it, as the engine does. */
async function passesHealthTest(engine: Engine, { id, healthTest }: Container): Promise<boolean> {
  const [kind, ...args] = healthTest ?? [];
  if (kind === undefined) return false;
  return (await execute(engine, id, kind === "CMD-SHELL" ? ["/bin/sh", "-c", ...args] : args)).exitCode === 0;
}

/** Runs a program in a container to its end, at most 10 s. Throws DOCKER_DOWN, or a plain error when the container does not run. */
export async function execute(engine: Engine, id: string, command: string[]): Promise<{ exitCode: number | null; output: string }> {
  const result = await engine.ask(async (docker, abortSignal) => {
    const run = await docker.getContainer(id).exec({ Cmd: command, AttachStdout: true, AttachStderr: true, abortSignal });
    const stream = await run.start({ abortSignal });
    let output = "";
    for await (const chunk of stream) output += String(chunk);
    return { exitCode: (await run.inspect({ abortSignal })).ExitCode, output };
  });
  return result ?? { exitCode: null, output: "" };
}
