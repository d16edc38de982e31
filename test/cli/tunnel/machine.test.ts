import { expect, it } from "vitest";
import { next, retryDelay, type TunnelEvent } from "../../../cli/tunnel/machine.ts";
import type { TunnelState } from "../../../cli/events.ts";

const STATES: TunnelState[] = ["idle", "connecting", "open", "waiting", "closed"];
const EVENTS: TunnelEvent[] = ["dial", "welcome", "fail", "stop"];

it("never leaves the table, whatever happens, and closed is final", () => {
  for (let round = 0; round < 500; round++) {
    let state: TunnelState = "idle";
    for (let i = 0; i < 40; i++) {
      const event = EVENTS[Math.floor(Math.random() * EVENTS.length)]!;
      const after = next(state, event);
      if (after === null) continue;
      expect(STATES).toContain(after);
      expect(state).not.toBe("closed");
      expect(after).not.toBe(state);
      if (after === "open") expect(state).toBe("connecting");
      if (after === "connecting") expect(["idle", "waiting"]).toContain(state);
      state = after;
    }
    if (state === "closed") for (const event of EVENTS) expect(next(state, event)).toBeNull();
  }
});

it("can be stopped from everywhere but the end", () => {
  for (const state of STATES) expect(next(state, "stop")).toBe(state === "closed" ? null : "closed");
});

it("tries again after 50 to 200 ms at first", () => {
  for (const random of [0, 0.5, 0.999]) {
    const delay = retryDelay(1, 0, random);
    expect(delay).toBeGreaterThanOrEqual(50);
    expect(delay).toBeLessThan(200);
  }
});

it("never waits more than a second in the first 30 s, more than 10 s later, nor less than 50 ms", () => {
  for (let attempt = 1; attempt < 2000; attempt += attempt < 20 ? 1 : 97) {
    for (const random of [0, 0.25, 0.999_999]) {
      expect(retryDelay(attempt, 29_999, random)).toBeLessThanOrEqual(1_000);
      expect(retryDelay(attempt, 86_400_000, random)).toBeLessThanOrEqual(10_000);
      expect(retryDelay(attempt, 86_400_000, random)).toBeGreaterThanOrEqual(50);
    }
  }
});

it("spreads over the whole range up to the cap", () => {
  expect(retryDelay(50, 60_000, 0.999_999)).toBeGreaterThan(9_900);
  expect(retryDelay(50, 60_000, 0)).toBe(50);
});
