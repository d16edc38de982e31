/** What the agent process looks after while all runs: the webhook at the source, and the services. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Emit } from "../events.ts";
import type { Platform } from "../platform/platform.ts";
import { asAiryError } from "../errors.ts";
import type { Source, SourceTarget } from "../sources/source.ts";

const WEBHOOK_EVERY_MS = 10 * 60 * 1000;
const SERVICES_EVERY_MS = 5000;

interface Watch {
  /** null: nothing is configured, and nothing is done. */
  source: Source | null;
  target: SourceTarget;
  emit: Emit;
  /** The watch ends, without an error, when it is aborted. */
  signal: AbortSignal;
  log: (line: string) => void;
  everyMs?: number;
}

/** Looks at the source from time to time, and mends what is ours. */
export async function watchWebhooks(watch: Watch): Promise<void> {
  const { source, target, emit, signal, log } = watch;
  while (!signal.aborted) {
    await sleep(watch.everyMs ?? WEBHOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted || !source) continue;
    try {
      const { webhooks, repaired } = await source.repair(target, emit, signal);
      for (const webhook of webhooks) emit({ type: "webhook", webhook, ...(repaired ? { detail: "repaired" } : {}) });
    } catch (error) {
      const failure = asAiryError(error);
      if (signal.aborted) return;
      log(`webhook: ${failure.code} ${failure.message}`);
      emit({ type: "warning", code: failure.code, message: failure.message });
    }
  }
}

interface ServiceWatch {
  platform: Platform;
  workspace: string;
  emit: Emit;
  signal: AbortSignal;
  everyMs?: number;
}

/** Reports services whose state has changed: containers do so without anybody in this process being told. */
export async function watchServices(watch: ServiceWatch): Promise<void> {
  const { platform, workspace, emit, signal } = watch;
  const known = new Map<string, string>();
  while (!signal.aborted) {
    const services = await platform.status(workspace).catch(() => []);
    for (const service of services) {
      const state = `${service.state} ${service.health}`;
      const before = known.get(service.name);
      known.set(service.name, state);
      if (before !== undefined && before !== state && !signal.aborted) emit({ type: "service", service });
    }
    await sleep(watch.everyMs ?? SERVICES_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}
