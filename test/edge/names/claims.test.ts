import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NAMES_PER_KEY, openClaims, RECYCLE_AFTER_MS, type Claims } from "../../../edge/names/claims.ts";
import { fingerprintOf, identifierOf } from "../../../edge/names/identifier.ts";

const anna = randomBytes(51);
const boris = randomBytes(51);

let dir: string;
let time: number;
let claims: Claims;
const now = () => time;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "airy-claims-"));
  time = Date.UTC(2026, 0, 1);
  claims = openClaims(dir, now);
});

afterEach(async () => {
  await claims.close();
  rmSync(dir, { recursive: true });
});

async function reopen(): Promise<void> {
  await claims.close();
  claims = openClaims(dir, now);
}

const entryOf = (name: string) => claims.list().find((entry) => entry.name === name);

describe("derived names", () => {
  it("are the identifier of the key, known from then on, also after a restart", async () => {
    const name = identifierOf(anna);
    expect(claims.isKnown(name)).toBe(false);
    expect(await claims.claim(anna, null)).toEqual({ ok: true, name });
    expect(claims.isKnown(name)).toBe(true);
    await reopen();
    expect(claims.isKnown(name)).toBe(true);
    expect(entryOf(name)).toMatchObject({ fingerprint: fingerprintOf(anna), claimedAt: time, lastSeen: time });
    expect(await claims.claim(anna, null)).toEqual({ ok: true, name });
  });

  it("get longer where another key has the name, and then stay as they are", async () => {
    expect(await claims.claim(boris, identifierOf(anna))).toMatchObject({ ok: true });
    expect(await claims.claim(boris, identifierOf(anna, 11))).toMatchObject({ ok: true });
    const longer = { ok: true, name: identifierOf(anna, 12) };
    expect(await claims.claim(anna, null)).toEqual(longer);
    await reopen();
    time += 2 * RECYCLE_AFTER_MS;
    expect(await claims.claim(anna, null)).toEqual(longer);
  });

  it("run out only when every length belongs to somebody else", async () => {
    for (let length = 10; length <= 52; length++) await claims.claim(randomBytes(51), identifierOf(anna, length));
    expect(await claims.claim(anna, null)).toEqual({ ok: false, reason: "NAME_TAKEN" });
  });
});

