/** What the edge answers by itself, and what it does not let through. */
import { once } from "node:events";
import net from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  ask,
  DOMAIN,
  openEdge,
  openTunnel,
  rawAsk,
  startRawOrigin,
  until,
  type RawOrigin,
  type TestEdge,
  type TestTunnel,
} from "../../support/edge.ts";

let edge: TestEdge;
let origin: RawOrigin;
let client: TestTunnel;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge.close());
beforeEach(async () => {
  origin = await startRawOrigin((socket) => {
    socket.on("data", (chunk) => {
      if (chunk.toString("latin1").includes("\r\n\r\n")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });
  client = await openTunnel(edge, origin.port);
});
afterEach(async () => {
  await client.tunnel.close();
  await origin.close();
});

const status = (text: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
const code = (text: string) => /^airy-error: (\w+)/im.exec(text)?.[1];
const send = (lines: string[], body = "") => rawAsk(edge.httpPort, `${lines.join("\r\n")}\r\nConnection: close\r\n\r\n${body}`);

describe("names", () => {
  it("nobody has are 404", async () => {
    const answer = await ask(edge.httpPort, { host: `nobody.${DOMAIN}` });
    expect([answer.status, answer.headers["airy-error"]]).toEqual([404, "TUNNEL_NOT_FOUND"]);
    expect(answer.text).toContain("There is no tunnel of this name");
  });

  it("of another domain are 404, malformed ones 400", async () => {
    expect((await ask(edge.httpPort, { host: "example.com" })).status).toBe(404);
    const answer = await ask(edge.httpPort, { host: `x@${client.host}` });
    expect([answer.status, answer.headers["airy-error"]]).toEqual([400, "BAD_HOST"]);
  });

  it("whose client has left are 503, with a time to come back, and found again when it returns", async () => {
    const key = (await import("../../support/edge.ts")).newKey();
    const first = await openTunnel(edge, origin.port, { identity: key.private });
    await first.tunnel.close();
    await until("the route to go", async () => (await ask(edge.httpPort, { host: first.host })).status === 503);
    const answer = await ask(edge.httpPort, { host: first.host });
    expect(answer.headers["airy-error"]).toBe("TUNNEL_OFFLINE");
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    const again = await openTunnel(edge, origin.port, { identity: key.private });
    expect(again.url).toBe(first.url);
    expect((await ask(edge.httpPort, { host: first.host })).text).toBe("ok");
    await again.tunnel.close();
  });

  it("are found in any case, with a dot behind and with any port", async () => {
    const name = client.host.split(":")[0]!;
    for (const host of [name, name.toUpperCase(), `${name}.`, `${name}:1`, `${name}.:443`]) {
      expect((await ask(edge.httpPort, { host })).text).toBe("ok");
    }
  });
});

describe("never forwarded", () => {
  it.each([
    ["two Host headers", () => ["GET / HTTP/1.1", `Host: ${client.host}`, `Host: ${client.host}`]],
    ["no Host header", () => ["GET / HTTP/1.1"]],
    ["absolute form", () => [`GET http://${client.host}/ HTTP/1.1`, `Host: ${client.host}`]],
    ["absolute form with another host", () => ["GET http://evil.test/ HTTP/1.1", `Host: ${client.host}`]],
    ["GET *", () => ["GET * HTTP/1.1", `Host: ${client.host}`]],
    ["no slash", () => ["GET x HTTP/1.1", `Host: ${client.host}`]],
    ["CONNECT", () => [`CONNECT ${client.host} HTTP/1.1`, `Host: ${client.host}`]],
    ["CONNECT to elsewhere", () => ["CONNECT 127.0.0.1:22 HTTP/1.1", `Host: ${client.host}`]],
    ["length and chunked", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Content-Length: 5", "Transfer-Encoding: chunked"]],
    ["two lengths", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Content-Length: 5", "Content-Length: 6"]],
    ["a list of lengths", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Content-Length: 5, 5"]],
    ["a length with a plus", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Content-Length: +5"]],
    ["chunked in HTTP/1.0", () => ["POST / HTTP/1.0", `Host: ${client.host}`, "Transfer-Encoding: chunked"]],
    ["chunked twice", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]],
    ["another coding", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Transfer-Encoding: gzip, chunked"]],
    ["chunked with a tab", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Transfer-Encoding:\x0bchunked"]],
    ["a length with an underscore", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Content_Length: 5"]],
    ["a coding with an underscore", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Transfer_Encoding: chunked"]],
    ["a folded header", () => ["GET / HTTP/1.1", `Host: ${client.host}`, "X: a", " b"]],
    ["a space before the colon", () => ["GET / HTTP/1.1", `Host: ${client.host}`, "Content-Length : 5"]],
    [
      "an upgrade with a body",
      () => ["GET / HTTP/1.1", `Host: ${client.host}`, "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5"],
    ],
    [
      "an upgrade with a chunked body",
      () => ["GET / HTTP/1.1", `Host: ${client.host}`, "Connection: Upgrade", "Upgrade: websocket", "Transfer-Encoding: chunked"],
    ],
    ["an upgrade by POST", () => ["POST / HTTP/1.1", `Host: ${client.host}`, "Connection: Upgrade", "Upgrade: websocket"]],
  ])("%s", async (_what, lines) => {
    const list = lines();
    const text = await rawAsk(edge.httpPort, `${list.join("\r\n")}\r\n\r\nhello`, (got) => got.includes("\r\n\r\n"));
    expect(status(text)).toBe(400);
    expect(code(text)).toMatch(/^BAD_(REQUEST|TARGET|HOST)$/);
    expect((await ask(edge.httpPort, { host: client.host })).text).toBe("ok");
    expect(origin.received.join("")).not.toContain("hello");
    expect(origin.received.join("").match(/ HTTP\/1\.1\r\n/g)).toHaveLength(1);
  });

  it("HTTP/2 with prior knowledge", async () => {
    const text = await rawAsk(edge.httpPort, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    expect(status(text)).toBe(400);
  });
});

it("a head of 1 MB is refused without being read to its end", async () => {
  const socket = net.connect(edge.httpPort, "127.0.0.1");
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => (text += chunk.toString()));
  socket.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n`);
  const line = `X-Filler: ${"x".repeat(8000)}\r\n`;
  for (let i = 0; i < 130 && socket.writable; i++) socket.write(line);
  socket.write("\r\n");
  await once(socket, "close");
  // The answer may be lost when the connection is reset; if it came, it says what is wrong.
  if (text !== "") expect(status(text)).toBe(431);
  expect(origin.received).toEqual([]);
});

it("a client that never finishes its head is let go", async () => {
  const socket = net.connect(edge.httpPort, "127.0.0.1");
  socket.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\n`);
  socket.resume();
  await once(socket, "close");
  expect(origin.received).toEqual([]);
}, 25_000);

it("only the paths that are given are public", async () => {
  const narrow = await openTunnel(edge, origin.port, { paths: ["/facebook"] });
  const get = async (target: string) => {
    const text = await send([`GET ${target} HTTP/1.1`, `Host: ${narrow.host}`]);
    return [status(text), code(text)];
  };
  expect(await get("/facebook")).toEqual([200, undefined]);
  expect(await get("/facebook/x?a=//b")).toEqual([200, undefined]);
  expect(await get("/face%62ook")).toEqual([200, undefined]);
  for (const target of ["/", "/facebookx", "/FACEBOOK", "/admin"]) expect(await get(target)).toEqual([404, "PATH_NOT_EXPOSED"]);
  for (const target of ["//facebook", "/facebook/../admin", "/facebook%2f..%2fadmin", "/%2e%2e/", "/facebook\\x", "/facebook/..;/admin"]) {
    expect(await get(target)).toEqual([400, "PATH_MALFORMED"]);
  }
  expect(origin.received.join("").match(/^GET .*/gm)).toEqual([
    "GET /facebook HTTP/1.1",
    "GET /facebook/x?a=//b HTTP/1.1",
    "GET /face%62ook HTTP/1.1",
  ]);
  await narrow.tunnel.close();
});
