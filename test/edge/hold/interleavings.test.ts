/**
 * Random interleavings of everything that can happen to a held webhook. Whatever happens: what was acknowledged is delivered or set
 * aside, the order is kept, nothing is stuck once all is well again, and nothing goes on when all is done.
 */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { OrderedQueue } from "../../../cli/tunnel/ordered.ts";
import { randomFrom } from "../../support/random.ts";
import { Edge, Line, MemoryStore, Service, type Mood } from "./world.ts";

const LANES = 3;
/** More with `SEEDS=100`: a seed takes a second or two. */
const SEEDS = Number(process.env.SEEDS ?? 10);

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

interface World {
  store: MemoryStore;
  service: Service;
  acknowledged: string[];
  maySetAside: boolean;
}

async function live(seed: number, moods: readonly Mood[]): Promise<World> {
  const chance = randomFrom(seed);
  // For the pauses between attempts.
  vi.spyOn(Math, "random").mockImplementation(() => chance(1_000) / 1_000);
  const store = new MemoryStore(chance);
  const service = new Service(chance);
  const acknowledged: string[] = [];
  let edge = new Edge(store);
  let process = new OrderedQueue();
  let line: Line | null = null;
  const sender = { sends: true };
  let expired = false;

  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const connect = () => {
    line = new Line(service, process, chance(6) === 0 ? "ssh" : "agent", chance(3) * 40);
    edge.connect(line);
  };
  const lose = (quick: boolean) => {
    const lost = line;
    line = null;
    if (!lost) return;
    const [edgeMs, agentMs] = quick ? [0, 0] : [chance(2_500), chance(2_500)];
    lost.cut(edgeMs, agentMs);
    const of = edge;
    setTimeout(() => of.tunnel === lost && of.connect(null), edgeMs);
  };
  const happen = (): void => {
    switch (chance(9)) {
      case 0:
        return lose(false);
      case 1:
        // The old connection is dead, and the edge may not know it yet.
        if (line && chance(2) === 0) lose(false);
        if (chance(2) === 0) process = new OrderedQueue();
        return connect();
      case 2:
        // A newer process takes over; the older one finishes what it has.
        process = new OrderedQueue();
        return connect();
      case 3:
      case 4:
        service.mood = moods[chance(moods.length)]!;
        return;
      case 5:
        store.failing = chance(2) === 0;
        return;
      case 6:
        edge.kill();
        lose(true);
        store.crash();
        edge = new Edge(store);
        return;
      case 7:
        if (chance(4) > 0) return;
        expired = true;
        void store.expire();
        return;
      default:
        if (!line) connect();
    }
  };

  const lane = async (number: number): Promise<void> => {
    for (let n = 0; sender.sends; n++) {
      const body = `lane${number} ${n} ${"x".repeat(chance(3) === 0 ? 3_000 : 10)}`;
      // The sender repeats until it is acknowledged.
      while ((await edge.post(body, chance)) !== 200) {
        if (!sender.sends) return;
        await pause(100 + chance(500));
      }
      acknowledged.push(body);
      await pause(chance(2_000));
    }
  };
  const stranger = async (): Promise<void> => {
    for (let n = 0; sender.sends; n++) {
      await edge.post(`forged ${n}`, chance);
      await pause(chance(3_000));
    }
  };

  const all = Promise.all([...Array.from({ length: LANES }, (_, number) => lane(number)), stranger(), stranger()]);
  for (let i = 0; i < 60; i++) {
    happen();
    await vi.advanceTimersByTimeAsync(chance(4_000));
  }
  // All is well again.
  sender.sends = false;
  store.failing = false;
  service.mood = "good";
  lose(true);
  await vi.advanceTimersByTimeAsync(100);
  process = new OrderedQueue();
  connect();
  await vi.advanceTimersByTimeAsync(120_000);
  await all;
  // An entry that nobody can tell from a forgery waits for the next one that is accepted.
  const last = edge.post("lane9 0 last", chance);
  await vi.advanceTimersByTimeAsync(60_000);
  await last;
  expect(store.bodies("waiting").filter((body) => !body.startsWith("forged"))).toEqual([]);
  edge.connect(null);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(edge.drainer.idle).toBe(true);
  expect(edge.bodies.bytes).toBe(0);
  edge.drainer.close();
  expect(vi.getTimerCount()).toBe(0);
  return { store, service, acknowledged, maySetAside: expired || moods.includes("wrongSecret") };
}

function expectKept({ store, service, acknowledged, maySetAside }: World): void {
  const accepted = new Set(service.accepted);
  const setAside = new Set(store.bodies("dead"));
  expect(acknowledged.length).toBeGreaterThan(10);
  const missing = acknowledged.filter((body) => !accepted.has(body));
  expect(maySetAside ? missing.filter((body) => !setAside.has(body)) : missing).toEqual([]);
}

/**
 * Of each lane: numbers in the order in which they were accepted for the first time. One that was set aside is in no order any more: a
 * service may still accept what it was sent before.
 */
function firstArrivals({ service, store }: World): number[][] {
  const inOrder = [...new Set(service.accepted)].filter((body) => !store.everSetAside.has(body));
  const firsts = inOrder.map((body) => /^lane(\d+) (\d+) /.exec(body));
  return Array.from({ length: LANES }, (_, lane) =>
    firsts.filter((found) => Number(found?.[1]) === lane).map((found) => Number(found?.[2])),
  );
}

const seeds = Array.from({ length: SEEDS }, (_, n) => n + 1);

it.each(seeds)("delivers all that was acknowledged, in order (seed %i)", { timeout: 120_000 }, async (seed) => {
  const world = await live(seed, ["good", "good", "500", "502", "slow", "endless", "silent", "breaking"]);
  expectKept(world);
  for (const numbers of firstArrivals(world)) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
});

it.each(seeds)("loses nothing while the service has the wrong secret now and then (seed %i)", { timeout: 120_000 }, async (seed) => {
  expectKept(await live(1_000 + seed, ["good", "wrongSecret", "wrongSecret", "502", "slow"]));
});
