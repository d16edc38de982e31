import { createHash, randomBytes, randomInt } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { everything } from "./everything.ts";
import { batchesOf } from "../../../edge/store/log/format.ts";
import { openDurable } from "../../../edge/store/durable.ts";
import { openHoldStore } from "../../../edge/hold/store.ts";

let dir: string;
let ids: string[];

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-damage-"));
  const store = openHoldStore({ dataDir: dir });
  ids = await fill(store, 40, 200_000);
  await store.close();
});
afterEach(() => rmSync(dir, { recursive: true }));

async function fill(store: ReturnType<typeof openHoldStore>, count: number, size: number): Promise<string[]> {
  const made: string[] = [];
  for (let i = 0; i < count; i++) {
    const id = store.newDeliveryId();
    await store.append("anna", id, { rawHead: Buffer.from("head"), body: randomBytes(size), source: `${i}`, receivedAt: i });
    made.push(id);
  }
  return made;
}

const file = (name: string) => path.join(dir, "hold", name);
const segments = () =>
  readdirSync(path.join(dir, "hold"))
    .filter((name) => name.endsWith(".log"))
    .sort();
/** Where the last batch of a segment ends. */
const endOf = (name: string) => [...batchesOf(readFileSync(file(name)))].at(-1)!.end;

function fingerprint(): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(path.join(dir, "hold")).sort()) hash.update(name).update(readFileSync(file(name)));
  return hash.digest("hex");
}

/** Twice, because the first attempt must not have "repaired" anything. */
function expectRefused(what: string): void {
  const before = fingerprint();
  for (let i = 0; i < 2; i++) {
    let code = "opened";
    try {
      void openDurable({ dir: path.join(dir, "hold"), corrupt: "HOLD_CORRUPT", failed: "HOLD_IO", deadlineMs: 1_000 }).close();
    } catch (error) {
      code = (error as { code: string }).code;
    }
    expect([what, code]).toEqual([what, "HOLD_CORRUPT"]);
  }
  expect(fingerprint()).toBe(before);
}

async function expectWhole(expected: string[]): Promise<void> {
  const store = openHoldStore({ dataDir: dir });
  expect((await everything(store, "anna")).map((entry) => entry.deliveryId)).toEqual(expected);
  await store.close();
}

describe("a log that was damaged is not taken for a whole one, and left as it is", () => {
  it("at any byte that counts", () => {
    expect(segments().length).toBeGreaterThan(2);
    for (const name of [...segments(), "head"]) {
      const whole = readFileSync(file(name));
      const end = name === "head" ? whole.length : endOf(name);
      for (let i = 0; i < 12; i++) {
        const at = i < 3 ? [0, 27, end - 1].map((offset) => Math.min(offset, end - 1))[i]! : randomInt(end);
        const broken = Buffer.from(whole);
        broken[at]! ^= 1 << randomInt(8);
        writeFileSync(file(name), broken);
        expectRefused(`${name} at ${at} of ${end}`);
      }
      writeFileSync(file(name), whole);
    }
  });

  it("where the end is missing", () => {
    for (const name of [...segments(), "head"]) {
      const whole = readFileSync(file(name));
      const end = name === "head" ? whole.length : endOf(name);
      for (const length of [0, 1, 20, randomInt(end), end - 1]) {
        truncateSync(file(name), length);
        expectRefused(`${name} cut to ${length} of ${end}`);
        writeFileSync(file(name), whole);
      }
    }
  });

  it("where a block was zeroed", () => {
    for (const name of segments()) {
      const whole = readFileSync(file(name));
      const at = Math.floor(randomInt(endOf(name)) / 4096) * 4096;
      writeFileSync(file(name), Buffer.from(whole).fill(0, at, at + 4096));
      expectRefused(`${name} without the block at ${at}`);
      writeFileSync(file(name), whole);
    }
  });

  it("where a file is gone, or is another", () => {
    for (const name of [...segments(), "head"]) {
      renameSync(file(name), file("aside"));
      expectRefused(`without ${name}`);
      renameSync(file("aside"), file(name));
    }
    const [first, second] = segments() as [string, string];
    const whole = readFileSync(file(first));
    cpSync(file(second), file(first));
    expectRefused("the second for the first");
    writeFileSync(file(first), whole);
  });

  it("and is whole again once the files are", async () => {
    const whole = readFileSync(file("00000001.log"));
    writeFileSync(file("00000001.log"), whole.subarray(0, 5000));
    expectRefused("cut");
    writeFileSync(file("00000001.log"), whole);
    await expectWhole(ids);
  });
});

describe("what the power failing leaves behind is no damage", () => {
  it("a batch that is on disk in part was never acknowledged, and is not there", async () => {
    const headBefore = readFileSync(file("head"));
    const last = segments().at(-1)!;
    const end = endOf(last);
    const store = openHoldStore({ dataDir: dir });
    await fill(store, 1, 50_000);
    await store.close();
    const [name] = segments().slice(-1) as [string];
    expect(name).toBe(last);
    const whole = readFileSync(file(last));
    const endAfter = endOf(last);
    for (const cut of [end + 1, end + 30, randomInt(end, endAfter), endAfter - 1]) {
      writeFileSync(file("head"), headBefore);
      writeFileSync(file(last), Buffer.from(whole).fill(0, cut));
      await expectWhole(ids);
      const again = openHoldStore({ dataDir: dir });
      const more = await fill(again, 3, 100);
      await again.close();
      await expectWhole([...ids, ...more]);
      // Back to where the power failed.
      for (const made of segments().filter((segment) => segment > last)) rmSync(file(made));
    }
  });

  it("garbage behind the last batch does not count", async () => {
    const last = segments().at(-1)!;
    const bytes = readFileSync(file(last));
    randomBytes(5000).copy(bytes, endOf(last));
    writeFileSync(file(last), bytes);
    await expectWhole(ids);
    const store = openHoldStore({ dataDir: dir });
    const more = await fill(store, 2, 100);
    await store.close();
    await expectWhole([...ids, ...more]);
  });

  it("files half made are cleared away", async () => {
    writeFileSync(file("00000099.log.new"), "x");
    writeFileSync(file("head.new"), "x");
    await expectWhole(ids);
    expect(readdirSync(path.join(dir, "hold")).filter((name) => name.endsWith(".new"))).toEqual([]);
  });
});

it("a body that is damaged while the edge runs becomes a dead letter, and the rest flows", async () => {
  const store = openHoldStore({ dataDir: dir });
  const whole = readFileSync(file("00000001.log"));
  whole[100_000]! ^= 1;
  writeFileSync(file("00000001.log"), whole);
  expect((await everything(store, "anna")).map((entry) => entry.deliveryId)).toEqual(ids.slice(1));
  await store.recordAttempt("anna", ids[5]!);
  expect(await store.dead("anna")).toMatchObject([{ deliveryId: ids[0], reason: "DAMAGED" }]);
  expect(store.stats("anna")).toMatchObject({ entries: ids.length - 1, dead: 1 });
  await store.close();
});

it("goes on in the segment where it stopped", async () => {
  const before = segments();
  for (let i = 0; i < 5; i++) {
    const store = openHoldStore({ dataDir: dir });
    ids.push(...(await fill(store, 1, 10)));
    await store.close();
  }
  expect(segments()).toEqual(before);
  expect(statSync(file(before.at(-1)!)).size).toBeLessThan(6_000_000);
  await expectWhole(ids);
});
