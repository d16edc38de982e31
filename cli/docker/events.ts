/** What happens to the containers of a compose project, from the engine's event stream. */
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { z } from "zod";
import type { Engine } from "./engine.ts";

/** https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemEvents */
const eventSchema = z.object({
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()).nullish() }),
});

/** What changes a container's state or health; running its health check does not. */
const actions = ["create", "start", "die", "stop", "kill", "destroy", "pause", "unpause", "restart", "health_status", "rename", "oom"];

export interface ContainerEvent {
  /** `start`, `die`, `health_status: healthy`, ... */
  action: string;
  id: string;
  service: string;
  configHash: string;
  /** Of `die`. */
  exitCode: number | null;
}

export interface EventListener {
  onEvent: (event: ContainerEvent) => void;
  /** The engine ended the stream, or is gone. */
  onEnd: () => void;
}

/** Resolves once nothing is missed any more, with what ends it. Throws DOCKER_DOWN. */
export async function listenToContainers(engine: Engine, project: string, { onEvent, onEnd }: EventListener): Promise<() => void> {
  const filters = { type: ["container" as const], event: actions, label: [`com.docker.compose.project=${project}`] };
  const stream = (await engine.ask((docker) => docker.getEvents({ filters }))) as Readable;
  let stopped = false;
  stream.on("error", () => {}); // followed by close
  stream.on("close", () => {
    if (!stopped) onEnd();
  });
  const lines = createInterface({ input: stream });
  lines.on("error", () => {}); // that of the stream again
  lines.on("line", (line) => {
    const parsed = eventSchema.safeParse(parseJson(line));
    if (!parsed.success || stopped) return;
    const { Action, Actor } = parsed.data;
    const attributes = Actor.Attributes ?? {};
    const exitCode = attributes.exitCode ?? attributes.containerExitCode;
    onEvent({
      action: Action,
      id: Actor.ID,
      service: attributes["com.docker.compose.service"] ?? "",
      configHash: attributes["com.docker.compose.config-hash"] ?? "",
      exitCode: Action === "die" && exitCode !== undefined ? Number(exitCode) : null,
    });
  });
  return () => {
    stopped = true;
    stream.destroy();
  };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
