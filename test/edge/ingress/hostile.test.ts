/** What strangers and tunnels may try that must neither end the edge, whose tunnels are everybody's, nor reach another tunnel. */
import { once } from "node:events";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, openEdge, openTunnel, rawAsk, startOrigin, startRawOrigin, type TestEdge } from "../../support/edge.ts";
import { forward, writeKey } from "../../support/ssh.ts";
import { identifierOf, publicKeyBlob } from "../../../edge/names/identifier.ts";
import { DOMAIN } from "../../support/edge.ts";

let edge: TestEdge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge.close());

/** A plain `ssh -R` to a local port, and the Host of its public name. */
async function plain(port: number) {
  const key = await writeKey();
  const forwarded = await forward(edge.sshPort, key.private, port);
  const host = `${identifierOf(publicKeyBlob(key.public)!)}.${DOMAIN}`;
  return {
    host,
    close: async () => {
      forwarded.close();
      await key.remove();
    },
  };
}

describe("the edge survives", () => {
  it("clients that reset the connection on which they asked for CONNECT", async () => {
    // An unheard error would be reported by vitest as unhandled; in a process of its own it ends the edge.
    for (let round = 0; round < 50; round++) {
      await Promise.all(
        [1, 2, 3, 4].map(async () => {
          const socket = net.connect({ host: "127.0.0.1", port: edge.httpPort });
          socket.on("error", () => {});
          await once(socket, "connect");
          socket.write(`CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n${"x".repeat(round * 1000)}`);
          await new Promise((resolve) => setTimeout(resolve, round % 7));
          socket.resetAndDestroy();
        }),
      );
    }
    const text = await rawAsk(edge.httpPort, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("requests that announce trailers, on their way to a plain ssh client", async () => {
    const origin = await startOrigin((request, response) => response.end(String(request.headers["trailer"])));
    const client = await plain(origin.port);
    const head = `Host: ${client.host}\r\nTrailer: X-Sum\r\n`;
    expect(await rawAsk(edge.httpPort, `GET / HTTP/1.1\r\n${head}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 [^]*undefined/);
    const post = `POST / HTTP/1.1\r\n${head}Content-Length: 1\r\nConnection: close\r\n\r\nx`;
    expect(await rawAsk(edge.httpPort, post)).toMatch(/^HTTP\/1\.1 200 [^]*undefined/);
    const upgrade = `GET / HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    expect(await rawAsk(edge.httpPort, upgrade)).toMatch(/^HTTP\/1\.1 200 [^]*undefined/);
    await client.close();
    await origin.close();
  });

  it("answers that announce trailers which cannot be sent", async () => {
    const origin = await startRawOrigin((socket, text) => {
      socket.on("data", () => {
        const head = text().startsWith("HEAD") ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: 2\r\n\r\nok";
        socket.write(`HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nConnection: close\r\n${head}`);
      });
    });
    const client = await plain(origin.port);
    const agent = await openTunnel(edge, origin.port);
    for (const host of [client.host, agent.host]) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await ask(edge.httpPort, { host, method });
        expect([answer.status, answer.headers["trailer"]]).toEqual([200, undefined]);
      }
    }
    await agent.tunnel.close();
    await client.close();
    await origin.close();
  });
});

it("WebSockets count among the requests that a tunnel may have in flight", async () => {
  const origin = await startOrigin(() => {});
  origin.server.on("upgrade", (_request, socket: net.Socket) => {
    socket.on("error", () => {});
    socket.on("end", () => socket.destroy());
    socket.resume();
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  });
  const client = await openTunnel(edge, origin.port);
  const sockets: net.Socket[] = [];
  const open = (localAddress: string) =>
    new Promise<string>((resolve) => {
      const socket = net.connect({ host: "127.0.0.1", port: edge.httpPort, localAddress });
      sockets.push(socket);
      socket.on("error", () => {});
      socket.once("data", (chunk: Buffer) => resolve(/^HTTP\/1\.1 (\d+)/.exec(chunk.toString("latin1"))![1]!));
      socket.write(`GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    });
  // One network may have half of them.
  for (const address of ["127.0.0.1", "127.0.1.1"]) {
    for (let n = 0; n < 5; n++) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => open(address)));
      expect(new Set(answers)).toEqual(new Set(["101"]));
    }
    if (address === "127.0.0.1") expect(await open("127.0.0.2")).toBe("429");
  }
  expect(await open("127.0.2.1")).toBe("503");
  for (const socket of sockets) socket.destroy();
  await client.tunnel.close();
  await origin.close();
});

describe("a tunnel keeps to itself", () => {
  it("its cookies, which may not be set for the whole domain of the edge", async () => {
    const cookies = [
      "a=1; Domain=tunnel.localhost; Path=/",
      'b="x;domain=.localhost";DOMAIN = tunnel.localhost ; Secure',
      "c=domain=x; HttpOnly",
    ];
    const origin = await startOrigin((_request, response) => response.setHeader("Set-Cookie", cookies).end());
    const client = await openTunnel(edge, origin.port);
    const { headers } = await ask(edge.httpPort, { host: client.host });
    expect(headers["set-cookie"]).toEqual(["a=1; Path=/", 'b="x; Secure', "c=domain=x; HttpOnly"]);
    await client.tunnel.close();
    await origin.close();
  });
});
