import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DELIVERY_ID } from "../../../edge/hold/delivery-id.ts";
import { ENTRY_OVERHEAD } from "../../../edge/hold/entry.ts";
import type { Webhook } from "../../../edge/hold/hold-store.ts";
import { openHoldStore, type HoldStoreOptions, type LocalHoldStore } from "../../../edge/hold/store.ts";

const HOUR = 3_600_000;
let dir: string;
let time: number;
let store: LocalHoldStore;
let options: HoldStoreOptions;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-hold-"));
  time = Date.UTC(2026, 0, 1);
  options = { dataDir: dir, now: () => time };
  store = openHoldStore(options);
});

afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

async function reopen(changes: Partial<HoldStoreOptions> = {}): Promise<void> {
  await store.close();
  options = { ...options, ...changes };
  store = openHoldStore(options);
}

function webhook(body: string | Buffer = "{}", source = "192.0.2.1"): Webhook {
  return { rawHead: Buffer.from("POST /facebook HTTP/1.1\r\nHost: x\r\n\r\n"), body: Buffer.from(body), source, receivedAt: time };
}

async function append(identifier: string, ...bodies: string[]): Promise<string[]> {
  const ids = bodies.map(() => store.newDeliveryId());
  await Promise.all(bodies.map((body, i) => store.append(identifier, ids[i]!, webhook(body))));
  return ids;
}

const bodies = async (name: string, after = 0, limit = 1000) =>
  (await store.peek(name, after, limit)).map((entry) => entry.body.toString());

describe("the queue", () => {
  it("gives back raw bytes, in the order of the calls, also after a restart", async () => {
    const body = randomBytes(300_000);
    const rawHead = randomBytes(3000);
    const id = store.newDeliveryId();
    await store.append("anna", id, { rawHead, body, source: "2001:db8::1", receivedAt: 1234 });
    await append("anna", "one", "two", "three");
    await append("boris", "other");
    for (let round = 0; round < 2; round++) {
      const [first] = await store.peek("anna", 0, 1);
      expect(first!.rawHead.equals(rawHead) && first!.body.equals(body)).toBe(true);
      expect(first).toMatchObject({ deliveryId: id, position: 1, source: "2001:db8::1", receivedAt: 1234, attempts: 0 });
      expect(await bodies("anna", first!.position)).toEqual(["one", "two", "three"]);
      expect(await bodies("boris")).toEqual(["other"]);
      expect(store.names().sort()).toEqual(["anna", "boris"]);
      await reopen();
    }
  });

  it("keeps empty bodies and empty heads", async () => {
    await store.append("anna", "a", { ...webhook(), rawHead: Buffer.alloc(0), body: Buffer.alloc(0) });
    expect(await store.peek("anna", 0, 1)).toMatchObject([{ rawHead: Buffer.alloc(0), body: Buffer.alloc(0) }]);
  });

  it("can be walked in pieces while its entries go", async () => {
    const ids = await append("anna", ..."abcdefgh");
    const first = await store.peek("anna", 0, 3);
    expect(first.map((entry) => entry.body.toString())).toEqual(["a", "b", "c"]);
    const cursor = first[2]!.position;
    await Promise.all([ids[0]!, ids[2]!, ids[3]!].map((id) => store.remove("anna", id)));
    expect(await bodies("anna", cursor, 2)).toEqual(["e", "f"]);
    expect(await bodies("anna")).toEqual(["b", "e", "f", "g", "h"]);
    await reopen();
    expect(await bodies("anna")).toEqual(["b", "e", "f", "g", "h"]);
  });

  it("is read in pieces of some MB", async () => {
    const large = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 8; i++) await store.append("anna", `${i}`, webhook(large, `192.0.${i}.1`));
    const read: string[] = [];
    for (let after = 0; ;) {
      const some = await store.peek("anna", after, 64);
      expect(some.length).toBeLessThan(6);
      const last = some.at(-1);
      if (!last) break;
      read.push(...some.map((entry) => entry.deliveryId));
      after = last.position;
    }
    expect(read).toEqual([..."01234567"]);
  });

  it("does not show what is not on disk yet", async () => {
    const appended = append("anna", "one");
    expect(await bodies("anna")).toEqual([]);
    expect(store.stats("anna").entries).toBe(1);
    await appended;
    expect(await bodies("anna")).toEqual(["one"]);
  });

  it("forgets an entry whose storing is under way when a late answer makes it unnecessary", async () => {
    const id = store.newDeliveryId();
    const appended = store.append("anna", id, webhook("late"));
    await Promise.all([appended, store.remove("anna", id)]);
    expect(store.stats("anna").entries).toBe(0);
    await reopen();
    expect(store.names()).toEqual([]);
  });

  it("stores an id once, however often it is appended", async () => {
    const id = store.newDeliveryId();
    const places = await Promise.all([store.append("anna", id, webhook("a")), store.append("anna", id, webhook("a"))]);
    places.push(await store.append("anna", id, webhook("a")));
    expect(new Set(places.map((place) => place.position)).size).toBe(1);
    expect(await bodies("anna")).toEqual(["a"]);
  });

  it("goes on with positions after a restart", async () => {
    await append("anna", "a", "b");
    const last = (await store.peek("anna", 0, 9))[1]!.position;
    await reopen();
    await append("anna", "c");
    expect(await bodies("anna", last)).toEqual(["c"]);
  });

  it("does not mind removing what is not there", async () => {
    await store.remove("nobody", "nothing");
    await append("anna", "a");
    await store.remove("anna", "nothing");
    await store.moveToDead("anna", "nothing", "x");
    expect(await store.recordAttempt("anna", "nothing")).toBe(0);
    expect(await bodies("anna")).toEqual(["a"]);
  });

  it("counts attempts over restarts", async () => {
    const [id] = await append("anna", "a");
    expect(await store.recordAttempt("anna", id!)).toBe(1);
    expect(await Promise.all([store.recordAttempt("anna", id!), store.recordAttempt("anna", id!)])).toEqual([2, 3]);
    await reopen();
    expect((await store.peek("anna", 0, 1))[0]!.attempts).toBe(3);
    expect(await store.recordAttempt("anna", id!)).toBe(4);
  });
});

