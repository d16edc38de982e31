/** Tunnels through SSH servers that are not edges: Debian's sshd behind nginx, and our own edge as `ssh -R` sees it. */
import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { announcedUrl } from "../../../cli/tunnel/announced.ts";
import type { RequestRecord, TunnelStatus } from "../../../cli/events.ts";
import { startTunnel, type RunningTunnel, type TunnelConfig } from "../../../cli/tunnel/tunnel.ts";
import { ask, newKey, openEdge, rawAsk, startOrigin, until, type Origin } from "../../support/edge.ts";
import { startKeyAgent, startNginx, startSshd, type Sshd } from "../../support/sshd.ts";

const without = /\b(?:sshd|nginx)\b/.test(process.env["AIRY_TEST_WITHOUT"] ?? "");

let tunnels: RunningTunnel[] = [];
afterEach(async () => {
  for (const tunnel of tunnels) await tunnel.close();
  tunnels = [];
});

type Change = Partial<TunnelConfig>;
function begin(server: Sshd, target: number, change: Change = {}) {
  const statuses: TunnelStatus[] = [];
  const records: RequestRecord[] = [];
  const tunnel = startTunnel({
    edge: {
      host: "127.0.0.1",
      port: server.port,
      plain: { user: server.user, publicUrl: "https://hooks.example.com", remotePort: server.remotePort },
    },
    hostKey: { kind: "known", key: server.hostKey },
    identity: newKey().private,
    otherIdentities: [server.identity],
    target: { host: "127.0.0.1", port: target },
    paths: [],
    hold: [],
    holdSigned: false,
    onRefused: "close",
    onStatus: (status) => statuses.push(status),
    onRequest: (record) => records.push(record),
    log: () => {},
    ...change,
  });
  tunnels.push(tunnel);
  return { tunnel, statuses, records };
}

