/** Who a request is said to come from: what strangers claim is dropped, what a trusted proxy says is believed, on every listener. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../edge/limits.ts";
import { ask, DOMAIN, newKey, openEdge, openTunnel, rawAsk, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";
import { makeCa, type TestCa } from "../tls/support.ts";

let ca: TestCa;
let edge: TestEdge;
let origin: Origin;
let host: string;
let close: () => Promise<void>;
beforeAll(async () => {
  ca = makeCa();
  edge = await openEdge({
    https: { host: "127.0.0.1", port: 0 },
    tls: { mode: "files", ...ca.issue("edge", [`*.${DOMAIN}`]) },
    trust: ["127.0.0.1", "10.0.0.0/8"],
    limits: { ...DEFAULT_LIMITS, "connections-per-network": 5 },
  });
  origin = await startOrigin((request, response) => response.end(JSON.stringify(request.headers)));
  const opened = await openTunnel(edge, origin.port);
  host = opened.host;
  close = () => opened.tunnel.close();
});
afterAll(async () => {
  await close();
  await edge.close();
  await origin.close();
  ca.remove();
});

const seenBy = (text: string) => JSON.parse(text.slice(text.indexOf("\r\n\r\n{") + 4)) as Record<string, string>;
const head = (extra = "") => `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${extra}\r\n`;

describe("a trusted proxy", () => {
  const through = async (headers: Record<string, string>) =>
    JSON.parse((await ask(edge.httpPort, { host, headers })).text) as Record<string, string>;

  it("says who the sender is, by which scheme and host; both forms say the same", async () => {
    const seen = await through({
      "X-Forwarded-For": "203.0.113.9",
      "X-Forwarded-Proto": "https",
      "X-Forwarded-Host": "hooks.example.com",
      "X-Forwarded-Port": "443",
    });
    expect(seen).toMatchObject({
      "x-forwarded-for": "203.0.113.9",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "hooks.example.com",
      "x-forwarded-port": "443",
      forwarded: "for=203.0.113.9;host=hooks.example.com;proto=https",
    });
    const other = await through({ Forwarded: 'for="[2001:db8::7]:4711";proto=https;host="hooks.example.com:8443"' });
    expect(other).toMatchObject({
      "x-forwarded-for": "2001:db8::7",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "hooks.example.com:8443",
      forwarded: 'for="[2001:db8::7]";host="hooks.example.com:8443";proto=https',
    });
  });

  it.each([
    ["what the sender has claimed itself is dropped", "6.6.6.6, 203.0.113.9", "203.0.113.9"],
    ["proxies on the way that are trusted as well stay", "6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9, 10.1.2.3"],
    ["what is no address ends the chain", "6.6.6.6, unknown, 10.1.2.3", "10.1.2.3"],
    ["nonsense leaves the proxy itself", "unknown", "127.0.0.1"],
  ])("%s", async (_what, claimed, expected) => {
    expect(await through({ "X-Forwarded-For": claimed })).toMatchObject({ "x-forwarded-for": expected });
  });

  it("is believed in nothing that CGI would read as the same field, and not about the request's target", async () => {
    const seen = await through({ X_Forwarded_For: "6.6.6.6", "X-Forwarded-Host": "a b", "Airy-Delivery": "x" });
    expect(seen).toMatchObject({ "x-forwarded-for": "127.0.0.1", "x-forwarded-host": host });
    expect(Object.keys(seen).filter((name) => /_|airy/.test(name))).toEqual([]);
  });
});

it("a stranger is believed nothing", async () => {
  const claims = "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6;proto=https\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 6.6.6.6\r\n";
  const socket = net.connect({ host: "127.0.0.1", port: edge.httpPort, localAddress: "127.0.0.2" });
  socket.write(head(claims));
  const seen = seenBy(await textOf(socket));
  expect(seen).toMatchObject({ "x-forwarded-for": "127.0.0.2", "x-forwarded-proto": "http" });
  expect(JSON.stringify(seen)).not.toContain("6.6.6.6");
  const liar = net.connect({ host: "127.0.0.1", port: edge.httpPort, localAddress: "127.0.0.2" });
  liar.write(`PROXY TCP4 6.6.6.6 10.0.0.1 1 2\r\n${head()}`);
  expect(await textOf(liar)).toMatch(/^HTTP\/1\.1 400 /);
});

describe("PROXY protocol", () => {
  const v1 = "PROXY TCP4 203.0.113.7 10.0.0.1 49153 443\r\n";
  const v2 = Buffer.concat([
    Buffer.from("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", "latin1"),
    Buffer.from([203, 0, 113, 7, 10, 0, 0, 1, 0xc0, 0x01, 0x01, 0xbb]),
  ]);

  it.each([
    ["version 1", Buffer.from(v1)],
    ["version 2", v2],
  ])("%s before HTTP, in one piece and byte by byte", async (_name, header) => {
    expect(seenBy(await rawAsk(edge.httpPort, Buffer.concat([header, Buffer.from(head())])))["x-forwarded-for"]).toBe("203.0.113.7");
    const socket = net.connect(edge.httpPort, "127.0.0.1");
    socket.setNoDelay(true);
    for (const byte of header) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    socket.write(head());
    expect(seenBy(await textOf(socket))["x-forwarded-for"]).toBe("203.0.113.7");
  });

  it("before TLS, and then for every request of the connection", async () => {
    const raw = net.connect(edge.edge.httpsPort!, "127.0.0.1");
    raw.write(v2);
    const name = host.replace(/:\d+$/, "");
    const socket = tls.connect({ socket: raw, servername: name, ca: ca.cert });
    await once(socket, "secureConnect");
    socket.write(`GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n`);
    expect(seenBy(await textOf(socket))).toMatchObject({ "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https" });
  });

  it("before SSH, on both of its ports: the list of keys looks at the client behind the proxy", async () => {
    const list = path.join(edge.dir, "keys");
    const key = newKey();
    writeFileSync(list, `from="203.0.113.7" ${key.public}\n`);
    const strict = await openEdge({
      https: { host: "127.0.0.1", port: 0 },
      tls: { mode: "files", ...ca.issue("strict", [`*.${DOMAIN}`]) },
      trust: ["127.0.0.1"],
      access: { authorizedKeys: list, deniedKeys: null },
    });
    for (const port of [strict.sshPort, strict.edge.httpsPort!]) {
      const proxy = net.createServer((client) => {
        const up = net.connect(port, "127.0.0.1");
        up.write(v1);
        client.pipe(up).pipe(client);
        for (const socket of [client, up]) socket.on("error", () => up.destroy());
      });
      await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
      const { tunnel } = await openTunnel(strict, origin.port, {
        identity: key.private,
        edge: { host: "127.0.0.1", port: (proxy.address() as net.AddressInfo).port },
      });
      await tunnel.close();
      proxy.close();
    }
    // Without the header it is the proxy itself, whom the list does not name.
    await expect(openTunnel(strict, origin.port, { identity: key.private })).rejects.toThrow();
    await strict.close();
  });

  it("a malformed header ends the connection, half of one as well", async () => {
    expect(await rawAsk(edge.httpPort, `PROXY TCP4 nonsense\r\n${head()}`)).toBe("");
    expect(await rawAsk(edge.httpPort, "PROXY TCP4 203.0.113.7")).toBe("");
  });

  it("connections are counted for who is behind the proxy, and the proxy's own are not", async () => {
    const open = async (header: string) => {
      const socket = net.connect(edge.httpPort, "127.0.0.1");
      socket.write(header);
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      const [first] = (await once(socket, "data")) as [Buffer];
      return { socket, status: /^HTTP\/1\.1 (\d+)/.exec(first.toString())?.[1] };
    };
    const sockets: net.Socket[] = [];
    const statuses: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) {
      const { socket, status } = await open("PROXY TCP4 198.51.100.1 10.0.0.1 1 2\r\n");
      sockets.push(socket);
      statuses.push(status);
    }
    expect(statuses).toEqual(["200", "200", "200", "200", "200", "429"]);
    for (const header of ["PROXY TCP4 198.51.101.1 10.0.0.1 1 2\r\n", "PROXY UNKNOWN\r\n", ""]) {
      const { socket, status } = await open(header);
      sockets.push(socket);
      expect(status).toBe("200");
    }
    for (const socket of sockets) socket.destroy();
    await until("places to be free again", async () => {
      const { socket, status } = await open("PROXY TCP4 198.51.100.1 10.0.0.1 1 2\r\n");
      socket.destroy();
      return status === "200";
    });
  });
});

async function textOf(socket: net.Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  await once(socket, "close");
  return text;
}
