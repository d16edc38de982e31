/** Keeps the webhook registered: looks at the source every 10 minutes and mends what is ours. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Emit } from "../launch/events.ts";
import { asAiryError } from "../report/errors.ts";
import type { Source, SourceTarget } from "../sources/source.ts";

const EVERY_MS = 10 * 60 * 1000;

export interface Watch {
  /** null: nothing is configured, and nothing is done. */
  source: Source | null;
  target: SourceTarget;
  emit: Emit;
  /** The watch ends, without an error, when it is aborted. */
  signal: AbortSignal;
  log: (line: string) => void;
  everyMs?: number;
}

export async function watchWebhooks(watch: Watch): Promise<void> {
  const { source, target, emit, signal, log } = watch;
  while (!signal.aborted) {
    await sleep(watch.everyMs ?? EVERY_MS, undefined, { signal }).catch(() => {});
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
