import { describe, expect, it } from "vitest";
import { requestHeaders, responseHeaders } from "../../../edge/ingress/headers.ts";
import { tunnelOf } from "../../../edge/ingress/host.ts";

describe("Host", () => {
  it.each([
    ["shop.tunnel.test", "shop"],
    ["SHOP.Tunnel.TEST", "shop"],
    ["shop.tunnel.test.", "shop"],
    ["shop.tunnel.test:8080", "shop"],
    ["shop.tunnel.test.:8080", "shop"],
    ["a-b.tunnel.test", "a-b"],
    [`${"a".repeat(63)}.tunnel.test`, "a".repeat(63)],
  ])("%s is for a tunnel", (host, name) => {
    expect(tunnelOf(["Accept", "*/*", "hOSt", host], "tunnel.test")).toEqual({ name, host });
  });

  it.each([
    ["example.com", "a foreign domain"],
    ["tunnel.test", "the domain itself"],
    [".tunnel.test", "an empty label"],
    ["a.b.tunnel.test", "a nested label"],
    ["shop..tunnel.test", "a label and an empty one"],
    ["-shop.tunnel.test", "a hyphen in front"],
    ["shop-.tunnel.test", "a hyphen behind"],
    ["shop.tunnel.test..", "two dots behind"],
    [`${"a".repeat(64)}.tunnel.test`, "64 letters"],
    ["shoptunnel.test", "no dot"],
    ["shop.tunnel.test.evil.com", "the domain in the middle"],
    ["127.0.0.1", "an address"],
    ["127.0.0.1:80", "an address with a port"],
  ])("%s is no tunnel's (%s)", (host) => {
    expect(tunnelOf(["Host", host], "tunnel.test")).toEqual({ error: "TUNNEL_NOT_FOUND" });
  });

  it.each([
    "",
    " ",
    "a@shop.tunnel.test",
    "shop.tunnel.test@evil.com",
    "shop.tunnel.test:",
    "shop.tunnel.test:x",
    "shop.tunnel.test:70000",
    "shop.tunnel.test:80:80",
    "shop.tunnel.test/x",
    "shop.tunnel.test, x",
    "shop_x.tunnel.test",
    "shop%2etunnel.test",
    "sh\xf6p.tunnel.test",
    "[::1]",
    "[::1]:80",
    "shop.tunnel.test ",
  ])("%j is malformed", (host) => {
    expect(tunnelOf(["Host", host], "tunnel.test")).toEqual({ error: "BAD_HOST" });
  });

  it("has to be there exactly once", () => {
    expect(tunnelOf([], "tunnel.test")).toEqual({ error: "BAD_HOST" });
    expect(tunnelOf(["Host", "shop.tunnel.test", "host", "shop.tunnel.test"], "tunnel.test")).toEqual({ error: "BAD_HOST" });
    expect(tunnelOf(["Host", "shop.tunnel.test", "HOST", "evil.tunnel.test"], "tunnel.test")).toEqual({ error: "BAD_HOST" });
  });
});

describe("request headers", () => {
  const peer = { address: "192.0.2.7", proto: "http", host: "shop.tunnel.test", chain: "192.0.2.7", proxied: false } as const;
  const ours = ["X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "http", "X-Forwarded-Host", "shop.tunnel.test"];
  ours.push("Forwarded", "for=192.0.2.7;host=shop.tunnel.test;proto=http", "X-Request-Id", "id");

  it("keep order, case and repetition", () => {
    const raw = ["hOST", "shop.tunnel.test", "X-B", "2", "x-a", "1", "X-B", "3"];
    expect(requestHeaders(raw, peer, "id", null)).toEqual([...raw, ...ours]);
  });

  it.each([
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authorization",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
    "Expect",
    "Forwarded",
    "X-Real-IP",
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "x-forwarded-anything",
    "X_Forwarded_For",
    "X-Forwarded_Proto",
    "X_Real_IP",
    "X-Request-Id",
    "Airy-Delivery",
    "AIRY_DELIVERY",
  ])("%s is not passed on", (name) => {
    expect(requestHeaders(["Host", "shop.tunnel.test", name, "x"], peer, "id", null)).toEqual(["Host", "shop.tunnel.test", ...ours]);
  });

  it("what Connection lists is not passed on, but for what frames or routes the request", () => {
    const raw = [
      "Host",
      "h",
      "Connection",
      "close, X-Hop ,content-length, host",
      "x-hop",
      "1",
      "Content-Length",
      "3",
      "connection",
      "X-Other",
    ];
    expect(requestHeaders([...raw, "X-Other", "1"], peer, "id", null)).toEqual(["Host", "h", "Content-Length", "3", ...ours]);
  });

  it("an upgrade is said again", () => {
    const raw = ["Host", "h", "Connection", "keep-alive, Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "k"];
    expect(requestHeaders(raw, peer, "id", "websocket")).toEqual([
      "Host",
      "h",
      "Sec-WebSocket-Key",
      "k",
      ...ours,
      "Connection",
      "Upgrade",
      "Upgrade",
      "websocket",
    ]);
  });
});

describe("response headers", () => {
  it("lose what is for one hop only, and nothing else", () => {
    const raw = ["Set-Cookie", "a=1", "Connection", "X-Hop", "X-Hop", "1", "set-cookie", "b=2", "Keep-Alive", "timeout=5"];
    expect(responseHeaders([...raw, "Transfer-Encoding", "chunked", "Upgrade", "h2c", "X-Forwarded-For", "kept"], "id")).toEqual([
      "Set-Cookie",
      "a=1",
      "set-cookie",
      "b=2",
      "X-Forwarded-For",
      "kept",
      "X-Request-Id",
      "id",
    ]);
  });
});
