/** Request lines and heads that Node's parser takes and HTTP does not know: refused, and nothing of them reaches the local service. */
import { once } from "node:events";
import net from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openEdge, openTunnel, rawAsk, startRawOrigin, type RawOrigin, type TestEdge, type TestTunnel } from "../../support/edge.ts";

let edge: TestEdge;
let origin: RawOrigin;
let client: TestTunnel;
beforeAll(async () => {
  edge = await openEdge();
  origin = await startRawOrigin((socket) => {
    socket.on("data", (chunk) => {
      const text = chunk.toString("latin1");
      if (text.includes("\r\n\r\n")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAiry-Error: TUNNEL_OFFLINE\r\n\r\nok");
    });
  });
  client = await openTunnel(edge, origin.port);
});
afterAll(async () => {
  await client.tunnel.close();
  await edge.close();
  await origin.close();
});

const answersIn = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
const codeIn = (text: string) => /^airy-error: (\w+)/im.exec(text)?.[1];
const HOST = () => `Host: ${client.host}\r\n`;
const END = "Connection: close\r\n\r\n";

it.each([
  ["two blanks behind the method", "GET  /x HTTP/1.1", "", "BAD_REQUEST"],
  ["two blanks behind the path", "GET /x  HTTP/1.1", "", "BAD_REQUEST"],
  ["RTSP", "GET /x RTSP/1.0", "", "BAD_REQUEST"],
  ["ICE", "SOURCE /x ICE/1.0", "", "BAD_REQUEST"],
  ["HTTP/2.0", "GET /x HTTP/2.0", "", "BAD_REQUEST"],
  ["HTTP/0.9", "GET /x HTTP/0.9", "", "BAD_REQUEST"],
  ["a fragment", "GET /x#y HTTP/1.1", "", "BAD_TARGET"],
  ["TRACE", "TRACE /x HTTP/1.1", "", "METHOD_NOT_ALLOWED"],
  ["a list in Expect", "POST /x HTTP/1.1", "Expect: 100-continue, x\r\nContent-Length: 1\r\n", "EXPECTATION_FAILED"],
  ["a quoted Expect", "POST /x HTTP/1.1", 'Expect: "100-continue"\r\nContent-Length: 1\r\n', "EXPECTATION_FAILED"],
  ["Expect twice", "POST /x HTTP/1.1", "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", "EXPECTATION_FAILED"],
  ["an empty Expect", "POST /x HTTP/1.1", "Expect:\r\nContent-Length: 1\r\n", "EXPECTATION_FAILED"],
  ["an upgrade with a chunked body", "GET /x HTTP/1.1", "Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n", "BAD_REQUEST"],
  ["an upgrade whose line is odd", "GET  /x HTTP/1.1", "Upgrade: websocket\r\n", "BAD_REQUEST"],
  ["an upgrade to something else whose line is odd", "GET  /x HTTP/1.1", "Upgrade: h2c\r\n", "BAD_REQUEST"],
])("%s", async (_what, line, fields, code) => {
  const before = origin.received.join("").length;
  const connection = fields.includes("Upgrade") ? "Connection: Upgrade\r\n\r\n" : END;
  const text = await rawAsk(edge.httpPort, `${line}\r\n${HOST()}${fields}${connection}`, (got) => got.endsWith("}\n"));
  expect(text).not.toContain("100 Continue");
  expect(answersIn(text)).toHaveLength(1);
  expect(codeIn(text)).toBe(code);
  expect(origin.received.join("").length).toBe(before);
});

it("an odd line is seen behind another request as well, and in whatever pieces it comes", async () => {
  const plain = `GET /a HTTP/1.1\r\n${HOST()}\r\n`;
  expect(answersIn(await rawAsk(edge.httpPort, `${plain}GET  /b HTTP/1.1\r\n${HOST()}${END}`))).toEqual(["200", "400"]);
  for (const [first, rest] of [
    ["GET", "  /b HTTP/1.1\r\n"],
    ["GET ", " /b HTTP/1.1\r\n"],
    ["GET /b", " RTSP/1.0\r\n"],
    ["GET /b RT", "SP/1.0\r\n"],
  ]) {
    expect(answersIn(await inPieces([first!, `${rest}${HOST()}${END}`]))).toEqual(["400"]);
  }
});

it("what is as it should be passes: pipelined, behind empty lines, byte by byte, long, and HTTP/1.0", async () => {
  const last = `GET /c HTTP/1.1\r\n${HOST()}${END}`;
  expect(answersIn(await rawAsk(edge.httpPort, `\r\n\r\n${last}`))).toEqual(["200"]);
  const two = `POST /a HTTP/1.1\r\n${HOST()}Content-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n${HOST()}\r\n${last}`;
  expect(answersIn(await rawAsk(edge.httpPort, two))).toEqual(["200", "200", "200"]);
  expect(answersIn(await inPieces([...`GET /slow HTTP/1.1\r\n${HOST()}${END}`]))).toEqual(["200"]);
  expect(answersIn(await inPieces([`GET /${"x".repeat(9_000)}`, "y".repeat(9_000), ` HTTP/1.1\r\n${HOST()}${END}`]))).toEqual(["200"]);
  expect(answersIn(await rawAsk(edge.httpPort, `GET /old HTTP/1.0\r\n${HOST()}\r\n`))).toEqual(["200"]);
});

it("100-continue is said once the request may pass, and not before a refusal", async () => {
  const socket = net.connect(edge.httpPort, "127.0.0.1");
  socket.write(`POST /x HTTP/1.1\r\n${HOST()}Expect: 100-Continue\r\nContent-Length: 4\r\n${END}`);
  const [first] = (await once(socket, "data")) as [Buffer];
  expect(first.toString()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  socket.write("body");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answersIn(answer.toString())).toEqual(["200"]);
  const refused = await rawAsk(
    edge.httpPort,
    `POST /x HTTP/1.1\r\nHost: nobody.tunnel.localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n${END}`,
    (got) => got.endsWith("}\n"),
  );
  expect(answersIn(refused)).toEqual(["404"]);
});

it("a local service cannot speak in the edge's name", async () => {
  const text = await rawAsk(edge.httpPort, `GET / HTTP/1.1\r\n${HOST()}${END}`);
  expect(answersIn(text)).toEqual(["200"]);
  expect(text).not.toMatch(/airy-error/i);
});

async function inPieces(pieces: readonly string[]): Promise<string> {
  const socket = net.connect(edge.httpPort, "127.0.0.1");
  socket.setNoDelay(true);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  const closed = once(socket, "close");
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, pieces.length > 5 ? 1 : 30));
  }
  await closed;
  return text;
}
