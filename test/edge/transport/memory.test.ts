/** What a process of the edge, and one of the client, keep in memory while others do not read, or read a lot. Numbers are reported. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import ssh2 from "ssh2";
import { afterEach, beforeEach, expect, it } from "vitest";
import { identifierOf } from "../../../edge/names/identifier.ts";
import { ask, DOMAIN, newKey, startOrigin, until } from "../../support/edge.ts";
import { run, runEdge, type EdgeProcess } from "../../support/edge-process.ts";
import { forward, internalsOf } from "../../support/ssh.ts";

const MB = 1024 * 1024;
let dir = "";
let edge: EdgeProcess;
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-memory-"));
  edge = await runEdge(path.join(dir, "edge"));
});
afterEach(async () => {
  await edge.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
});

const hostOf = (key: { public: string }) => `${identifierOf((ssh2.utils.parseKey(key.public) as ssh2.ParsedKey).getPublicSSH())}.${DOMAIN}`;
const report = (what: string, before: number, after: number) => console.log(`${what}: +${((after - before) / MB).toFixed(1)} MB`);

it("50 channels of a client that reads nothing, each with an upload waiting for it: less than 64 MB", async () => {
  const key = newKey();
  const forwarded = await forward(edge.sshPort, key.private, (channel) => channel.pause());
  const before = (await edge.memory()).now;
  const uploads = Array.from({ length: 50 }, () => upload(hostOf(key), 50 * MB));
  await until("50 channels", () => forwarded.channels.length === 50);
  internalsOf(forwarded.client)._sock.pause();
  await standstill(() => uploads.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0));
  const { peak } = await edge.memory();
  report("50 stalled channels, uploads", before, peak);
  expect(peak - before).toBeLessThan(64 * MB);
  for (const socket of uploads) socket.destroy();
  forwarded.close();
}, 60_000);

it("50 answers of a plain client to requesters that read nothing: less than 64 MB", async () => {
  const origin = await startOrigin((_request, response) => {
    const write = () => {
      while (response.write(Buffer.alloc(64 * 1024)));
    };
    response.on("drain", write);
    write();
  });
  const key = newKey();
  const forwarded = await forward(edge.sshPort, key.private, origin.port);
  // What a process needs to pass bytes on at full speed is not what it keeps for those who do not read.
  const warm = net.connect(edge.httpPort, "127.0.0.1");
  warm.write(`GET / HTTP/1.1\r\nHost: ${hostOf(key)}\r\n\r\n`);
  warm.resume();
  await until("100 MB", () => warm.bytesRead > 100 * MB, 30_000);
  warm.destroy();
  const before = (await edge.memory()).now;
  const readers = Array.from({ length: 50 }, () => {
    const socket = net.connect(edge.httpPort, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(`GET / HTTP/1.1\r\nHost: ${hostOf(key)}\r\n\r\n`);
    // Fast at first, so that windows grow, and then not at all.
    let got = 0;
    socket.on("data", (chunk) => {
      got += chunk.length;
      if (got > MB) socket.pause();
    });
    return socket;
  });
  await standstill(() => readers.reduce((sum, { bytesRead }) => sum + bytesRead, 0));
  const { now, peak } = await edge.memory();
  report("50 stalled readers, ssh -R", before, now);
  report("  at most on the way", before, peak);
  expect(now - before).toBeLessThan(64 * MB);
  for (const socket of readers) socket.destroy();
  forwarded.close();
  await origin.close();
}, 60_000);

it("100 MB up and down through both processes arrive whole", async () => {
  const body = randomBytes(100 * MB);
  const digest = createHash("sha256").update(body).digest("hex");
  const origin = await startOrigin((request, response) => {
    if (request.method === "GET") {
      response.end(body);
      return;
    }
    const hash = createHash("sha256");
    request.on("data", (chunk: Buffer) => hash.update(chunk));
    request.on("end", () => response.end(hash.digest("hex")));
  });
  const proxy = run(
    ["proxy", String(origin.port), "--edge", `127.0.0.1:${edge.sshPort}`, "--edge-key", edge.hostKey, "--identity", path.join(dir, "id")],
    {
      XDG_STATE_HOME: dir,
      XDG_CONFIG_HOME: dir,
    },
  );
  const url = await proxy.line((line) => line.startsWith("http://"));
  const { host } = new URL(url);
  // The first exchange loads what is loaded lazily.
  await ask(edge.httpPort, { host, method: "POST", body: "warm" });
  const before = { edge: (await edge.memory()).now, proxy: (await proxy.memory()).now };
  for (const direction of ["up", "down"] as const) {
    const from = performance.now();
    const got = direction === "up" ? (await ask(edge.httpPort, { host, method: "POST", body })).text : await download(host);
    const seconds = (performance.now() - from) / 1000;
    expect(got).toBe(digest);
    const [edgeNow, proxyNow] = [await edge.memory(), await proxy.memory()];
    console.log(`100 MB ${direction}: ${(100 / seconds).toFixed(0)} MB/s`);
    report("  edge", before.edge, edgeNow.peak);
    report("  airy-proxy", before.proxy, proxyNow.peak);
    // The goal is 50 MB; a loaded machine collects garbage late.
    expect(edgeNow.peak - before.edge).toBeLessThan(120 * MB);
    expect(proxyNow.peak - before.proxy).toBeLessThan(120 * MB);
  }
  await proxy.kill();
  await origin.close();
}, 90_000);

function upload(host: string, bytes: number): net.Socket {
  const socket = net.connect(edge.httpPort, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${bytes}\r\n\r\n`);
  const part = Buffer.alloc(64 * 1024);
  const write = () => {
    while (socket.writable && socket.write(part));
  };
  socket.on("drain", write);
  write();
  return socket;
}

async function download(host: string): Promise<string> {
  const request = http.get({ host: "127.0.0.1", port: edge.httpPort, headers: { host }, agent: false });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const hash = createHash("sha256");
  response.on("data", (chunk: Buffer) => hash.update(chunk));
  await once(response, "end");
  return hash.digest("hex");
}

/** Resolves when a number has stopped growing. */
async function standstill(read: () => number): Promise<void> {
  let before = -1;
  await until(
    "a standstill",
    async () => {
      const now = read();
      const still = now > 0 && now === before;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 500));
      return still;
    },
    30_000,
  );
}
