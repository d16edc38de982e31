import { describe, expect, it } from "vitest";
import {
  backoff,
  classify,
  holdable,
  isRefusal,
  MAX_BODY_BYTES,
  REFUSAL_PATIENCE_MS,
  type HoldCandidate,
} from "../../../edge/hold/policy.ts";

describe("classify", () => {
  const statuses = Array.from({ length: 500 }, (_, i) => 100 + i);

  it("takes every 2xx, and nothing else, for a delivery", () => {
    const delivered = statuses.filter((status) => classify({ status, refusedForMs: 0 }) === "delivered");
    expect(delivered).toEqual(statuses.filter((status) => status >= 200 && status < 300));
  });

  it("gives up at once on 410, every 4xx that is a verdict, and 501", () => {
    const dead = statuses.filter((status) => classify({ status, refusedForMs: 0 }) === "dead");
    const verdicts = statuses.filter((status) => status >= 400 && status < 500 && ![401, 403, 408, 425, 429].includes(status));
    expect(dead).toEqual([...verdicts, 501]);
    expect(dead).toContain(410);
    expect(dead).toContain(404);
  });

  it("gives up on 401, 403 and 500 after 15 minutes, and on nothing else for having taken long", () => {
    expect(REFUSAL_PATIENCE_MS).toBe(900_000);
    const early = statuses.filter((status) => classify({ status, refusedForMs: REFUSAL_PATIENCE_MS - 1 }) === "dead");
    const late = statuses.filter((status) => classify({ status, refusedForMs: REFUSAL_PATIENCE_MS }) === "dead");
    expect(late.filter((status) => !early.includes(status))).toEqual([401, 403, 500]);
    expect(statuses.filter(isRefusal)).toEqual([401, 403, 500]);
    expect(isRefusal(null)).toBe(false);
  });

  it("tries again for ever when there is no answer, or a server says that it is not up", () => {
    for (const status of [null, 100, 301, 302, 408, 425, 429, 502, 503, 504]) {
      expect(classify({ status, refusedForMs: Number.MAX_SAFE_INTEGER })).toBe("retry");
    }
  });
});

describe("backoff", () => {
  it("doubles from 250 ms to 30 s, half of it by chance", () => {
    const longest = Array.from({ length: 10 }, (_, i) => backoff(i + 1, () => 1));
    expect(longest).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(backoff(3, () => 0)).toBe(500);
    expect(backoff(100_000, () => 1)).toBe(30_000);
    expect(backoff(0, () => 1)).toBe(250);
    for (let i = 0; i < 100; i++) expect(backoff(4)).toBeGreaterThanOrEqual(1000);
  });
});

describe("holdable", () => {
  const rules = { prefixes: ["/facebook"], requireSignature: true };
  const good: HoldCandidate = { method: "POST", target: "/facebook", bodyBytes: 10, signatures: [`sha256=${"0a".repeat(32)}`] };

  it("holds a signed POST under a prefix", () => {
    expect(holdable(good, rules)).toBe(true);
    for (const target of ["/facebook", "/facebook/", "/facebook?x=//../%2f", "/facebook/a/b", "/face%62ook", "/facebook/%C3%BC"]) {
      expect([target, holdable({ ...good, target }, rules)]).toEqual([target, true]);
    }
  });

  it("never holds another method, above all not the verification", () => {
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"]) expect(holdable({ ...good, method }, rules)).toBe("METHOD");
  });

  it.each([
    "/facebook2",
    "/",
    "/face",
    "/Facebook",
    "facebook",
    "http://x/facebook",
    "*",
    "",
    "/other/../facebook",
    "/facebook/..",
    "/facebook/./a",
    "//facebook",
    "/facebook//a",
    "/facebook\\a",
    "/facebook%2fa",
    "/facebook/%2e%2e/a",
    "/facebook%5Ca",
    "/facebook/%00",
    "/facebook/%ff",
    "/facebook/%zz",
  ])("does not hold %j", (target) => {
    expect(holdable({ ...good, target }, rules)).toBe("PATH");
  });

  it("matches prefixes with and without a slash at the end, several, the root, and none", () => {
    const under = (target: string, ...prefixes: string[]) => holdable({ ...good, target }, { ...rules, prefixes }) === true;
    expect(under("/a/b", "/a/")).toBe(true);
    expect(under("/a", "/a/")).toBe(true);
    expect(under("/b", "/a", "/b")).toBe(true);
    expect(under("/anything", "/")).toBe(true);
    expect(under("/anything")).toBe(false);
  });

  it("wants exactly one well-formed signature where the tunnel demands one", () => {
    const hex = "0a".repeat(32);
    for (const signatures of [
      [],
      [""],
      [hex],
      [`sha1=${hex}`],
      [`sha256=${hex}0`],
      [`sha256=${hex.slice(1)}`],
      [`sha256=${"zz".repeat(32)}`],
      [...good.signatures, ...good.signatures],
    ]) {
      expect([signatures, holdable({ ...good, signatures }, rules)]).toEqual([signatures, "SIGNATURE"]);
      expect(holdable({ ...good, signatures }, { ...rules, requireSignature: false })).toBe(true);
    }
  });

  it("holds bodies up to 1 MB", () => {
    expect(holdable({ ...good, bodyBytes: MAX_BODY_BYTES }, rules)).toBe(true);
    expect(holdable({ ...good, bodyBytes: MAX_BODY_BYTES + 1 }, rules)).toBe("BODY_TOO_LARGE");
  });
});
