/** Connections on which something goes wrong: an answer is never mixed with another one, and nothing that was refused stays. */
import { once } from "node:events";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bothClients, type Client } from "../../support/clients.ts";
import { openEdge, rawAsk, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";

let edge: TestEdge;
let origin: Origin;
let agent: Client;
let plain: Client;
/** What the local service was asked, and what of it was broken off. */
const asked: string[] = [];
const aborted: string[] = [];

beforeAll(async () => {
  edge = await openEdge({ admin: { host: "127.0.0.1", port: 0 } });
  origin = await startOrigin((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("error", () => {});
    request.on("close", () => {
      if (!request.complete || !response.writableFinished) aborted.push(request.url!);
    });
    asked.push(`${request.method} ${request.url} upgrade=${request.headers.upgrade}`);
    if (request.url === "/stream") {
      response.writeHead(200);
      response.write("first");
    } else if (request.url === "/slow") setTimeout(() => response.end("carried out"), 300);
    else if (request.url !== "/never") request.on("end", () => response.end(`body=${body}`));
  });
  origin.server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
  const [ours, theirs] = bothClients(() => edge);
  agent = await ours![1](origin.port);
  plain = await theirs![1](origin.port);
});
afterAll(async () => {
  await agent.close();
  await plain.close();
  await origin.close();
  await edge.close();
});

const answersIn = (text: string) => text.match(/HTTP\/1\.1 \d+/g);
const inFlight = async () => {
  const text = await (await fetch(`http://127.0.0.1:${edge.edge.adminPort}/metrics`)).text();
  return Number(/^airy_edge_requests_in_flight (\d+)$/m.exec(text)![1]);
};

/** A client that sends, waits for an answer and keeps its side open. Resolves when the edge has let go of the connection. */
async function lettingGo(bytes: string, more: (socket: net.Socket) => Promise<void> = async () => {}): Promise<string> {
  const socket = net.connect({ port: edge.httpPort, host: "127.0.0.1", allowHalfOpen: true });
  let text = "";
  let gone = false;
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.on("error", () => (gone = true));
  socket.write(bytes);
  await more(socket);
  if (!socket.readableEnded) await once(socket, "end");
  // What is sent to a connection that nobody has any more is answered with a reset.
  await until("the edge to let go", () => {
    socket.write("x");
    return gone || socket.destroyed;
  });
  return text;
}

describe.each([
  ["our agent", () => agent.host],
  ["ssh -R", () => plain.host],
])("through %s", (_name, host) => {
  it("what cannot be read behind a request whose answer is under way cuts the connection", async () => {
    for (const junk of ["\0junk\r\n\r\n", `GET / HTTP/1.1\r\nHost: ${host()}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`]) {
      const socket = net.connect(edge.httpPort, "127.0.0.1");
      let text = "";
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        text += chunk.toString("latin1");
        if (text.endsWith("first\r\n")) socket.write(junk);
      });
      socket.write(`GET /stream HTTP/1.1\r\nHost: ${host()}\r\n\r\n`);
      await once(socket, "close");
      expect(answersIn(text)).toEqual(["HTTP/1.1 200"]);
    }
  });

  it.each([
    ["GET", "GET /slow HTTP/1.1\r\nConnection: close\r\n"],
    ["POST", "POST /slow HTTP/1.1\r\nContent-Length: 2\r\n"],
  ])("a %s that was carried out is answered by the service, whatever comes behind it", async (method, head) => {
    const text = await rawAsk(edge.httpPort, `${head}Host: ${host()}\r\n\r\n${method === "POST" ? "ok" : ""}\0\0junk`);
    expect(answersIn(text)).toEqual(["HTTP/1.1 200"]);
    expect(text).toContain("carried out");
  });

  it("a body that turns bad is answered with 400, and the local service told at once", async () => {
    const before = aborted.length;
    const earlier = asked.length;
    const head = `POST /never HTTP/1.1\r\nHost: ${host()}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`;
    const text = await lettingGo(head, async (socket) => {
      await until("the service to have it", () => asked.length > earlier);
      socket.write("zz\r\n");
      await until("the service to hear of it", () => aborted.length > before);
    });
    expect(answersIn(text)).toEqual(["HTTP/1.1 400"]);
    await until("its place to be free", async () => (await inFlight()) === 0);
  });

  it("more header lines than 1,000 are refused, and nothing of the request arrives", async () => {
    const before = asked.length;
    const many = "x: y\r\n".repeat(1_200);
    for (const [first, last] of [
      ["POST /many", "Content-Length: 5\r\n\r\nhello"],
      ["GET /many", "Host: evil.test\r\n\r\n"],
      ["GET /many", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"],
    ]) {
      const text = await rawAsk(edge.httpPort, `${first} HTTP/1.1\r\nHost: ${host()}\r\n${many}${last}`, (got) => got.endsWith("}\n"));
      expect(answersIn(text)).toEqual(["HTTP/1.1 431"]);
    }
    expect(asked.length).toBe(before);
  });

  it("an upgrade to h2c or anything else but WebSocket is ignored, and the request answered", async () => {
    const h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    const whole = (text: string) => /body=\w*/.test(text) && text.includes("body=hello");
    for (const framing of ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]) {
      const text = await rawAsk(edge.httpPort, `POST /h2c HTTP/1.1\r\nHost: ${host()}\r\n${h2c}${framing}`, whole);
      expect(answersIn(text)).toEqual(["HTTP/1.1 200"]);
    }
    // Two on one connection, the second one as it comes from a client that has understood.
    const two = `GET /a HTTP/1.1\r\nHost: ${host()}\r\n${h2c}\r\nGET /b HTTP/1.1\r\nHost: ${host()}\r\nConnection: close\r\n\r\n`;
    expect(answersIn(await rawAsk(edge.httpPort, two))).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
    expect(asked.slice(-3)).toEqual(["POST /h2c upgrade=undefined", "GET /a upgrade=undefined", "GET /b upgrade=undefined"]);
  });
});

it.each([
  ["CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400],
  [
    "an upgrade of a name that nobody has",
    "GET / HTTP/1.1\r\nHost: nobody.tunnel.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    404,
  ],
  ["garbage", "\0\0\0\r\n\r\n", 400],
])("%s is refused and let go, also of a client that keeps its side open", async (_what, bytes, status) => {
  expect(await lettingGo(bytes)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});

it("an upgrade that the local service refuses is let go, too", async () => {
  for (const host of [agent.host, plain.host]) {
    const text = await lettingGo(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    expect(answersIn(text)).toEqual(["HTTP/1.1 403"]);
  }
});
