/** The WebSocket end of the broker. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import type { Broker } from "./broker.ts";

export interface LiveSockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Says goodbye (1001) to every client and cuts those that do not answer within a second. */
  close(): Promise<void>;
}

const PING_MS = 30_000;
const MAX_MESSAGE = 64 * 1024;
const subprotocols = ["v12.stomp", "v11.stomp"];

export function createLiveSockets(broker: Broker): LiveSockets {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
    handleProtocols: (offered) => subprotocols.find((protocol) => offered.has(protocol)) ?? false,
  });
  const alive = new WeakSet<WebSocket>();
  const pings = setInterval(() => {
    for (const socket of server.clients) {
      if (!alive.delete(socket)) socket.terminate();
      else socket.ping();
    }
  }, PING_MS);

  server.on("connection", (socket: WebSocket) => {
    const session = broker.open({
      send: (text) => socket.send(text),
      get backlog() {
        return socket.bufferedAmount;
      },
      close: () => socket.close(1000),
      destroy: () => socket.terminate(),
    });
    alive.add(socket);
    socket.on("pong", () => alive.add(socket));
    socket.on("message", (data) => {
      alive.add(socket);
      session.receive(Buffer.isBuffer(data) ? data : Buffer.concat([data].flat().map((part) => Buffer.from(part as ArrayBuffer))));
    });
    socket.on("close", () => session.closed());
    // `close` follows; too long or malformed messages end up here.
    socket.on("error", () => socket.terminate());
  });

  return {
    upgrade(request, socket, head) {
      server.handleUpgrade(request, socket, head, (webSocket) => server.emit("connection", webSocket, request));
    },
    async close() {
      clearInterval(pings);
      const open = [...server.clients];
      const gone = open.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      for (const socket of open) socket.close(1001);
      const late = setTimeout(() => open.forEach((socket) => socket.terminate()), 1_000);
      await Promise.all(gone);
      clearTimeout(late);
      server.close();
    },
  };
}
