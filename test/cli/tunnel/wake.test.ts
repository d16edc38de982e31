import os from "node:os";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchWake } from "../../../cli/tunnel/wake.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

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

test("another address is another network; what containers come and go with is not", () => {
  const at = (address: string): os.NetworkInterfaceInfo[] => [
    { address, netmask: "255.255.255.0", family: "IPv4", mac: "00:00:00:00:00:00", internal: false, cidr: null },
  ];
  const interfaces = vi.spyOn(os, "networkInterfaces").mockReturnValue({ eth0: at("192.0.2.1") });
  const woken: string[] = [];
  const stop = watchWake((what) => woken.push(what));
  interfaces.mockReturnValue({ eth0: at("192.0.2.1"), veth12ab: at("192.0.2.7"), "br-0123": at("192.0.2.8"), docker0: at("192.0.2.9") });
  vi.advanceTimersByTime(2000);
  expect(woken).toEqual([]);
  interfaces.mockReturnValue({ eth0: at("192.0.2.2") });
  vi.advanceTimersByTime(2000);
  expect(woken).toEqual(["network"]);
  stop();
});
