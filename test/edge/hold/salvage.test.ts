/** Damage on disk costs the webhooks that it touches, and no others. */
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openHoldStore, type LocalHoldStore } from "../../../edge/hold/store.ts";
import { batchesOf } from "../../../edge/store/log/format.ts";
import type { Damaged } from "../../../edge/store/log/salvage.ts";
import { inspect } from "../../../edge/store/log/salvage.ts";
import { everything } from "./everything.ts";

let dir: string;
let ids: string[];
let pristine: string;

beforeEach(async () => {
  pristine = mkdtempSync(path.join(tmpdir(), "airy-salvage-"));
  dir = path.join(pristine, "used");
  const store = openHoldStore({ dataDir: path.join(pristine, "made") });
  ids = [];
  for (let i = 0; i < 45; i++) ids.push(await append(store, randomBytes(i % 3 === 0 ? 200_000 : 900)));
  await store.close();
});
afterEach(() => rmSync(pristine, { recursive: true }));

async function append(store: LocalHoldStore, body: Buffer): Promise<string> {
  const id = store.newDeliveryId();
  await store.append("anna", id, { rawHead: Buffer.from("head"), body, source: "192.0.2.1", receivedAt: 1 });
  return id;
}

const file = (name: string) => path.join(dir, "hold", name);
const segments = () =>
  readdirSync(path.join(pristine, "made", "hold"))
    .filter((name) => name.endsWith(".log"))
    .sort();

interface Found {
  waiting: string[];
  dead: string[];
  damaged: Damaged[];
}

async function open(): Promise<Found> {
  const damaged: Damaged[] = [];
  const store = openHoldStore({ dataDir: dir, onDamage: (found) => damaged.push(...found) });
  const waiting = (await everything(store, "anna")).map((entry) => entry.deliveryId);
  const dead = (await store.dead("anna")).map((letter) => letter.deliveryId);
  await store.close();
  return { waiting, dead, damaged };
}

/** Damages a copy, and says what is left of it; at the second opening it is whole. */
async function after(damage: () => void): Promise<Found> {
  rmSync(dir, { recursive: true, force: true });
  cpSync(path.join(pristine, "made"), dir, { recursive: true });
  damage();
  expect(inspect(path.join(dir, "hold")).damaged).not.toEqual([]);
  const found = await open();
  expect(found.damaged).not.toEqual([]);
  // In order, nothing twice, and what is gone is nowhere else.
  expect(found.waiting).toEqual(ids.filter((id) => found.waiting.includes(id)));
  expect(await open()).toEqual({ waiting: found.waiting, dead: found.dead, damaged: [] });
  return found;
}

const flip = (name: string, at: number) => () => {
  const bytes = readFileSync(file(name));
  bytes[at]! ^= 4;
  writeFileSync(file(name), bytes);
};

it("a flipped bit, wherever it is, costs one webhook at most", async () => {
  expect(segments().length).toBeGreaterThan(1);
  for (const [n, name] of segments().entries()) {
    const bytes = readFileSync(path.join(pristine, "made", "hold", name));
    const batches = [...batchesOf(bytes)];
    const { changes, end } = batches[Math.floor(batches.length / 2)]!;
    const [record, body] = changes as unknown as [{ at: number; bytes: number }, { at: number; bytes: number }];
    const places = [0, 9, 13, 17, 27, record.at, record.at + 5, record.at + 8, record.at + 12, record.at + record.bytes - 1];
    places.push(
      body.at + 2,
      body.at + 6,
      body.at + 7,
      body.at + 8,
      body.at + 11,
      body.at + 30,
      body.at + body.bytes - 1,
      end - 1,
      end - 10,
      end - 17,
    );
    places.push(batches.at(-1)!.end - 1);
    for (const at of places.filter((_, i) => n === 0 || i % 5 === 0)) {
      const found = await after(flip(name, at));
      expect([name, at, ids.length - found.waiting.length <= 1], `${JSON.stringify(found.damaged)}`).toEqual([name, at, true]);
      // What is damaged is known by its owner, unless it was none of the webhooks.
      if (found.waiting.length < ids.length) expect(found.dead).toEqual(ids.filter((id) => !found.waiting.includes(id)));
    }
  }
});

