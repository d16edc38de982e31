/** What undici does with connections that end while nobody reads: an exception from an event would end the tunnel's process. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectorTo } from "../../../cli/tunnel/service-socket.ts";

const BYTES = 3_000_000;
const thrown: Error[] = [];
const record = (error: Error): void => void thrown.push(error);

beforeEach(() => {
  thrown.length = 0;
  process.prependListener("uncaughtException", record);
});
afterEach(() => void process.off("uncaughtException", record));

async function serve(headers: http.OutgoingHttpHeaders) {
  const body = Buffer.alloc(BYTES, "a");
  const server = http.createServer((_request, response) => response.writeHead(200, headers).end(body));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  const connect = connectorTo({ host: "127.0.0.1", port });
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 64, pipelining: 1, connect });
  return { pool, close: () => Promise.all([pool.destroy(), new Promise((closed) => server.close(closed))]) };
}

/** Pauses after every piece. Resolves to the bytes that came. */
function readSlowly(pool: Pool): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let resume = (): void => {};
    const handler = {
      onConnect: () => {},
      onHeaders: (_status: number, _headers: Buffer[], goOn: () => void) => {
        resume = goOn;
        return true;
      },
      onData: (chunk: Buffer) => {
        bytes += chunk.length;
        setTimeout(() => resume(), Math.random() * 5);
        return false;
      },
      onComplete: () => resolve(bytes),
      onError: reject,
    };
    pool.dispatch({ method: "GET", path: "/" }, handler);
  });
}

test.each([
  ["that closes the connection", { Connection: "close", "Content-Length": BYTES }],
  ["that ends with the connection", { Connection: "close", "Transfer-Encoding": "identity" }],
  ["in chunks, that closes", { Connection: "close" }],
  ["that keeps the connection", { "Content-Length": BYTES }],
])("an answer %s arrives whole at a slow reader", async (_name, headers) => {
  const { pool, close } = await serve(headers);
  try {
    const all = await Promise.all(Array.from({ length: 30 }, () => readSlowly(pool)));
    expect(all.every((bytes) => bytes === BYTES)).toBe(true);
    expect(thrown).toEqual([]);
  } finally {
    await close();
  }
});

test("a port where nobody listens is refused in Node's words", async () => {
  const pool = new Pool("http://127.0.0.1:1", { connect: connectorTo({ host: "127.0.0.1", port: 1 }) });
  await expect(readSlowly(pool)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await pool.destroy();
});
