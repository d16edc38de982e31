/** What strangers make is forgotten when nobody uses it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openClaims, RECYCLE_AFTER_MS, type Claims } from "../../../edge/names/claims.ts";
import { identifierOf } from "../../../edge/names/identifier.ts";
import { openHoldStore } from "../../../edge/hold/store.ts";
import { openRules } from "../../../edge/hold/rules.ts";
import { newKey, openEdge, openTunnel } from "../../support/edge.ts";

const [anna, bob] = [Buffer.from("key of anna"), Buffer.from("key of bob")];
let dir: string;
let time: number;
let claims: Claims;
const now = () => time;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-forget-"));
  time = Date.UTC(2026, 0, 1);
  claims = openClaims(dir, now);
});
afterEach(async () => {
  vi.useRealTimers();
  await claims.close();
  rmSync(dir, { recursive: true });
});

it("a name that nobody has used for 90 days is forgotten, in memory and on disk, unless something is kept for it", async () => {
  await claims.claim(anna, "shop");
  await claims.claim(anna, "held");
  time += RECYCLE_AFTER_MS - 1;
  expect(claims.forgetUnused(() => false)).toEqual([]);
  await claims.claim(bob, "fresh");
  time += 1;
  expect(claims.forgetUnused((name) => name === "held")).toEqual(["shop"]);
  await claims.close();
  claims = openClaims(dir, now);
  expect(["shop", "fresh", "held"].filter((name) => claims.isKnown(name))).toEqual(["fresh", "held"]);
});

it("gives a key its places back", async () => {
  for (let i = 0; i < 20; i++) await claims.claim(anna, `name-${i}`);
  expect(await claims.claim(anna, "more")).toMatchObject({ reason: "TOO_MANY_NAMES" });
  time += RECYCLE_AFTER_MS;
  expect(claims.forgetUnused(() => false)).toHaveLength(20);
  expect(await claims.claim(anna, "more")).toEqual({ ok: true, name: "more" });
});

it("an owner is asked for what the earlier one has left before the name changes hands, and not otherwise", async () => {
  await claims.close();
  const events: string[] = [];
  claims = openClaims(dir, now, async (name) =>
    events.push(`${name} ${claims.list().every((entry) => entry.name !== name) ? "nobody" : "somebody"}`),
  );
  await claims.claim(anna, "shop");
  await claims.claim(anna, "shop");
  time += RECYCLE_AFTER_MS;
  await claims.claim(bob, "shop");
  expect(events).toEqual(["shop nobody", "shop somebody"]);
  await claims.close();
  claims = openClaims(dir, now, () => Promise.reject(new Error("disk")));
  time += RECYCLE_AFTER_MS;
  expect(await claims.claim(anna, "shop")).toEqual({ ok: false, reason: "EDGE_FAILED" });
  expect(await claims.claim(bob, "shop")).toEqual({ ok: true, name: "shop" });
});

it("who gets a name that was another one's inherits neither rules nor webhooks", async () => {
  const edge = await openEdge();
  const first = await openTunnel(edge, 9, { name: "shop", hold: ["/hook"], holdSigned: false });
  await first.tunnel.close();
  await edge.stop();
  const data = path.join(edge.dir, "edge");
  const store = openHoldStore({ dataDir: data });
  await store.append("shop", store.newDeliveryId(), {
    rawHead: Buffer.from("x"),
    body: Buffer.alloc(0),
    source: "x",
    receivedAt: Date.now(),
  });
  await store.close();
  // 90 days later, as the clock of ages sees it.
  const old = openClaims(data, () => Date.now() - RECYCLE_AFTER_MS - 60_000);
  old.touch("shop");
  await old.close();
  await edge.restart();
  const { public: line, private: identity } = newKey();
  const second = await openTunnel(edge, 9, { name: "shop", identity });
  expect(second.tunnel.status().identifier).toBe("shop");
  expect(identifierOf(Buffer.from(line.split(" ")[1]!, "base64"))).not.toBe("shop");
  await second.tunnel.close();
  await edge.stop();
  const rules = openRules(data);
  expect(rules.of("shop")).toBeUndefined();
  await rules.close();
  const left = openHoldStore({ dataDir: data });
  expect(left.stats("shop")).toMatchObject({ entries: 0, dead: 0 });
  await left.close();
  await edge.close();
});
