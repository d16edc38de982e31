import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { randomFrom } from "../../support/random.ts";
import { everything } from "./everything.ts";
import { ENTRY_OVERHEAD } from "../../../edge/hold/entry.ts";
import { networkOf } from "../../../edge/peers/network.ts";
import { openHoldStore, type HoldStoreOptions } from "../../../edge/hold/store.ts";

const QUOTA = 1_200_000;
const HOUR = 3_600_000;

interface Item {
  id: string;
  body: string;
  source: string;
  receivedAt: number;
  queuedAt: number;
  attempts: number;
  bytes: number;
  dead: { reason: string; at: number } | null;
}

/** The store as plain arrays: what the real one must look like from outside. */
class Model {
  readonly items = new Map<string, Item[]>();

  of = (identifier: string) => this.items.get(identifier) ?? [];
  queue = (identifier: string) => this.of(identifier).filter((item) => !item.dead);
  dead = (identifier: string) => this.of(identifier).filter((item) => item.dead);
  bytes = (identifier: string, network?: string) =>
    this.of(identifier)
      .filter((item) => network === undefined || networkOf(item.source) === network)
      .reduce((sum, item) => sum + item.bytes, 0);

  fits(identifier: string, item: Item): boolean {
    return this.bytes(identifier) + item.bytes <= QUOTA && this.bytes(identifier, networkOf(item.source)) + item.bytes <= QUOTA / 4;
  }

  set(identifier: string, items: Item[]): void {
    if (items.length > 0) this.items.set(identifier, items);
    else this.items.delete(identifier);
  }
}

it.each([1, 2, 3, 4, 5, 6])("behaves like plain lists under random operations, restarts and crashes (seed %i)", async (seed) => {
  const random = randomFrom(seed);
  const root = mkdtempSync(path.join(tmpdir(), "airy-model-"));
  let time = Date.UTC(2026, 0, 1);
  let dataDir = path.join(root, "0");
  const options = (): HoldStoreOptions => ({ dataDir, now: () => time, maxBytesPerTunnel: QUOTA });
  let store = openHoldStore(options());
  const model = new Model();
  const names = ["anna", "boris", "clara"];
  const pick = <T>(list: readonly T[]): T | undefined => list[random(list.length)];

  const append = async (identifier: string): Promise<void> => {
    const size = random(3) === 0 ? random(120_000) : random(500);
    const body = `${random(1e9)} `.padEnd(size, "x");
    const rawHead = Buffer.from("POST / HTTP/1.1\r\n\r\n");
    const source = `10.0.${random(9)}.${random(5)}`;
    const bytes = rawHead.length + body.length + ENTRY_OVERHEAD;
    const item: Item = { id: store.newDeliveryId(), body, source, receivedAt: time, queuedAt: time, attempts: 0, bytes, dead: null };
    const stored = store.append(identifier, item.id, { rawHead, body: Buffer.from(body), source, receivedAt: time });
    if (model.fits(identifier, item)) {
      model.set(identifier, [...model.of(identifier), item]);
      await stored;
    } else await expect(stored).rejects.toMatchObject({ code: "HOLD_FULL" });
  };

  const step = async (): Promise<void> => {
    const identifier = pick(names)!;
    const queue = model.queue(identifier);
    const dead = model.dead(identifier);
    const any = pick(model.of(identifier));
    const choice = random(100);
    if (choice < 45) return append(identifier);
    if (choice < 52) return void (await Promise.all(Array.from({ length: 8 }, () => append(identifier))));
    if (choice < 75) {
      const gone = random(4) === 0 ? any : queue[0];
      if (!gone) return;
      model.set(
        identifier,
        model.of(identifier).filter((item) => item !== gone),
      );
      return store.remove(identifier, gone.id);
    }
    if (choice < 82) {
      const refused = pick(queue);
      if (!refused) return;
      refused.dead = { reason: `R${choice}`, at: time };
      return store.moveToDead(identifier, refused.id, `R${choice}`);
    }
    if (choice < 87) {
      const again = random(2) === 0 ? dead.filter(() => random(2) === 0).map((item) => item.id) : ("all" as const);
      const revived = again === "all" ? dead.sort(await byDeath(identifier)) : dead.filter((item) => again.includes(item.id));
      for (const item of revived) Object.assign(item, { dead: null, queuedAt: time });
      model.set(identifier, [...model.of(identifier).filter((item) => !revived.includes(item)), ...revived]);
      expect(await store.replayDead(identifier, again === "all" ? revived.map((item) => item.id) : again)).toBe(revived.length);
      return;
    }
    if (choice < 92) {
      if (!any) return;
      any.attempts++;
      expect(await store.recordAttempt(identifier, any.id)).toBe(any.attempts);
      return;
    }
    if (choice < 96) {
      time += random(20) * HOUR;
      await store.expire();
      for (const name of names) {
        model.set(
          name,
          model.of(name).filter((item) => !item.dead || time - item.dead.at < 7 * 24 * HOUR),
        );
        for (const item of model.queue(name)) if (time - item.queuedAt >= 36 * HOUR) item.dead = { reason: "EXPIRED", at: time };
      }
      return;
    }
    if (choice < 97) {
      expect(await store.purge(identifier)).toBe(model.of(identifier).length);
      model.items.delete(identifier);
      return;
    }
    if (choice < 98) await store.close();
    else await crash();
    store = openHoldStore(options());
  };

  /** Goes on with a copy of the files as they are while the store is open. */
  const crash = async (): Promise<void> => {
    // What is only promised to happen soon (expiry) has no promise to wait for; a write behind it has.
    await store.append("last", "last", { rawHead: Buffer.alloc(0), body: Buffer.alloc(0), source: "", receivedAt: 0 });
    await store.purge("last");
    const copy = path.join(root, `${Number(path.basename(dataDir)) + 1}`);
    cpSync(dataDir, copy, { recursive: true });
    await store.close();
    rmSync(dataDir, { recursive: true });
    dataDir = copy;
  };

  const byDeath = async (identifier: string) => {
    const order = (await store.dead(identifier)).map((letter) => letter.deliveryId);
    return (a: Item, b: Item) => order.indexOf(a.id) - order.indexOf(b.id);
  };

  const compare = async (): Promise<void> => {
    expect(store.names().sort()).toEqual([...model.items.keys()].sort());
    for (const name of names) {
      const queue = model.queue(name);
      const dead = model.dead(name);
      expect(store.stats(name)).toEqual({
        entries: queue.length,
        bytes: model.bytes(name),
        dead: dead.length,
        oldest: queue[0]?.receivedAt ?? null,
      });
      const entries = (await everything(store, name)).map(({ deliveryId, body, source, receivedAt, attempts }) => ({
        id: deliveryId,
        body: body.toString(),
        source,
        receivedAt,
        attempts,
      }));
      expect(entries).toEqual(queue.map(({ id, body, source, receivedAt, attempts }) => ({ id, body, source, receivedAt, attempts })));
      const letters = (await store.dead(name)).map(({ deliveryId, reason, diedAt, attempts }) => ({
        id: deliveryId,
        reason,
        at: diedAt,
        attempts,
      }));
      const wanted = dead.map(({ id, dead: death, attempts }) => ({ id, reason: death!.reason, at: death!.at, attempts }));
      const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
      expect(letters.sort(byId)).toEqual(wanted.sort(byId));
    }
  };

  try {
    for (let i = 0; i < 400; i++) {
      await step();
      if (i % 10 === 0) await compare();
    }
    await compare();
  } finally {
    await store.close();
    rmSync(root, { recursive: true });
  }
});
