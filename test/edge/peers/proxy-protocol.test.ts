/** The header with which a proxy in front says who has connected, as HAProxy describes it, and what is no such header. */
import { expect, it } from "vitest";
import { parseProxyHeader } from "../../../edge/peers/proxy-protocol.ts";

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const v2 = (command: number, family: number, body: Buffer, length = body.length) =>
  Buffer.concat([SIGNATURE, Buffer.from([0x20 | command, family, length >> 8, length & 0xff]), body]);
const ipv4 = Buffer.from([203, 0, 113, 7, 10, 0, 0, 1, 0xc0, 0x01, 0x01, 0xbb]);
const ipv6 = Buffer.concat([Buffer.from("20010db8000000000000000000000007", "hex"), Buffer.alloc(16), Buffer.alloc(4)]);

it.each([
  ["TCP4", "PROXY TCP4 203.0.113.7 10.0.0.1 49153 443\r\nGET", { size: 43, address: "203.0.113.7" }],
  ["TCP6", "PROXY TCP6 2001:db8::7 ::1 49153 443\r\n", { size: 38, address: "2001:db8::7" }],
  ["UNKNOWN", "PROXY UNKNOWN what ever\r\n", { size: 25, address: null }],
])("version 1, %s", (_name, text, expected) => {
  expect(parseProxyHeader(Buffer.from(text))).toEqual(expected);
});

it("version 2: addresses of both families, fields behind them, and a proxy's own connection", () => {
  expect(parseProxyHeader(v2(1, 0x11, ipv4))).toEqual({ size: 28, address: "203.0.113.7" });
  expect(parseProxyHeader(v2(1, 0x21, ipv6))).toEqual({ size: 52, address: "2001:db8:0:0:0:0:0:7" });
  expect(parseProxyHeader(v2(1, 0x11, Buffer.concat([ipv4, Buffer.from([0x04, 0, 1, 0])])))).toEqual({ size: 32, address: "203.0.113.7" });
  expect(parseProxyHeader(v2(0, 0x00, Buffer.alloc(0)))).toEqual({ size: 16, address: null });
});

it("every beginning of one is waited for, and nothing else", () => {
  for (const whole of [Buffer.from("PROXY TCP4 203.0.113.7 10.0.0.1 49153 443\r\n"), v2(1, 0x11, ipv4)]) {
    for (let length = 1; length < whole.length; length++) expect(parseProxyHeader(whole.subarray(0, length))).toBe("more");
  }
  for (const other of ["GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01", "PUT / HTTP/1.1", "PROPFIND / HTTP/1.1"]) {
    expect(parseProxyHeader(Buffer.from(other, "latin1"))).toBe("none");
  }
});

it.each([
  ["a line without end", Buffer.from(`PROXY TCP4 ${"1".repeat(120)}`)],
  ["no address", Buffer.from("PROXY TCP4 example.com 10.0.0.1 1 2\r\n")],
  ["an address of the other family", Buffer.from("PROXY TCP4 ::1 ::1 1 2\r\n")],
  ["no ports", Buffer.from("PROXY TCP4 203.0.113.7 10.0.0.1\r\n")],
  ["a port too large", Buffer.from("PROXY TCP4 203.0.113.7 10.0.0.1 1 70000\r\n")],
  ["version 3", Buffer.concat([SIGNATURE, Buffer.from([0x31, 0x11, 0, 12]), ipv4])],
  ["an unknown command", v2(2, 0x11, ipv4)],
  ["addresses that are cut", v2(1, 0x11, ipv4.subarray(0, 8))],
  ["a length beyond all reason", v2(1, 0x11, ipv4, 60_000)],
])("malformed: %s", (_what, bytes) => {
  expect(parseProxyHeader(bytes)).toBe("bad");
});
