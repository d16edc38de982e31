import { expect, it } from "vitest";
import { GoAway, Hello, Refused, Status, Welcome } from "../../../edge/wire/messages.ts";

it("what is shown holds neither line ends nor escape sequences", () => {
  expect(Hello.parse({ agent: "x\n2026 forged\u001b[31m", instance: "i" }).agent).toBe("x?2026 forged?[31m");
  expect(Refused.parse({ code: "A\u001bB", message: "no\r\n\u009b2J" })).toEqual({ code: "A?B", message: "no???2J" });
  expect(GoAway.parse({ code: "\u0007", retryAfterMs: 0 }).code).toBe("?");
  expect(Status.parse({ held: { entries: 1, bytes: 1, dead: 0, oldest: "\u001bc" } }).held?.oldest).toBe("?c");
});

it.each(["http://a.tunnel.localhost:8080", "http://a.tunnel.airy.co", "https://a.tunnel.airy.co"])("%s is a public URL", (url) => {
  expect(Welcome.safeParse({ identifier: "a", url, holdHours: 0 }).success).toBe(true);
});

it.each([
  "javascript:alert(1)",
  "file:///etc/passwd",
  "http://a.tunnel.airy.co/",
  "http://127.0.0.1:8500/v1/kv?x=",
  "http://a.tunnel.airy.co?x",
  "http://user@a.tunnel.airy.co",
  "http://a\u001b[31m",
  "",
])("%j is not", (url) => {
  expect(Welcome.safeParse({ identifier: "a", url, holdHours: 0 }).success).toBe(false);
});