describe("delivery ids", () => {
  it("are unique, well-formed and sort in the order they were made, also when the clock goes back", () => {
    const ids: string[] = [];
    for (let i = 0; i < 20_000; i++) {
      if (i % 100 === 0) time += i % 300 === 0 ? -50_000 : 20;
      ids.push(store.newDeliveryId());
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect([...ids].sort()).toEqual(ids);
    expect(ids.every((id) => DELIVERY_ID.test(id))).toBe(true);
  });
});

describe("dead letters", () => {
  it("let the rest flow, are kept over restarts with their reason, and can be sent again under their old id", async () => {
    const ids = await append("anna", "a", "b", "c", "d");
    await store.recordAttempt("anna", ids[1]!);
    time += 1000;
    await store.moveToDead("anna", ids[1]!, "STATUS_404");
    time += 1000;
    await store.moveToDead("anna", ids[0]!, "STATUS_410");
    await reopen();
    expect(await bodies("anna")).toEqual(["c", "d"]);
    const letter = { deliveryId: ids[1], bytes: webhook("b").rawHead.length + 1, source: "192.0.2.1", attempts: 1, reason: "STATUS_404" };
    expect(await store.dead("anna")).toMatchObject([{ ...letter, receivedAt: time - 2000, diedAt: time - 1000 }, { deliveryId: ids[0] }]);
    expect(store.stats("anna")).toMatchObject({ entries: 2, dead: 2 });

    expect(await store.replayDead("anna", [ids[1]!, "unknown", ids[2]!])).toBe(1);
    expect(await bodies("anna")).toEqual(["c", "d", "b"]);
    await reopen();
    expect(await bodies("anna")).toEqual(["c", "d", "b"]);
    expect((await store.peek("anna", 0, 9))[2]).toMatchObject({ deliveryId: ids[1], attempts: 1 });
    expect(await store.replayDead("anna", "all")).toBe(1);
    expect(await bodies("anna")).toEqual(["c", "d", "b", "a"]);
    expect(await store.dead("anna")).toEqual([]);
    expect(await store.replayDead("nobody", "all")).toBe(0);
  });

  it("can be removed like any entry", async () => {
    const [id] = await append("anna", "a");
    await store.moveToDead("anna", id!, "x");
    await store.remove("anna", id!);
    await reopen();
    expect(await store.dead("anna")).toEqual([]);
    expect(store.names()).toEqual([]);
  });
});

describe("quotas", () => {
  const one: Webhook = { rawHead: Buffer.alloc(30), body: Buffer.alloc(1000), source: "192.0.2.1", receivedAt: 0 };
  const cost = one.rawHead.length + 1000 + ENTRY_OVERHEAD;

  it("are a tunnel's own; what would exceed one is refused and not stored; removing makes room", async () => {
    await reopen({ maxBytesPerTunnel: 8 * cost });
    const source = (i: number) => `192.0.${i}.1`;
    const ids: string[] = [];
    for (let i = 0; i < 8; i++) {
      ids.push(store.newDeliveryId());
      await store.append("anna", ids[i]!, { ...one, source: source(i) });
    }
    await expect(store.append("anna", "more", { ...one, source: "203.0.113.1" })).rejects.toMatchObject({ code: "HOLD_FULL" });
    await store.append("boris", "b", one);
    expect(store.stats("anna")).toMatchObject({ entries: 8, bytes: 8 * cost });
    await store.moveToDead("anna", ids[0]!, "x");
    await reopen();
    expect(store.stats("anna")).toMatchObject({ entries: 7, dead: 1, bytes: 8 * cost });
    await expect(store.append("anna", "more", { ...one, source: "203.0.113.1" })).rejects.toMatchObject({ code: "HOLD_FULL" });
    await store.remove("anna", ids[0]!);
    await store.append("anna", "more", { ...one, source: "203.0.113.1" });
    await expect(store.append("anna", "yet more", one)).rejects.toMatchObject({ code: "HOLD_FULL" });
  });

  it("count what is under way", async () => {
    await reopen({ maxBytesPerTunnel: 8 * cost });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => store.append("anna", `id${i}`, { ...one, source: `192.0.${i}.1` })),
    );
    expect(results.map((result) => result.status === "fulfilled")).toEqual(Array.from({ length: 20 }, (_, i) => i < 8));
  });

  it.each([
    ["IPv4 /24", ["198.51.100.1", "198.51.100.255", "::ffff:198.51.100.7"], "198.51.101.1"],
    ["IPv6 /48", ["2001:db8:1::1", "2001:db8:1:ffff::1", "2001:0DB8:0001:2:3:4:5:6"], "2001:db8:2::1"],
    ["IPv6 with zeros", ["::1", "0:0:0:1::", "fe80::1%eth0".replace("fe80", "0")], "1::1"],
  ])("leave one network a quarter (%s)", async (_, same, other) => {
    await reopen({ maxBytesPerTunnel: 8 * cost });
    await store.append("anna", "1", { ...one, source: same[0]! });
    await store.append("anna", "2", { ...one, source: same[1]! });
    await expect(store.append("anna", "3", { ...one, source: same[2]! })).rejects.toMatchObject({ code: "HOLD_FULL" });
    await reopen();
    await expect(store.append("anna", "3", { ...one, source: same[2]! })).rejects.toMatchObject({ code: "HOLD_FULL" });
    await store.append("anna", "4", { ...one, source: other });
    await store.remove("anna", "1");
    await store.append("anna", "3", { ...one, source: same[2]! });
  });

  it("refuse bodies over 1 MB, and take one of exactly that", async () => {
    await expect(store.append("anna", "a", webhook(Buffer.alloc(1024 * 1024 + 1)))).rejects.toMatchObject({ code: "HOLD_BODY_TOO_LARGE" });
    await store.append("anna", "b", webhook(Buffer.alloc(1024 * 1024)));
    expect(store.stats("anna").entries).toBe(1);
  });

  it("count empty bodies as well", async () => {
    await reopen({ maxBytesPerTunnel: 100_000 });
    let stored = 0;
    const empty = { rawHead: Buffer.alloc(0), body: Buffer.alloc(0), source: "x", receivedAt: 0 };
    while (
      await store.append("anna", `${stored}`, { ...empty, source: `${stored}` }).then(
        () => true,
        () => false,
      )
    )
      stored++;
    expect(stored).toBe(Math.floor(100_000 / ENTRY_OVERHEAD));
  });
});

