import { expect, it } from "vitest";
import { parseDomain } from "../../edge/config.ts";

it.each(["t.test", "tunnel.example.com", "localhost", "XN--BCHER-KVA.example", "3com.example"])("takes %s", (domain) => {
  expect(parseDomain(domain)).toBe(domain.toLowerCase());
});

it.each([
  "",
  "http://x",
  "https://x.test/",
  "t.test.",
  "*.t.test",
  "t.test:80",
  "t.test:",
  "a b",
  "t..test",
  ".t.test",
  "-t.test",
  "t_t.test",
  "bücher.example",
  "127.0.0.1",
  "::1",
  "t.test/x",
  `${"a.".repeat(100)}test`,
])("refuses %j, under which no Host could name a tunnel", (domain) => {
  expect(() => parseDomain(domain)).toThrow(expect.objectContaining({ code: "EDGE_DOMAIN" }));
});
