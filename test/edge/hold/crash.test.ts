import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { everything } from "./everything.ts";
import { openHoldStore } from "../../../edge/hold/store.ts";
import { buildStoreProgram, startStore } from "./process.ts";

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 6);

let program: { file: string; dispose: () => void };
let dir: string;

beforeAll(async () => {
  program = await buildStoreProgram();
});
afterAll(() => program.dispose());
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-crash-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

it("kill -9 at any moment loses nothing that was acknowledged, and brings nothing back that was removed", async () => {
  const stored = new Map<string, { identifier: string; n: number }>();
  const goingOrGone = new Set<string>();
  const gone = new Set<string>();
  const buried = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const writer = startStore(program.file, dir, ["storm", String(round * 1_000_000)]);
    const wanted = 300 + Math.floor(Math.random() * 2500);
    while (writer.lines.length < wanted) await new Promise((done) => writer.child.stdout!.once("data", done));
    writer.child.kill("SIGKILL");
    expect(await writer.exited).toMatchObject({ signal: "SIGKILL" });
    for (const line of writer.lines) {
      const [what, identifier = "", n = "", id = ""] = line.split(" ");
      if (what === "stored") stored.set(id, { identifier, n: Number(n) });
      if (what === "removing" || what === "burying") goingOrGone.add(id);
      if (what === "removed") gone.add(id);
      if (what === "buried") buried.add(id);
    }

    const store = openHoldStore({ dataDir: dir });
    const present = new Set<string>();
    for (const identifier of ["anna", "boris", "clara"]) {
      const entries = await everything(store, identifier);
      const numbers = entries.map((entry) => Number(entry.body.toString("latin1").split(" ")[0]));
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      entries.forEach((entry, i) => expect(entry.rawHead.toString()).toBe(String(numbers[i])));
      for (const entry of entries) present.add(entry.deliveryId);
      const dead = (await store.dead(identifier)).map((letter) => letter.deliveryId);
      expect(dead.filter((id) => !goingOrGone.has(id))).toEqual([]);
      expect([...buried].filter((id) => stored.get(id)!.identifier === identifier && !dead.includes(id))).toEqual([]);
    }
    expect([...stored.keys()].filter((id) => !goingOrGone.has(id) && !present.has(id))).toEqual([]);
    expect([...gone].filter((id) => present.has(id))).toEqual([]);
    expect([...buried].filter((id) => present.has(id))).toEqual([]);
    expect(gone.size).toBeGreaterThan(0);
    await store.close();
  }
});
