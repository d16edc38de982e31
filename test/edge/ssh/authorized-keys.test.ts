import { describe, expect, it } from "vitest";
import { parseAuthorizedKey } from "../../../edge/ssh/authorized-keys.ts";
import { newKey } from "../../support/edge.ts";

const KEY = newKey().public.split(" ").slice(0, 2).join(" ");
const NOW = Date.UTC(2026, 5, 1);
const admits = (options: string, address = "203.0.113.7", now = NOW) =>
  parseAuthorizedKey(`${options} ${KEY} me@home`)!.admits(address, now);

it.each(["", "   ", "# a comment", "\t# one behind a tab"])("skips %j", (line) => {
  expect(parseAuthorizedKey(line)).toBeNull();
});

it.each(["", "no-pty,no-X11-forwarding", "restrict,port-forwarding", 'NO-PTY,from="*"'])("admits with %j", (options) => {
  expect(admits(options)).toBe(true);
});

describe("from", () => {
  it.each<[string, string, boolean]>([
    ["203.0.113.7", "203.0.113.7", true],
    ["203.0.113.7", "203.0.113.8", false],
    ["203.0.113.0/24", "203.0.113.200", true],
    ["203.0.113.0/24", "203.0.114.1", false],
    ["203.0.113.*", "203.0.113.200", true],
    ["203.0.113.?", "203.0.113.20", false],
    ["10.0.0.0/8,203.0.113.0/24", "203.0.113.20", true],
    ["203.0.113.0/24,!203.0.113.20", "203.0.113.20", false],
    ["203.0.113.0/24,!203.0.113.20", "203.0.113.21", true],
    ["!203.0.113.20", "203.0.113.21", false],
    ["2001:db8::/32", "2001:db8:1::5", true],
    ["2001:db8::/32", "2001:db9::5", false],
    ["2001:db8::/32", "203.0.113.7", false],
  ])("%s and %s: %s", (list, address, expected) => {
    expect(admits(`from="${list}"`, address)).toBe(expected);
  });
});

describe("expiry-time", () => {
  it.each<[string, boolean]>([
    ["20200101", false],
    ["20991231", true],
    ["20260601Z", false],
    ["202606010001Z", true],
    ["20260531235959Z", false],
  ])("%s: %s", (time, expected) => {
    expect(admits(`expiry-time="${time}"`)).toBe(expected);
  });

  it("counts beside from", () => {
    expect(admits('from="203.0.113.0/24",expiry-time="20200101"')).toBe(false);
    expect(admits('from="198.51.100.0/24",expiry-time="20991231"')).toBe(false);
  });
});

it.each([
  "@revoked *",
  "@cert-authority *",
  "cert-authority",
  "restrict",
  "no-port-forwarding",
  'command="/bin/true"',
  'permitlisten="80"',
  'principals="a"',
  'environment="A=b"',
  "no-such-option",
  'from="example.com"',
  'from=""',
  'from="203.0.113.0/33"',
  'expiry-time="tomorrow"',
  'expiry-time="20260231"',
  'from="203.0.113.0/24',
  "no-pty,",
])("does not ignore %s", (options) => {
  expect(() => parseAuthorizedKey(`${options} ${KEY}`)).toThrow(/honoured|not a|forbids/);
});

it.each(["ssh-ed25519 nonsense", "hello", 'command="a ssh-ed25519 AAAA b"', `ssh-ed25519-cert-v01@openssh.com ${KEY.split(" ")[1]}`])(
  "takes nothing else for a key: %s",
  (line) => {
    expect(() => parseAuthorizedKey(line)).toThrow();
  },
);
