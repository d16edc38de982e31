/** The drainer against a disk that fails and entries that cannot be sent: neither ends a tunnel, nor the edge. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Drainer } from "../../../edge/hold/drainer.ts";
import type { HeldEntry, HoldStore } from "../../../edge/hold/hold-store.ts";
import type { StreamHandler } from "../../../edge/transport/stream.ts";
import type { Tunnel } from "../../../edge/tunnels/tunnel.ts";

let failing: boolean;
let queue: HeldEntry[];
let dead: [id: string, reason: string][];
let sent: { id: string; handler: StreamHandler }[];
const logs: string[] = [];

const store = {
  peek: async (_name: string, after: number, limit: number) => {
    if (failing) throw new Error("EMFILE: too many open files");
    return queue.filter(({ position }) => position > after).slice(0, limit);
  },
  recordAttempt: async () => 1,
  remove: async (_name: string, id: string) => void (queue = queue.filter(({ deliveryId }) => deliveryId !== id)),
  moveToDead: async (_name: string, id: string, reason: string) => {
    dead.push([id, reason]);
    queue = queue.filter(({ deliveryId }) => deliveryId !== id);
  },
} as unknown as HoldStore;

const tunnel = {
  kind: "agent",
  exchange: (head: { headers: string[] }, handler: StreamHandler) => {
    sent.push({ id: head.headers[head.headers.indexOf("Airy-Delivery") + 1] ?? "", handler });
    return { write: () => true, end: () => {}, reset: () => {}, consumed: () => {} };
  },
} as unknown as Tunnel;

function entry(deliveryId: string, position: number, rawHead = "POST\n/"): HeldEntry {
  return { deliveryId, position, attempts: 0, receivedAt: 0, source: "", rawHead: Buffer.from(rawHead), body: Buffer.from("x") };
}

function drainer(): Drainer {
  const made = new Drainer({ name: "n", store, stopping: () => false, onChange: () => {}, log: (line) => logs.push(line) });
  made.setTunnel(tunnel);
  return made;
}

const respond = (index: number, status: number) => {
  sent[index]?.handler.onHead?.({ status, reason: "", headers: [], end: true, upgrade: false });
  sent[index]?.handler.onEnd();
};

beforeEach(() => {
  vi.useFakeTimers();
  [failing, queue, dead, sent] = [false, [], [], []];
});
afterEach(() => void vi.useRealTimers());

it("throws nothing at whoever brings an answer while the disk fails, and goes on when it works again", async () => {
  queue = [entry("a", 1), entry("b", 2)];
  const one = drainer();
  await vi.advanceTimersByTimeAsync(10);
  failing = true;
  for (const index of [0, 1]) expect(() => respond(index, 401)).not.toThrow();
  queue.push(entry("c", 3));
  one.wake();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(logs.some((line) => line.includes("EMFILE"))).toBe(true);
  failing = false;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sent.map(({ id }) => id)).toContain("c");
  one.close();
  expect(vi.getTimerCount()).toBe(0);
});

it("sets aside what cannot be sent, and delivers the rest", async () => {
  queue = [entry("poison", 1, "no head at all"), entry("b", 2), entry("worse", 3, ""), entry("d", 4)];
  const one = drainer();
  await vi.advanceTimersByTimeAsync(10);
  expect(dead).toEqual([
    ["poison", "DAMAGED"],
    ["worse", "DAMAGED"],
  ]);
  expect(sent.map(({ id }) => id)).toEqual(["b", "d"]);
  for (const index of [0, 1]) respond(index, 200);
  await vi.advanceTimersByTimeAsync(10);
  expect(queue).toEqual([]);
  one.close();
  expect(vi.getTimerCount()).toBe(0);
});
