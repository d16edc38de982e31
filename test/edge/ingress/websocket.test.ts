import { once } from "node:events";
import net from "node:net";
import ssh2 from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { identifierOf } from "../../../edge/names/identifier.ts";
import {
  ask,
  DOMAIN,
  newKey,
  openEdge,
  openTunnel,
  rawAsk,
  startOrigin,
  startRawOrigin,
  until,
  type Origin,
  type TestEdge,
} from "../../support/edge.ts";
import { forward } from "../../support/ssh.ts";

let edge: TestEdge;
let origin: Origin;
let sockets: WebSocketServer;
const closed: { code: number; reason: string }[] = [];
beforeAll(async () => {
  edge = await openEdge();
  origin = await startOrigin((_request, response) => response.end("plain"));
  sockets = new WebSocketServer({ noServer: true });
  origin.server.on("upgrade", (request, socket, head) => {
    if (request.url === "/no") {
      socket.end("HTTP/1.1 403 Forbidden\r\nX-Why: no\r\nContent-Length: 6\r\n\r\ndenied");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on("close", (code, reason) => closed.push({ code, reason: reason.toString() }));
      ws.on("message", (data, binary) => {
        const text = (data as Buffer).toString();
        if (text === "close me") ws.close(4001, "as you wish");
        else if (text === "kill me") ws.terminate();
        else ws.send(data, { binary });
      });
    });
  });
});
afterAll(async () => {
  await edge.close();
  await origin.close();
});

const clients: [string, (port: number) => Promise<{ host: string; close(): void | Promise<void> }>][] = [
  [
    "our agent",
    async (port) => {
      const { tunnel, host } = await openTunnel(edge, port);
      return { host, close: () => tunnel.close() };
    },
  ],
  [
    "ssh -R",
    async (port) => {
      const key = newKey();
      const forwarded = await forward(edge.sshPort, key.private, port);
      const blob = (ssh2.utils.parseKey(key.public) as ssh2.ParsedKey).getPublicSSH();
      return { host: `${identifierOf(blob)}.${DOMAIN}`, close: () => forwarded.close() };
    },
  ],
];

const open = (host: string, path = "/") => new WebSocket(`ws://127.0.0.1:${edge.httpPort}${path}`, { headers: { Host: host } });
const message = async (ws: WebSocket) => ((await once(ws, "message")) as [Buffer])[0];

describe.each(clients)("a WebSocket through %s", (_name, connect) => {
  it("echoes text and binary, small and large, and keeps the order", async () => {
    const client = await connect(origin.port);
    const ws = open(client.host);
    await once(ws, "open");
    ws.send("hello");
    expect((await message(ws)).toString()).toBe("hello");
    const large = Buffer.alloc(5_000_000, "ab");
    ws.send(large);
    expect((await message(ws)).equals(large)).toBe(true);
    const got: string[] = [];
    ws.on("message", (data) => got.push((data as Buffer).toString()));
    for (let i = 0; i < 500; i++) ws.send(String(i));
    await until("500 messages", () => got.length === 500);
    expect(got).toEqual(Array.from({ length: 500 }, (_, i) => String(i)));
    ws.close();
    await once(ws, "close");
    await client.close();
  });

  it("carries close codes both ways", async () => {
    const client = await connect(origin.port);
    const ws = open(client.host);
    await once(ws, "open");
    ws.send("close me");
    const [code, reason] = (await once(ws, "close")) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([4001, "as you wish"]);
    closed.length = 0;
    const other = open(client.host);
    await once(other, "open");
    other.close(4002, "goodbye");
    await once(other, "close");
    await until("the server's close", () => closed.length === 1);
    expect(closed).toEqual([{ code: 4002, reason: "goodbye" }]);
    await client.close();
  });

  it("that either side drops is dropped for the other", async () => {
    const client = await connect(origin.port);
    const ws = open(client.host);
    ws.on("error", () => {});
    await once(ws, "open");
    ws.send("kill me");
    expect((await once(ws, "close"))[0]).toBe(1006);
    closed.length = 0;
    const other = open(client.host);
    await once(other, "open");
    other.terminate();
    await until("the server's close", () => closed.length === 1);
    expect(closed[0]?.code).toBe(1006);
    await client.close();
  });

  it("that is refused gets the server's own answer", async () => {
    const client = await connect(origin.port);
    const ws = open(client.host, "/no");
    const [, response] = (await once(ws, "unexpected-response")) as [unknown, import("node:http").IncomingMessage];
    expect(response.statusCode).toBe(403);
    expect(response.headers["x-why"]).toBe("no");
    let text = "";
    response.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await once(response, "end");
    expect(text).toBe("denied");
    expect((await ask(edge.httpPort, { host: client.host })).text).toBe("plain");
    await client.close();
  });

  it("that is refused leaves nothing of what the client sent behind it to be read as a request", async () => {
    const bad = await startRawOrigin((socket, text) => {
      socket.on("data", () => {
        if (text().endsWith("\r\n\r\n")) socket.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
      });
    });
    const client = await connect(bad.port);
    const head = `GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    const text = await rawAsk(edge.httpPort, `${head}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 400/);
    expect((await ask(edge.httpPort, { host: client.host })).status).toBe(400);
    expect(bad.received.join("")).not.toContain("smuggled");
    await client.close();
    await bad.close();
  });

  it("keeps what the client sends before the server has agreed", async () => {
    let agree = () => {};
    const slow = await startRawOrigin((socket, text) => {
      socket.on("data", () => {
        if (text().includes("early")) socket.write(`got ${text().split("\r\n\r\n")[1]}`);
      });
      agree = () => socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    });
    const client = await connect(slow.port);
    const socket = net.connect(edge.httpPort, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly`);
    await until("the request at the server", () => slow.received.length === 1 && slow.received[0]!.includes("\r\n\r\n"));
    agree();
    await until("the echo", () => text.endsWith("got early"));
    expect(text).toMatch(/^HTTP\/1\.1 101/);
    socket.destroy();
    await client.close();
    await slow.close();
  });
});

it("a WebSocket to a name without a client, or nobody's, is refused with the code", async () => {
  const { tunnel, host } = await openTunnel(edge, origin.port);
  await tunnel.close();
  await until("the route to go", async () => (await ask(edge.httpPort, { host })).status === 503);
  for (const [name, status] of [
    [host, 503],
    [`nobody.${DOMAIN}`, 404],
  ] as const) {
    const ws = open(name);
    const [, response] = (await once(ws, "unexpected-response")) as [unknown, import("node:http").IncomingMessage];
    expect(response.statusCode).toBe(status);
    response.destroy();
  }
});