describe("age", () => {
  it("sets entries aside after 36 h and deletes them a week later; both are reported", async () => {
    await append("anna", "old");
    await append("boris", "old too");
    time += 12 * HOUR;
    await append("anna", "young");
    expect(await store.expire()).toEqual([]);
    await reopen();
    time += 24 * HOUR;
    const report = (await store.expire()).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(report).toEqual([
      { name: "anna", expired: 1, deleted: 0 },
      { name: "boris", expired: 1, deleted: 0 },
    ]);
    expect(await store.expire()).toEqual([]);
    expect(await bodies("anna")).toEqual(["young"]);
    await reopen();
    expect(await store.dead("boris")).toMatchObject([{ reason: "EXPIRED", diedAt: time }]);
    time += 7 * 24 * HOUR - 1;
    expect(await store.expire()).toEqual([{ name: "anna", expired: 1, deleted: 0 }]);
    time += 1;
    expect((await store.expire()).sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { name: "anna", expired: 0, deleted: 1 },
      { name: "boris", expired: 0, deleted: 1 },
    ]);
    await reopen();
    expect(store.names()).toEqual(["anna"]);
  });

  it("begins anew for what is sent again", async () => {
    await append("anna", "a");
    time += 36 * HOUR;
    await store.expire();
    await store.replayDead("anna", "all");
    expect(await store.expire()).toEqual([]);
    time += 36 * HOUR;
    expect(await store.expire()).toEqual([{ name: "anna", expired: 1, deleted: 0 }]);
  });

  it("counts from now for what was stored under a clock that was ahead", async () => {
    time += 1000 * HOUR;
    await append("anna", "a");
    await store.close();
    time -= 1000 * HOUR;
    await reopen();
    time += 36 * HOUR - 1;
    expect(await store.expire()).toEqual([]);
    time += 1;
    expect(await store.expire()).toEqual([{ name: "anna", expired: 1, deleted: 0 }]);
  });

  it("does not follow the wall clock when that is set while the edge runs", async () => {
    await reopen({ now: undefined });
    await append("anna", "a");
    const wall = Date.now;
    try {
      Date.now = () => wall() + 1000 * HOUR;
      expect(await store.expire()).toEqual([]);
      Date.now = () => wall() - 1000 * HOUR;
      expect(await store.expire()).toEqual([]);
    } finally {
      Date.now = wall;
    }
    expect(await bodies("anna")).toEqual(["a"]);
  });
});

