/** Watches the containers of a project while they start: says how each gets on, and notices a crash at once. */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Emit } from "../../events.ts";
import { AiryError } from "../../errors.ts";
import { listContainers, type Container } from "./containers.ts";
import type { Engine } from "./engine.ts";
import { logTail } from "./logs.ts";

/** A crash has to be seen before the engine's restart policy hides it: its first restart comes after 100 ms. */
const pollMs = 80;
const tailLines = 20;

export interface WatchOptions {
  engine: Engine;
  project: string;
  /** Service -> configuration hash; containers with another hash are about to be replaced. */
  expected: ReadonlyMap<string, string>;
  emit: Emit;
  signal: AbortSignal;
}

/**
 * Resolves when `started` has and every expected service is healthy.
 * Throws SERVICE_EXITED and SERVICE_UNHEALTHY with the last log lines, what `started` rejects with, or the signal's reason.
 */
export async function watchUntilHealthy(options: WatchOptions, started: Promise<void>): Promise<void> {
  const { engine, project, expected, signal } = options;
  const progress: { compose: "running" | "done" | { failed: unknown } } = { compose: "running" };
  started.then(
    () => (progress.compose = "done"),
    (error: unknown) => (progress.compose = { failed: error }),
  );
  const reporter = createReporter(options.emit);
  const alive = new Set<string>();
  for (;;) {
    signal.throwIfAborted();
    const { compose } = progress; // read before the list: what it shows is then at least as new
    const containers = (await listContainers(engine, project)).filter((c) => expected.get(c.service) === c.configHash);
    reporter(containers);
    for (const container of containers) {
      if (container.status.state !== "exited") alive.add(container.id);
      // One that was found exited may be from an earlier start; compose starts it again.
      const ours = alive.has(container.id) || compose === "done";
      if (ours && container.exitCode !== null && (container.exitCode !== 0 || compose === "done")) throw await exited(engine, container);
      if (container.status.health === "unhealthy") throw await unhealthy(engine, container);
    }
    if (typeof compose === "object") throw compose.failed;
    const healthy = containers.filter(({ status }) => status.state === "running" && status.health === "healthy");
    if (compose === "done" && healthy.length === expected.size) return;
    await delay(pollMs);
  }
}

/** Emits what has changed since the last call. */
export function createReporter(emit: Emit): (containers: readonly Container[]) => void {
  const last = new Map<string, string>();
  return (containers) => {
    for (const { service, status } of containers) {
      const text = `${status.state} ${status.health}`;
      if (last.get(service) === text) continue;
      last.set(service, text);
      emit({ type: "service", service: status });
    }
  };
}

async function exited(engine: Engine, container: Container): Promise<AiryError> {
  const log = await logTail(engine, container, tailLines);
  return new AiryError("SERVICE_EXITED", { service: container.service, exitCode: container.exitCode, log });
}

const inspectSchema = z.object({ State: z.object({ Health: z.object({ Log: z.array(z.object({ Output: z.string() })) }).nullish() }) });

async function unhealthy(engine: Engine, container: Container): Promise<AiryError> {
  const log = await logTail(engine, container, tailLines);
  const inspected = inspectSchema.safeParse(JSON.parse(String(await engine.get(`/containers/${container.id}/json`))));
  const said = inspected.data?.State.Health?.Log.at(-1)?.Output.trim();
  return new AiryError("SERVICE_UNHEALTHY", { service: container.service, reason: `Its health check says: ${said || "nothing"}`, log });
}
