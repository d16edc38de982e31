/**
 * Wall-clock milliseconds that do not jump: the wall clock is read once, and from then on the monotonic clock counts. An operator or
 * NTP setting the clock must not make held webhooks expire or names fall free. While the machine is suspended it
 * stands still on Linux (CLOCK_MONOTONIC; macOS goes on), so ages err on the side of keeping.
 */
export function steadyClock(): () => number {
  const offset = Date.now() - performance.now();
  return () => Math.round(offset + performance.now());
}