describe("the state of a queue", () => {
  it("is what the owner is shown", async () => {
    expect(store.stats("anna")).toEqual({ entries: 0, bytes: 0, dead: 0, oldest: null });
    const [first] = await append("anna", "a");
    time += 5;
    await append("anna", "b");
    const bytes = 2 * (webhook("a").rawHead.length + 1 + ENTRY_OVERHEAD);
    expect(store.stats("anna")).toEqual({ entries: 2, bytes, dead: 0, oldest: time - 5 });
    await store.remove("anna", first!);
    expect(store.stats("anna")).toEqual({ entries: 1, bytes: bytes / 2, dead: 0, oldest: time });
  });

  it("ends with purge, for this tunnel only", async () => {
    const ids = await append("anna", "a", "b", "c");
    await append("boris", "d");
    await store.moveToDead("anna", ids[1]!, "x");
    const underWay = store.append("anna", store.newDeliveryId(), webhook("e"));
    expect(await store.purge("anna")).toBe(4);
    await underWay;
    expect(store.stats("anna")).toEqual({ entries: 0, bytes: 0, dead: 0, oldest: null });
    await reopen();
    expect(store.names()).toEqual(["boris"]);
    expect(await store.purge("anna")).toBe(0);
  });
});

it("is private, and nothing but it is in the folder", async () => {
  await append("anna", "a");
  const folder = path.join(dir, "hold");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(readdirSync(folder).sort()).toEqual(["00000001.log", "head"]);
  for (const file of readdirSync(folder)) expect([file, statSync(path.join(folder, file)).mode & 0o777]).toEqual([file, 0o600]);
});

it("gives room back: what was delivered does not stay on the disk", async () => {
  const secret = randomBytes(30).toString("hex");
  await append("boris", "stays");
  for (let round = 0; round < 12; round++) {
    const ids = Array.from({ length: 50 }, () => store.newDeliveryId());
    await Promise.all(ids.map((id) => store.append("anna", id, webhook(secret + randomBytes(150_000).toString("hex")))));
    await Promise.all(ids.map((id) => store.remove("anna", id)));
  }
  expect(bytesOnDisk()).toBeLessThan(60_000_000);
  expect(await bodies("boris")).toEqual(["stays"]);
  await store.purge("boris");
  await store.close();
  expect(bytesOnDisk()).toBeLessThan(1_000_000);
  for (const file of readdirSync(path.join(dir, "hold"))) expect(readFileSync(path.join(dir, "hold", file)).includes(secret)).toBe(false);
  await reopen();
  expect(store.names()).toEqual([]);
});

function bytesOnDisk(): number {
  const folder = path.join(dir, "hold");
  return readdirSync(folder).reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0);
}

it("refuses new entries once it is closed, and does not lose those under way", async () => {
  const underWay = append("anna", "a", "b");
  await store.close();
  await underWay;
  await expect(append("anna", "c")).rejects.toMatchObject({ code: "HOLD_IO" });
  store = openHoldStore(options);
  expect(await bodies("anna")).toEqual(["a", "b"]);
});