it("a damaged head of the log costs nothing", async () => {
  for (const damage of [flip("head", 10), () => rmSync(file("head")), () => truncateSync(file("head"), 3)]) {
    const found = await after(damage);
    expect(found).toMatchObject({ waiting: ids, dead: [], damaged: [{ file: "head" }] });
  }
});

it("a block of zeros, a missing end or a missing file costs what was there, and says so", async () => {
  const [first, second] = segments() as [string, string];
  const inSecond = [...batchesOf(readFileSync(path.join(pristine, "made", "hold", second)))].length;
  const bytes = readFileSync(path.join(pristine, "made", "hold", first));
  const zeroed = await after(() => writeFileSync(file(first), Buffer.from(bytes).fill(0, 4096, 8192)));
  expect(ids.length - zeroed.waiting.length).toBeLessThanOrEqual(5);
  const headless = await after(() => writeFileSync(file(first), Buffer.from(bytes).fill(0, 0, 28)));
  expect(headless.waiting).toEqual(ids);
  const cut = await after(() => truncateSync(file(segments().at(-1)!), 60_000));
  expect(cut.waiting.length).toBeLessThan(ids.length);
  const gone = await after(() => rmSync(file(second)));
  expect(gone.waiting).toHaveLength(ids.length - inSecond);
  expect(gone.damaged).toMatchObject([{ what: expect.stringContaining("missing"), key: null }]);
});

it("keeps the damaged file beside, says whose entry it was, and goes on", async () => {
  const [name] = segments() as [string];
  const { changes } = [...batchesOf(readFileSync(path.join(pristine, "made", "hold", name)))][1]!;
  const found = await after(flip(name, changes[1]!.at + 600));
  expect(found.damaged).toEqual([{ file: name, what: `is damaged at byte ${changes[1]!.at}`, key: `bytes/anna/${ids[1]}` }]);
  const [when] = readdirSync(file("damaged"));
  const before = readFileSync(path.join(pristine, "made", "hold", name));
  before[changes[1]!.at + 600]! ^= 4;
  expect(readFileSync(path.join(file("damaged"), when!, name)).equals(before)).toBe(true);
  const store = openHoldStore({ dataDir: dir });
  const more = await append(store, Buffer.from("more"));
  await store.close();
  expect((await open()).waiting).toEqual([...found.waiting, more]);
});

it("a stranger's body that looks like records is no record, also where its own record is damaged", async () => {
  // A whole batch of another log, as a stranger could make it who knows the format but not this log's salt.
  const other = path.join(pristine, "other");
  const theirs = openHoldStore({ dataDir: other });
  const id = theirs.newDeliveryId();
  await theirs.append("victim", id, { rawHead: Buffer.from("head"), body: Buffer.from("forged"), source: "x", receivedAt: 1 });
  await theirs.close();
  const forged = readFileSync(path.join(other, "hold", "00000001.log")).subarray(28, 2_000);
  const store = openHoldStore({ dataDir: path.join(pristine, "made") });
  ids.push(await append(store, Buffer.concat([forged, forged, forged])), await append(store, Buffer.from("behind")));
  await store.close();
  const name = segments().at(-1)!;
  const { changes } = [...batchesOf(readFileSync(path.join(pristine, "made", "hold", name)))].at(-2)!;
  // The length of the record that holds it.
  const found = await after(flip(name, changes[1]!.at + 5));
  expect(found.waiting).toEqual(ids.toSpliced(-2, 1));
  const opened = openHoldStore({ dataDir: dir });
  expect(opened.stats("victim")).toMatchObject({ entries: 0, dead: 0 });
  await opened.close();
});
