/** What the agent process looks after while all runs: the services, and its own record. The webhook: registration.ts. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Emit, ServiceStatus } from "../events.ts";
import type { Platform } from "../platform/platform.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readRecord } from "./record.ts";
import { lookAtServices } from "./status.ts";

interface ServiceWatch {
  platform: Pick<Platform, "status" | "changes">;
  workspace: string;
  /** The services that should be there. */
  expected: readonly string[];
  emit: Emit;
  signal: AbortSignal;
  /** A service was started again without anybody in this process having done so. */
  onStarted: (service: string) => Promise<void>;
  /** The engine was away and is back, and these services are not. Once for each time that the engine comes back. */
  onDown: (services: readonly string[]) => Promise<void>;
  /** After each look. */
  onSeen: (services: readonly ServiceStatus[]) => Promise<void>;
}

/** Reports services whose state has changed, or that are gone, and an engine that does not answer. */
export async function watchServices(watch: ServiceWatch): Promise<void> {
  const { platform, workspace, expected, emit, signal } = watch;
  const known = new Map<string, string>();
  let problem = "";
  for await (const { started, back } of platform.changes(workspace, signal)) {
    const { services, problems } = await lookAtServices(platform, workspace, expected);
    if (signal.aborted) return;
    for (const service of services) {
      const state = `${service.state} ${service.health}`;
      const before = known.get(service.name);
      known.set(service.name, state);
      if (before !== undefined && before !== state) emit({ type: "service", service });
    }
    const [first] = problems;
    if (first && first.code !== problem) emit({ type: "warning", ...first });
    problem = first?.code ?? "";
    for (const service of started) await watch.onStarted(service);
    const down = services.filter(({ state }) => state === "exited").map(({ name }) => name);
    if (back && down.length > 0) await watch.onDown(down);
    else await watch.onSeen(services);
  }
}

const RECORD_EVERY_MS = 5000;

/** Resolves when the record of this process is not there any more: its workspace was deleted under it, and nobody could find it again. */
export async function watchRecord(paths: WorkspacePaths, startId: string, signal: AbortSignal, everyMs = RECORD_EVERY_MS): Promise<void> {
  while (!signal.aborted) {
    if ((await readRecord(paths))?.startId !== startId) return;
    await sleep(everyMs, undefined, { signal }).catch(() => {});
  }
}
