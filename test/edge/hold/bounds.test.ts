/** What strangers make is bounded by what it costs, and forgotten when nobody needs it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openRules } from "../../../edge/hold/rules.ts";
import { openHoldStore } from "../../../edge/hold/store.ts";
import { buildStoreProgram, startStore } from "./process.ts";

const DAY = 24 * 3_600_000;
const RULES = { prefixes: ["/facebook"], requireSignature: true };
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-bounds-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("the store", () => {
  it("takes no more entries than the heap can hold, and opens again when it is full", async () => {
    const program = await buildStoreProgram();
    const env = { NODE_OPTIONS: "--max-old-space-size=80" };
    try {
      const filling = startStore(program.file, dir, ["fill"], env);
      expect(await filling.exited).toEqual({ code: 0, signal: null });
      const [, stored, code] = filling.lines.at(-1)?.split(" ") ?? [];
      expect([Number(stored) > 20_000, code]).toEqual([true, "HOLD_FULL"]);
      const counting = startStore(program.file, dir, ["count"], env);
      expect(await counting.exited).toEqual({ code: 0, signal: null });
      expect(counting.lines.at(-1)).toBe(`count ${stored}`);
    } finally {
      program.dispose();
    }
  });

  it("leaves one network a sixteenth of the entries", async () => {
    const store = openHoldStore({ dataDir: dir, maxEntries: 32 });
    const append = (source: string) =>
      store.append("anna", store.newDeliveryId(), { rawHead: Buffer.alloc(0), body: Buffer.alloc(0), source, receivedAt: 0 });
    for (const host of [1, 2]) await append(`192.0.2.${host}`);
    await expect(append("192.0.2.3")).rejects.toMatchObject({ code: "HOLD_FULL" });
    for (let n = 0; n < 30; n++) await append(`198.51.${n}.1`);
    await expect(append("203.0.113.1")).rejects.toMatchObject({ code: "HOLD_FULL" });
    await store.close();
  });

  it("writes nothing of what was forgotten meanwhile: both at once leave nothing behind", async () => {
    let store = openHoldStore({ dataDir: dir });
    const id = store.newDeliveryId();
    await store.append("anna", id, { rawHead: Buffer.from("x"), body: Buffer.from("y"), source: "192.0.2.1", receivedAt: 0 });
    await Promise.all([store.remove("anna", id), store.recordAttempt("anna", id), store.moveToDead("anna", id, "x")]);
    await store.close();
    store = openHoldStore({ dataDir: dir });
    expect([store.names(), await store.dead("anna")]).toEqual([[], []]);
    await store.close();
  });
});

describe("rules", () => {
  it("are forgotten 90 days after their last use, also on the disk; those in use stay", async () => {
    let now = Date.UTC(2026, 0, 1);
    let rules = openRules(dir, () => now);
    for (const name of ["gone", "holding", "back"]) await rules.set(name, RULES);
    const inUse = (name: string) => name === "holding";
    now += 60 * DAY;
    await rules.set("back", RULES);
    expect(await rules.sweep(inUse)).toEqual([]);
    now += 30 * DAY;
    expect(await rules.sweep(inUse)).toEqual(["gone"]);
    await rules.close();
    rules = openRules(dir, () => now);
    expect(["gone", "holding", "back"].map((name) => rules.of(name) !== undefined)).toEqual([false, true, true]);
    now += 60 * DAY;
    // Its last use was written down when it was swept over.
    expect(await rules.sweep(() => false)).toEqual(["back"]);
    await rules.close();
  });
});
