/** The same trigger many times, at a rate, and what came of it. */
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Triggered } from "../sources/facebook/trigger.ts";

/** Triggers under way at the same time. */
const CONCURRENCY = 50;

interface Repeat {
  count: number;
  /** A second; null: one after the other. */
  rate: number | null;
  signal: AbortSignal;
}

/** Ends early, with what there is, when the signal aborts. The first failure ends it; what is under way is waited for. */
export async function repeat(once: () => Promise<Triggered>, { count, rate, signal }: Repeat): Promise<Triggered[]> {
  const results: Triggered[] = [];
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const started = performance.now();
  // Each trigger under way listens, at more than one place; Node takes more than ten listeners for a leak, and says so on stderr.
  setMaxListeners(0, signal);
  for (let n = 0; n < count && !signal.aborted && failures.length === 0; n += 1) {
    const due = rate ? started + (n * 1_000) / rate : 0;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    const work: Promise<void> = once()
      .then((result) => void results.push(result))
      .catch((error: unknown) => void failures.push(error))
      .finally(() => underWay.delete(work));
    underWay.add(work);
    if (rate === null || underWay.size >= CONCURRENCY) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  if (failures.length > 0 && !signal.aborted) throw failures[0];
  return results;
}

export interface Summary {
  sent: number;
  answered200: number;
  held: number;
  /** By what was answered; 0: nothing. */
  others: Record<string, number>;
  /** Milliseconds until the webhook's answer. */
  p50: number;
  p95: number;
  text: string;
}

export function summaryOf(results: readonly Triggered[]): Summary {
  const times = results.flatMap(({ deliveries }) => deliveries.map(({ durationMs }) => durationMs)).sort((a, b) => a - b);
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
  const others: Record<string, number> = {};
  for (const { status } of results) if (status !== 200) others[status] = (others[status] ?? 0) + 1;
  const answered200 = results.filter(({ status }) => status === 200).length;
  const held = results.filter((result) => result.held).length;
  const rest = Object.entries(others).map(([status, count]) => `, ${status === "0" ? "not answered" : `answered ${status}`} ${count}`);
  const well = `${results.length} sent: answered 200 ${answered200}${held > 0 ? ` (held ${held})` : ""}`;
  const text = `${well}${rest.join("")}; p50 ${at(0.5)} ms, p95 ${at(0.95)} ms.`;
  return { sent: results.length, answered200, held, others, p50: at(0.5), p95: at(0.95), text };
}