describe("one key", () => {
  it("cannot take all names, not with all requests at once either, and keeps those it has", async () => {
    const answers = await Promise.all(Array.from({ length: NAMES_PER_KEY + 5 }, (_, i) => claims.claim(anna, `shop-${i}`)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(NAMES_PER_KEY);
    await reopen();
    expect(await claims.claim(anna, "one-more")).toEqual({ ok: false, reason: "TOO_MANY_NAMES" });
    expect(await claims.claim(anna, "shop-0")).toEqual({ ok: true, name: "shop-0" });
    expect(await claims.claim(boris, "one-more")).toEqual({ ok: true, name: "one-more" });
  });
});

describe("chosen names", () => {
  it("belong to the first key, over restarts", async () => {
    expect(await claims.claim(anna, "shop")).toEqual({ ok: true, name: "shop" });
    expect(await claims.claim(boris, "shop")).toEqual({ ok: false, reason: "NAME_TAKEN" });
    await reopen();
    expect(await claims.claim(boris, "shop")).toEqual({ ok: false, reason: "NAME_TAKEN" });
    expect(await claims.claim(anna, "shop")).toEqual({ ok: true, name: "shop" });
    expect(entryOf("shop")?.fingerprint).toBe(fingerprintOf(anna));
  });

  it("go to exactly one of many keys that ask at once", async () => {
    const keys = Array.from({ length: 50 }, () => randomBytes(51));
    const answers = await Promise.all(keys.map((key) => claims.claim(key, "popular")));
    expect(answers.map((answer) => answer.ok)).toEqual(keys.map((_, i) => i === 0));
    await reopen();
    expect(entryOf("popular")?.fingerprint).toBe(fingerprintOf(keys[0]!));
  });

  it("answer one key that asks twice at once with the same name", async () => {
    const answers = await Promise.all([
      claims.claim(anna, "twice"),
      claims.claim(anna, "twice"),
      claims.claim(anna, null),
      claims.claim(anna, null),
    ]);
    expect(answers.map((answer) => answer.ok && answer.name)).toEqual(["twice", "twice", identifierOf(anna), identifierOf(anna)]);
  });

  it("are not known before they are on disk", async () => {
    const answer = claims.claim(anna, "slow");
    expect(claims.isKnown("slow")).toBe(false);
    await answer;
    expect(claims.isKnown("slow")).toBe(true);
  });

  it.each([
    "ab",
    "",
    "-shop",
    "shop-",
    "xn--shop",
    "ab--cd",
    "Shop",
    "sh_op",
    "_acme-challenge",
    "a.b",
    "shöp",
    "a".repeat(64),
    "shop\n",
    " shop",
  ])("refuse %j", async (name) => {
    expect(await claims.claim(anna, name)).toEqual({ ok: false, reason: "NAME_INVALID" });
    expect(claims.isKnown(name)).toBe(false);
  });

  it.each(["www", "api", "admin", "mail", "tunnel", "hosts", "status", "localhost", "acme-challenge", "ns1"])(
    "keep %s for the operator",
    async (name) => {
      expect(await claims.claim(anna, name)).toEqual({ ok: false, reason: "NAME_RESERVED" });
    },
  );

  it.each(["abc", "my-shop", "a-b-c", "007", "a".repeat(63)])("allow %s", async (name) => {
    expect(await claims.claim(anna, name)).toEqual({ ok: true, name });
  });
});

describe("recycling", () => {
  it("waits 90 days from when the name was last in use", async () => {
    await claims.claim(anna, "shop");
    time += RECYCLE_AFTER_MS - 1;
    expect(await claims.claim(boris, "shop")).toEqual({ ok: false, reason: "NAME_TAKEN" });
    claims.touch("shop");
    await reopen();
    time += RECYCLE_AFTER_MS - 1;
    expect(await claims.claim(boris, "shop")).toEqual({ ok: false, reason: "NAME_TAKEN" });
    time += 1;
    expect(await claims.claim(boris, "shop")).toEqual({ ok: true, name: "shop" });
    expect(await claims.claim(anna, "shop")).toEqual({ ok: false, reason: "NAME_TAKEN" });
  });

  it("gives the old owner the name back for as long as nobody else has claimed it", async () => {
    await claims.claim(anna, "shop");
    time += 10 * RECYCLE_AFTER_MS;
    expect(await claims.claim(anna, "shop")).toEqual({ ok: true, name: "shop" });
    expect(await claims.claim(boris, "shop")).toEqual({ ok: false, reason: "NAME_TAKEN" });
  });

  it("counts from now for a claim that was written under a clock ahead of this one", async () => {
    time += 3 * RECYCLE_AFTER_MS;
    await claims.claim(anna, "shop");
    await claims.close();
    time -= 3 * RECYCLE_AFTER_MS;
    claims = openClaims(dir, now);
    expect(entryOf("shop")?.lastSeen).toBe(time);
  });
});

it("refuses a damaged store instead of beginning anew", async () => {
  await claims.claim(anna, "shop");
  await claims.close();
  const file = path.join(dir, "names", "00000001.log");
  truncateSync(file, 40);
  expect(() => openClaims(dir)).toThrow(expect.objectContaining({ code: "EDGE_DATA" }));
  rmSync(file);
  expect(() => openClaims(dir)).toThrow(expect.objectContaining({ code: "EDGE_DATA" }));
});

it("is private", () => {
  const folder = path.join(dir, "names");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const file of readdirSync(folder)) expect([file, statSync(path.join(folder, file)).mode & 0o777]).toEqual([file, 0o600]);
});
