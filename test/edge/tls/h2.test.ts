/** What HTTP/2 and TLS in front may not change: held webhooks, WebSockets, streams, aborts, large bodies, and the edge's own restart. */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import tls from "node:tls";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WebSocket, WebSocketServer, type ClientOptions } from "ws";
import {
  DOMAIN,
  newKey,
  openEdge,
  openTunnel,
  startOrigin,
  until,
  type Origin,
  type TestEdge,
  type TestTunnel,
} from "../../support/edge.ts";
import { makeCa, type TestCa } from "./support.ts";

let ca: TestCa;
let edge: TestEdge;
let origin: Origin;
let client: TestTunnel;
let name: string;
let seen: { path: string; body: string; headers: Record<string, unknown> }[];
let aborted: string[];
let sockets: WebSocketServer;
const identity = newKey().private;
const open = () => openTunnel(edge, origin.port, { identity, hold: ["/hook"] });
beforeEach(async () => {
  seen = [];
  aborted = [];
  ca = makeCa();
  edge = await openEdge({ https: { host: "127.0.0.1", port: 0 }, tls: { mode: "files", ...ca.issue("edge", [`*.${DOMAIN}`]) } });
  origin = await startOrigin((request, response) => {
    const path = request.url ?? "";
    response.on("close", () => !response.writableFinished && aborted.push(path));
    if (path === "/events") {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write("data: 1\n\n");
      return;
    }
    if (path === "/hash") {
      const hash = createHash("sha256");
      request.on("data", (chunk: Buffer) => hash.update(chunk));
      request.on("end", () => response.end(hash.digest("hex")));
      return;
    }
    if (path === "/slow") {
      response.write("begun ");
      setTimeout(() => response.end("finished"), 1_500);
      return;
    }
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      seen.push({ path, body, headers: request.headers });
      response.end("fine");
    });
  });
  sockets = new WebSocketServer({ server: origin.server });
  sockets.on("connection", (socket) => socket.on("message", (data, binary) => socket.send(data, { binary })));
  client = await open();
  name = new URL(client.url).hostname;
});
afterEach(async () => {
  await client.tunnel.close();
  await edge.close();
  for (const socket of sockets.clients) socket.terminate();
  await origin.close();
  ca.remove();
});

const connect = () =>
  http2.connect(`https://${name}`, {
    createConnection: () =>
      tls.connect({ host: "127.0.0.1", port: edge.edge.httpsPort!, servername: name, ca: ca.cert, ALPNProtocols: ["h2"] }),
  });

async function send(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body: Buffer | string = "") {
  const stream = session.request(headers, { endStream: body.length === 0 });
  if (body.length > 0) stream.end(body);
  let text = "";
  stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader];
  await once(stream, "close");
  return { status: head[":status"], headers: head, text };
}

it("a webhook is held over HTTP/2 while its tunnel is away, and delivered afterwards", async () => {
  const session = connect();
  const body = '{"object":"page"}';
  const sign = `sha256=${createHmac("sha256", "secret").update(body).digest("hex")}`;
  const webhook = { ":method": "POST", ":path": "/hook", "x-hub-signature-256": sign, "content-type": "application/json" };
  expect(await send(session, webhook, body)).toMatchObject({ status: 200, text: "fine" });
  await client.tunnel.close();
  const held = await send(session, webhook, body);
  expect([held.status, typeof held.headers["airy-delivery"]]).toEqual([200, "string"]);
  client = await open();
  await until("the held one", () => seen.length === 2);
  expect(seen[1]).toMatchObject({ path: "/hook", body, headers: { "x-hub-signature-256": sign, "x-forwarded-proto": "https" } });
  session.destroy();
});

it("events come one by one, an abort reaches the local service, and other streams go on", async () => {
  const session = connect();
  const events = session.request({ ":path": "/events" });
  const [first] = (await once(events, "data")) as [Buffer];
  expect(first.toString()).toBe("data: 1\n\n");
  events.close(http2.constants.NGHTTP2_CANCEL);
  await until("the local service to know", () => aborted.includes("/events"));
  expect(await send(session, { ":path": "/" })).toMatchObject({ status: 200, text: "fine" });
  session.destroy();
});

it("64 MB go up as they are", async () => {
  const session = connect();
  const body = randomBytes(64 * 1024 * 1024);
  const { text } = await send(session, { ":method": "POST", ":path": "/hash" }, body);
  expect(text).toBe(createHash("sha256").update(body).digest("hex"));
  session.destroy();
});

it("what is refused has the same codes, and an Expect is answered", async () => {
  const session = connect();
  const trace = await send(session, { ":method": "TRACE", ":path": "/" });
  expect([trace.status, trace.headers["airy-error"]]).toEqual([405, "METHOD_NOT_ALLOWED"]);
  const odd = await send(session, { ":method": "POST", ":path": "/", expect: "something" }, "x");
  expect([odd.status, odd.headers["airy-error"]]).toEqual([417, "EXPECTATION_FAILED"]);
  const page = await send(session, { ":path": "/#a", accept: "text/html" });
  expect([page.status, page.headers["content-type"]]).toEqual([400, "text/html; charset=utf-8"]);
  expect(await send(session, { ":method": "POST", ":path": "/", expect: "100-continue" }, "x")).toMatchObject({ status: 200 });
  expect(seen.map(({ path }) => path)).toEqual(["/"]);
  session.destroy();
});

it("a restart lets answers finish, tells HTTP/2 to go, and WebSockets with 1012 to come back, by TLS and without", async () => {
  const wait: Promise<[number, Buffer]>[] = [];
  for (const url of [`wss://127.0.0.1:${edge.edge.httpsPort}/`, `ws://127.0.0.1:${edge.httpPort}/`]) {
    const host = url.startsWith("wss") ? name : client.host;
    const socket = new WebSocket(url, { headers: { host }, servername: name, ca: ca.cert } as ClientOptions);
    await once(socket, "open");
    const payload = randomBytes(300_000);
    socket.send(payload);
    const [echo] = (await once(socket, "message")) as [Buffer];
    expect(echo.equals(payload)).toBe(true);
    wait.push(once(socket, "close") as Promise<[number, Buffer]>);
  }
  const session = connect();
  const slow = send(session, { ":path": "/slow" });
  const goaway = once(session, "goaway");
  await until("it to be under way", () => edge.edge.httpsPort !== null && origin.server.listening);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const stopped = edge.edge.close();
  for (const closed of wait) {
    const [code, reason] = await closed;
    expect([code, reason.toString()]).toEqual([1012, "the edge restarts"]);
  }
  await goaway;
  expect(await slow).toMatchObject({ status: 200, text: "begun finished" });
  await stopped;
});
