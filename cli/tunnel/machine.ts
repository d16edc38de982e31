/** The tunnel's states as a table, and how long it waits between attempts. Pure. */
import type { TunnelState } from "../events.ts";

export type TunnelEvent =
  /** An attempt begins. */
  | "dial"
  /** The edge has welcomed us. */
  | "welcome"
  /** The attempt failed, or the connection was lost, in a way that may pass. */
  | "fail"
  /** The edge refuses us for good, a newer client has our name, or we were told to stop. */
  | "stop";

const table: Record<TunnelState, Partial<Record<TunnelEvent, TunnelState>>> = {
  idle: { dial: "connecting", stop: "closed" },
  connecting: { welcome: "open", fail: "waiting", stop: "closed" },
  open: { fail: "waiting", stop: "closed" },
  waiting: { dial: "connecting", stop: "closed" },
  closed: {},
};

/** The next state, or null where the event has no meaning in this one. */
export function next(state: TunnelState, event: TunnelEvent): TunnelState | null {
  return table[state][event] ?? null;
}

const FIRST_MS = { least: 50, most: 200 };
const SOON = { within: 30_000, cap: 1_000 };
const LATER_CAP_MS = 10_000;

/**
 * Milliseconds until the next attempt. The first follows after 50 to 200 ms; later ones are drawn from the whole range up to a cap
 * ("full jitter"), so that a thousand clients of a restarted edge do not come back in step.
 * @param attempt 1 for the first attempt after the loss.
 * @param sinceLossMs how long the tunnel has been down.
 * @param random in [0, 1).
 */
export function retryDelay(attempt: number, sinceLossMs: number, random: number): number {
  if (attempt <= 1) return FIRST_MS.least + random * (FIRST_MS.most - FIRST_MS.least);
  const cap = sinceLossMs < SOON.within ? SOON.cap : LATER_CAP_MS;
  return FIRST_MS.least + random * (Math.min(cap, FIRST_MS.most * 2 ** Math.min(attempt - 1, 10)) - FIRST_MS.least);
}