describe.skipIf(without)("sshd", () => {
  let sshd: Sshd;
  let origin: Origin;
  beforeEach(async () => {
    sshd = await startSshd();
    origin = await startOrigin(async (request, response) => {
      const hash = createHash("sha256");
      for await (const chunk of request as AsyncIterable<Buffer>) hash.update(chunk);
      response.setHeader("x-seen", request.rawHeaders.join("|").slice(0, 2000));
      if (request.url === "/big") return response.end(Buffer.alloc(5_000_000, "x"));
      response.end(`${request.method} ${request.url} ${hash.digest("hex")}`);
    });
  });
  afterEach(async () => {
    await origin.close();
    await sshd[Symbol.asyncDispose]();
  });

  it("behind nginx carries requests as they are, and only to paths that are public", async () => {
    const { tunnel, records } = begin(sshd, origin.port, { paths: ["/hook", "/big"] });
    expect(await tunnel.opened).toMatchObject({ state: "open", url: "https://hooks.example.com", identifier: null });
    await using nginx = await startNginx(sshd.dir, sshd.remotePort);
    const body = Buffer.alloc(3_000_000, "ab\u00ff");
    const digest = createHash("sha256").update(body).digest("hex");
    const posted = await ask(nginx.port, { host: "hooks.example.com", method: "POST", path: "/hook?a=b", headers: { "x-a": "1" }, body });
    expect(posted).toMatchObject({ status: 200, text: `POST /hook?a=b ${digest}` });
    expect(posted.headers["x-seen"]).toContain("host|hooks.example.com|");
    expect((await ask(nginx.port, { host: "h", path: "/big" })).body).toHaveLength(5_000_000);
    expect((await ask(nginx.port, { host: "h", path: "/hook", method: "HEAD" })).body).toHaveLength(0);
    expect((await ask(nginx.port, { host: "h", path: "/" })).status).toBe(404);
    expect((await ask(sshd.remotePort, { host: "h", path: "/hook/..%2f" })).status).toBe(400);
    const many = await Promise.all(
      Array.from({ length: 60 }, (_, i) => ask(nginx.port, { host: "h", path: `/hook/${i}`, method: "POST", body: `${i}` })),
    );
    expect(many.map(({ text }) => text.split(" ")[1])).toEqual(many.map((_, i) => `/hook/${i}`));
    await until("the records", () => records.length >= 65);
    expect(records).toContainEqual(expect.objectContaining({ method: "POST", path: "/hook", bytesIn: body.length, status: 200 }));
  });

  it("carries WebSockets, and events before they end", async () => {
    const sockets = new WebSocketServer({ server: origin.server });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    await begin(sshd, origin.port).tunnel.opened;
    const socket = new WebSocket(`ws://127.0.0.1:${sshd.remotePort}/`);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const echoed = new Promise((resolve) => socket.once("message", (data: Buffer) => resolve(data.length)));
    socket.send(Buffer.alloc(300_000));
    expect(await echoed).toBe(300_000);
    socket.terminate();
    sockets.close();

    const events = http.createServer(
      (_request, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n"),
    );
    await new Promise<void>((resolve) => events.listen(0, "127.0.0.1", resolve));
    for (const tunnel of tunnels) await tunnel.close();
    await begin(sshd, (events.address() as AddressInfo).port).tunnel.opened;
    expect(await rawAsk(sshd.remotePort, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", (text) => text.includes("data: 1"))).toContain("data: 1");
    events.closeAllConnections();
    events.close();
  });

  it("answers 502 in words while the local service is down, and 400 to what is no HTTP", async () => {
    await origin.close();
    const { tunnel } = begin(sshd, origin.port);
    await tunnel.opened;
    const answer = await ask(sshd.remotePort, { host: "h" });
    expect(answer).toMatchObject({ status: 502, headers: { "airy-error": "LOCAL_REFUSED" } });
    expect(answer.text).toContain("The tunnel is open");
    expect(await rawAsk(sshd.remotePort, "nonsense\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
    const smuggled = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    expect(await rawAsk(sshd.remotePort, smuggled)).toMatch(/^HTTP\/1.1 400 /);
    expect(tunnel.status().state).toBe("open");
  });

  it("comes back when the server was restarted", async () => {
    const { tunnel, statuses } = begin(sshd, origin.port);
    await tunnel.opened;
    await sshd.stop();
    await until("the loss", () => tunnel.status().state !== "open");
    await sshd.start();
    await until("the tunnel", () => tunnel.status().state === "open", 30_000);
    expect((await ask(sshd.remotePort, { host: "h", path: "/x" })).status).toBe(200);
    expect(statuses.at(-1)).toMatchObject({ reconnects: 1 });
  });

  it("refuses another host key, a key that is not admitted, and a port that is not given", async () => {
    const other = newKey();
    await expect(begin(sshd, origin.port, { hostKey: { kind: "known", key: other.public } }).tunnel.opened).rejects.toMatchObject({
      code: "HOST_KEY_CHANGED",
    });
    await expect(begin(sshd, origin.port, { otherIdentities: [] }).tunnel.opened).rejects.toMatchObject({ code: "SSH_AUTH" });
    // Not even where only one of the two families is taken: nginx would give the requests to whoever has it.
    const plain = { user: sshd.user, publicUrl: "https://x.example", remotePort: origin.port };
    await expect(begin(sshd, origin.port, { edge: { host: "127.0.0.1", port: sshd.port, plain } }).tunnel.opened).rejects.toMatchObject({
      code: "FORWARD_REFUSED",
    });
    // A login shell that says nothing of a URL.
    const silent = { user: sshd.user, publicUrl: null, remotePort: sshd.remotePort };
    await expect(
      begin(sshd, origin.port, { edge: { host: "127.0.0.1", port: sshd.port, plain: silent }, name: "127.0.0.1" }).tunnel.opened,
    ).rejects.toMatchObject({ code: "PUBLIC_URL_UNKNOWN" });
  });

  it("takes the keys of an ssh-agent", async () => {
    await using agent = await startKeyAgent(sshd.identity);
    const { tunnel } = begin(sshd, origin.port, { identity: { agent: agent.socket }, otherIdentities: [] });
    expect(await tunnel.opened).toMatchObject({ state: "open" });
  });
});

it("works at our own edge as at any SSH server, which prints the URL", async () => {
  const edge = await openEdge();
  const origin = await startOrigin((request, response) => response.end(`fine ${request.url}`));
  try {
    const { tunnel } = begin({ port: edge.sshPort, user: "me", hostKey: edge.edge.hostKey } as Sshd, origin.port, {
      edge: { host: "127.0.0.1", port: edge.sshPort, plain: { user: "me", publicUrl: null, remotePort: 80 } },
      otherIdentities: [],
      paths: ["/hook"],
    });
    const { url } = await tunnel.opened;
    expect(url).toMatch(/^http:\/\/[a-z2-7]{10}\.tunnel\.localhost:\d+$/);
    const { host } = new URL(url ?? "");
    expect((await ask(edge.httpPort, { host, path: "/hook" })).text).toBe("fine /hook");
    expect((await ask(edge.httpPort, { host, path: "/" })).status).toBe(404);
  } finally {
    for (const tunnel of tunnels) await tunnel.close();
    await origin.close();
    await edge.close();
  }
});

it("logs in at the second port when the first one does not answer, through what waits for SSH's first bytes", async () => {
  const edge = await openEdge();
  const origin = await startOrigin((_request, response) => response.end("fine"));
  const net = await import("node:net");
  // As an edge does on the port of HTTPS: it says nothing before the client has said what it speaks.
  const shared = net.createServer((socket) => {
    socket.once("data", (first: Buffer) => {
      if (!first.toString("latin1").startsWith("SSH-")) return socket.destroy();
      const inner = net.connect({ host: "127.0.0.1", port: edge.sshPort });
      inner.write(first);
      socket.pipe(inner).pipe(socket);
      inner.on("error", () => socket.destroy());
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => shared.listen(0, "127.0.0.1", resolve));
  const dead = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => dead.once("listening", resolve));
  const { port } = dead.address() as AddressInfo;
  await new Promise((resolve) => dead.close(resolve));
  try {
    const { tunnel } = begin({ port, user: "", hostKey: edge.edge.hostKey } as Sshd, origin.port, {
      edge: { host: "127.0.0.1", port, fallbackPort: (shared.address() as AddressInfo).port },
    });
    const { url } = await tunnel.opened;
    expect((await ask(edge.httpPort, { host: new URL(url ?? "").host })).text).toBe("fine");
  } finally {
    for (const tunnel of tunnels) await tunnel.close();
    shared.close();
    await origin.close();
    await edge.close();
  }
});

// In the manner of these services, from memory: none of them was asked.
it.each([
  ["serveo", "Forwarding HTTP traffic from https://abc.serveo.net\r\n", "https://abc.serveo.net"],
  [
    "sish",
    "Starting SSH Forwarding service for \u001b[34mhttp:80\u001b[0m. Forwarded connections can be accessed via the following methods:\r\n" +
      "\u001b[34mHTTP\u001b[0m: http://abc.ssi.sh\r\n\u001b[34mHTTPS\u001b[0m: https://abc.ssi.sh\r\n",
    "https://abc.ssi.sh",
  ],
  [
    "localhost.run",
    "Welcome to localhost.run!\nFollow your favourite reverse tunnel at [https://twitter.com/localhost_run].\n" +
      "To set up and manage custom domains go to https://admin.localhost.run/\n" +
      "More details on custom domains at https://localhost.run/docs/custom-domains\n" +
      "abc123.lhr.life tunneled with tls termination, https://abc123.lhr.life\n",
    "https://abc123.lhr.life",
  ],
  [
    "a message of the day",
    " * Documentation:  https://help.ubuntu.com\n * Support: https://ubuntu.com/advantage\nLast login: today\n",
    null,
  ],
  ["nothing", "", null],
])("reads the URL that %s announces", (_name, text, url) => {
  expect(announcedUrl(text)).toBe(url);
});
