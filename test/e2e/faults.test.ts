/**
 * The essential faults, with real processes, in short: nothing acknowledged is lost, overtaken, or doubled without a sign. The bench has
 * them all.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faults, runFault, type Pace } from "../bench/faults-plan.ts";
import { takeBundle } from "../bench/faults-stage.ts";

const PACE: Pace = { webhooks: 400, rate: 200, lanes: 4, haste: 0.1 };
const essential = [
  "agent killed",
  "edge killed",
  "edge killed in the middle of a drain",
  "edge restarted (SIGTERM)",
  "agent stopped (SIGSTOP)",
  "service frozen",
  "link black-holed",
  "platform killed",
  "database killed",
  "disk of the edge full",
  "clock jumps",
];
/** While the edge is there, the sender never has to repeat anything. */
const edgeIsThere = new Set([
  "agent killed",
  "agent stopped (SIGSTOP)",
  "service frozen",
  "link black-holed",
  "platform killed",
  "database killed",
]);

let bundle: Awaited<ReturnType<typeof takeBundle>>;
beforeAll(async () => {
  bundle = await takeBundle();
});
afterAll(() => bundle.remove());

describe.concurrent("nothing acknowledged is ever lost", () => {
  for (const fault of faults.filter(({ name }) => essential.includes(name))) {
    const possible = fault.stage.diskMb === undefined || process.getuid?.() === 0;
    test.skipIf(!possible)(fault.name, { timeout: 120_000 }, async ({ expect: soft }) => {
      const notes: string[] = [];
      const verdict = await runFault(bundle, fault, PACE, (line) => notes.push(line));
      const { sent, acknowledged, arrived, lost, outOfOrder, unexplained } = verdict;
      soft({ sent, acknowledged, arrived, lost, outOfOrder, unexplained }, notes.join("\n")).toEqual({
        sent: PACE.webhooks,
        acknowledged: PACE.webhooks,
        arrived: PACE.webhooks,
        lost: 0,
        outOfOrder: 0,
        unexplained: 0,
      });
      if (edgeIsThere.has(fault.name)) soft(verdict.refused, notes.join("\n")).toBe(0);
    });
  }
});

test("every essential fault exists", () => {
  expect(essential.filter((name) => !faults.some((fault) => fault.name === name))).toEqual([]);
});
