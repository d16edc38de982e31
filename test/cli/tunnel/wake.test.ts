import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchWake } from "../../../cli/tunnel/wake.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A minute in which no timer runs. */
function sleep(monotonic: "stands still" | "goes on"): void {
  const frozen = performance.now();
  vi.setSystemTime(Date.now() + 60_000);
  if (monotonic === "goes on") vi.spyOn(performance, "now").mockReturnValue(frozen + 60_000);
}

test.each(["stands still", "goes on"] as const)("sleep is noticed where the monotonic clock %s in it", (monotonic) => {
  const woken: string[] = [];
  const stop = watchWake((what) => woken.push(what));
  vi.advanceTimersByTime(10_000);
  expect(woken).toEqual([]);
  sleep(monotonic);
  vi.advanceTimersByTime(1000);
  expect(woken).toEqual(["sleep"]);
  vi.advanceTimersByTime(10_000);
  expect(woken).toHaveLength(1);
  stop();
  sleep(monotonic);
  vi.advanceTimersByTime(10_000);
  expect(woken).toHaveLength(1);
});
