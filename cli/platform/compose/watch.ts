/** Watches the containers of a project: while they start, until all are healthy or one has failed; and later, for what changes. */
import { setTimeout as delay } from "node:timers/promises";
import type { Engine } from "../../docker/engine.ts";
import { listenToContainers, type ContainerEvent } from "../../docker/events.ts";
import type { Emit } from "../../events.ts";
import { AiryError } from "../../errors.ts";
import type { Change } from "../platform.ts";
import { observeContainers, type Container } from "./containers.ts";
import { isDone } from "./core/readiness.ts";
import { logTail } from "./logs.ts";

/** How often a container that the engine has not checked yet is checked by us. */
const checkMs = 200;
/** Nothing is missed with events; this is for engines whose events have gaps. */
const restMs = 5000;
/** Events that come together are looked at together. */
const gatherMs = 20;
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
 * Resolves when `start` has and every expected service is healthy. `start` is called once nothing is missed any more.
 * Throws SERVICE_EXITED and SERVICE_UNHEALTHY with the last log lines, what `start` rejects with, or the signal's reason.
 */
export async function watchUntilHealthy(options: WatchOptions, start: () => Promise<void>): Promise<void> {
  const { engine, project, expected, signal } = options;
  const ours = (found: { service: string; configHash: string }): boolean => expected.get(found.service) === found.configHash;
  const bell = createBell();
  let crashed: ContainerEvent | null = null;
  const stop = await listenToContainers(engine, project, {
    onEvent: (event) => {
      // Seen here, before the engine's restart policy hides it.
      if (event.action === "die" && event.exitCode !== 0 && ours(event)) crashed ??= event;
      bell.ring();
    },
    onEnd: bell.ring,
  });
  signal.addEventListener("abort", bell.ring);
  let compose: "running" | "done" | { failed: unknown } = "running";
  void start()
    .then(
      () => (compose = "done"),
      (error: unknown) => (compose = { failed: error }),
    )
    .finally(bell.ring);
  const progress = (): typeof compose => compose;
  const reporter = createReporter(options.emit);
  try {
    for (;;) {
      signal.throwIfAborted();
      const before = progress(); // read before the list: what it shows is then at least as new
      const containers = (await observeContainers(engine, project)).filter(ours);
      reporter(containers.filter((one) => !isDone(one)));
      const dead = crashed as ContainerEvent | null;
      if (dead) throw await exited(engine, dead);
      const failed = containers.find((one) => one.exitCode !== null && !isDone(one));
      if (before === "done" && failed) throw await exited(engine, failed);
      const sick = containers.find(({ status }) => status.health === "unhealthy");
      if (sick) throw await unhealthy(engine, sick);
      if (typeof before === "object") throw before.failed;
      const healthy = containers.filter(isFine);
      if (before === "done" && healthy.length === expected.size) return;
      await bell.rung(containers.some(({ status }) => status.health === "starting") ? checkMs : restMs);
    }
  } finally {
    stop();
    signal.removeEventListener("abort", bell.ring);
  }
}

/**
 * Yields whenever something about the containers may have changed, and after `restMs` without that; null: then not. Goes on when the engine
 * goes and comes back; `connect` gets a new one, after `retryMs`.
 */
export async function* watchChanges(
  connect: () => Promise<Engine>,
  project: string,
  signal: AbortSignal,
  { retryMs, restMs }: { retryMs: number; restMs: () => number | null },
): AsyncGenerator<Change> {
  const bell = createBell();
  signal.addEventListener("abort", bell.ring);
  let asked = false;
  while (!signal.aborted) {
    const stream = { open: true };
    const started = new Set<string>();
    const stop = await connect()
      .then((engine) =>
        listenToContainers(engine, project, {
          onEvent: (event) => {
            if (event.action === "start") started.add(event.service);
            bell.ring();
          },
          onEnd: () => {
            stream.open = false;
            bell.ring();
          },
        }),
      )
      .catch(() => null);
    if (!stop) stream.open = false;
    yield { started: [], back: asked && stop !== null };
    asked = true;
    while (!signal.aborted && stream.open) {
      await bell.rung(restMs());
      const names = [...started];
      started.clear();
      if (!signal.aborted) yield { started: names, back: false };
    }
    stop?.();
    if (!stop) await delay(retryMs, undefined, { signal }).catch(() => {});
  }
  signal.removeEventListener("abort", bell.ring);
}

/** Healthy; or nobody inside can say, as in Airy's images; or a job that has done its work. */
export function isFine(one: Container): boolean {
  const { state, health } = one.status;
  return isDone(one) || (state === "running" && !one.paused && (health === "healthy" || one.healthTest === null));
}

/** Wakes one waiter; what rings while nobody waits is not lost. */
function createBell(): { ring: () => void; rung: (timeoutMs: number | null) => Promise<void> } {
  let waiting: (() => void) | null = null;
  let rang = false;
  return {
    ring: () => {
      rang = true;
      waiting?.();
    },
    async rung(timeoutMs) {
      if (!rang) {
        await new Promise<void>((resolve) => {
          const timer = timeoutMs === null ? undefined : setTimeout(resolve, timeoutMs);
          waiting = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        waiting = null;
      }
      if (rang) await delay(gatherMs);
      rang = false;
    },
  };
}

/** Emits what has changed since the last call, and what those that are not up yet wait for. */
export function createReporter(emit: Emit): (containers: readonly Container[]) => void {
  const last = new Map<string, string>();
  return (containers) => {
    const slow = new Set(containers.filter((one) => !isFine(one)).map(({ service }) => service));
    for (const { service, status, dependsOn } of containers) {
      const awaited = slow.has(service) ? dependsOn.filter((name) => slow.has(name)) : [];
      const detail = awaited.length === 0 ? null : `waits for ${awaited.join(", ")}`;
      const text = `${status.state} ${status.health} ${detail ?? ""}`;
      if (last.get(service) === text) continue;
      last.set(service, text);
      emit({ type: "service", service: status, ...(detail !== null && { detail }) });
    }
  };
}

async function exited(engine: Engine, container: Pick<Container, "id" | "service" | "exitCode">): Promise<AiryError> {
  const { service, exitCode } = container;
  return new AiryError("SERVICE_EXITED", { service, exitCode, log: await logTail(engine, container, tailLines) });
}

async function unhealthy(engine: Engine, container: Container): Promise<AiryError> {
  const { service, paused, healthOutput } = container;
  const reason = paused ? "Somebody has paused its container." : `Its health check says: ${healthOutput ?? "nothing"}`;
  return new AiryError("SERVICE_UNHEALTHY", { service, reason, log: await logTail(engine, container, tailLines) });
}
