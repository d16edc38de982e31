import { expect, it } from "vitest";
import { verdictOf } from "../../../cli/tunnel/paths.ts";

it.each([
  ["/facebook", "exposed"],
  ["/facebook?hub.mode=subscribe", "exposed"],
  ["/facebook/", "exposed"],
  ["/facebook/x/y", "exposed"],
  ["/facebook/x?y=../z//", "exposed"],
  ["/face%62ook", "exposed"],
  ["/facebook/%C3%BC", "exposed"],
  ["/facebookx", "hidden"],
  ["/faceboo", "hidden"],
  ["/FACEBOOK", "hidden"],
  ["/", "hidden"],
  ["/x/facebook", "hidden"],
  ["/facebook%3fx", "hidden"],
  ["/facebook%20", "hidden"],
  ["/facebook;x/../y", "malformed"],
  ["//facebook", "malformed"],
  ["/facebook//x", "malformed"],
  ["/./facebook", "malformed"],
  ["/facebook/.", "malformed"],
  ["/facebook/..", "malformed"],
  ["/facebook/../admin", "malformed"],
  ["/facebook/..;/admin", "malformed"],
  ["/facebook/..;a=b/admin", "malformed"],
  ["/%2e%2e/", "malformed"],
  ["/facebook/%2E%2E/admin", "malformed"],
  ["/facebook/%252e%252e/admin", "malformed"],
  ["/facebook/.%2e/admin", "malformed"],
  ["/facebook%2fx", "malformed"],
  ["/facebook%252Fx", "malformed"],
  ["/facebook%5cx", "malformed"],
  ["/facebook\\..\\admin", "malformed"],
  ["/facebook/%00", "malformed"],
  ["/facebook/%0d%0a", "malformed"],
  ["/facebook/%", "malformed"],
  ["/facebook/%ff", "malformed"],
  ["/facebook#x", "malformed"],
  ["facebook", "malformed"],
  ["http://x/facebook", "malformed"],
  ["*", "malformed"],
  ["", "malformed"],
])("with --path /facebook, %s is %s", (target, verdict) => {
  expect(verdictOf(target, ["/facebook"])).toBe(verdict);
});

it("exposes everything when no prefix is given", () => {
  for (const target of ["/", "/facebook//x", "/..%2f", "*"]) expect(verdictOf(target, [])).toBe("exposed");
});

it("takes several prefixes, with and without a slash at the end", () => {
  expect(verdictOf("/a/x", ["/a/", "/b"])).toBe("exposed");
  expect(verdictOf("/a", ["/a/", "/b"])).toBe("exposed");
  expect(verdictOf("/b", ["/a/", "/b"])).toBe("exposed");
  expect(verdictOf("/c", ["/a/", "/b"])).toBe("hidden");
  expect(verdictOf("/anything", ["/"])).toBe("exposed");
});
