/** What became of the webhooks of one run: lost, duplicated, out of order. */
import type { MetaSender } from "../support/meta-sender.ts";
import type { Arrival } from "./faults-stage.ts";

export interface Verdict {
  /** Webhooks that the sender began to send. */
  sent: number;
  acknowledged: number;
  /** Attempts that were not answered with 200. */
  refused: number;
  /** Different webhooks that arrived. */
  arrived: number;
  /** Acknowledged, and not arrived by the end. */
  lost: number;
  /** Arrivals beyond the first of each webhook. */
  duplicated: number;
  /** Of these: the same delivery id again, so that a service can tell. */
  repeatedById: number;
  /** Of these: another delivery id, because the sender had seen no 200 and sent it again. */
  resent: number;
  /** Of these: another delivery id although the sender sent it once. Nothing explains that. */
  unexplained: number;
  /** Webhooks that arrived (for the first time) after a later one of the same lane. */
  outOfOrder: number;
  longestGapMs: number;
}

export function judge(sender: MetaSender, arrivals: readonly Arrival[], lanes: number): Verdict {
  const ids = new Map<number, Set<string>>();
  const latestOfLane = new Map<number, number>();
  let repeatedById = 0;
  let outOfOrder = 0;
  for (const { n, id } of arrivals) {
    const known = ids.get(n);
    if (known) {
      if (known.has(id)) repeatedById += 1;
      known.add(id);
      continue;
    }
    ids.set(n, new Set([id]));
    const latest = latestOfLane.get(n % lanes) ?? -1;
    if (n < latest) outOfOrder += 1;
    else latestOfLane.set(n % lanes, n);
  }
  let resent = 0;
  let unexplained = 0;
  for (const [n, known] of ids) {
    const attempts = sender.webhooks.get(n)?.attempts ?? 0;
    resent += Math.min(known.size, Math.max(1, attempts)) - 1;
    unexplained += Math.max(0, known.size - Math.max(1, attempts));
  }
  return {
    sent: sender.webhooks.size,
    acknowledged: sender.acknowledged(),
    refused: [...sender.refusals.values()].reduce((sum, count) => sum + count, 0),
    arrived: ids.size,
    lost: missing(sender, arrivals).length,
    duplicated: arrivals.length - ids.size,
    repeatedById,
    resent,
    unexplained,
    outOfOrder,
    longestGapMs: sender.longestGapMs(),
  };
}

/** Numbers of those that were acknowledged and have not arrived. */
export function missing(sender: MetaSender, arrivals: readonly Arrival[]): number[] {
  const arrived = new Set(arrivals.map(({ n }) => n));
  return [...sender.webhooks.values()].filter(({ n, acknowledged }) => acknowledged && !arrived.has(n)).map(({ n }) => n);
}
