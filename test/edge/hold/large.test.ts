/** Bodies that turn out too large to be held while they are on their way, and meet a gap of the tunnel. */
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge, type TestTunnel } from "../../support/edge.ts";

const MIB = 1024 * 1024;
const PIECE = 128 * 1024;

let edge: TestEdge;
let origin: Origin;
let client: TestTunnel;
let arrived: Buffer[];
/** The line to the edge, which can be cut. */
let line: net.Server;
let lineIsOpen: boolean;
const ends = new Set<net.Socket>();

beforeEach(async () => {
  [arrived, lineIsOpen] = [[], true];
  edge = await openEdge();
  origin = await startOrigin((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      arrived.push(Buffer.concat(chunks));
      response.end("whole");
    });
  });
  line = net.createServer((near) => {
    if (!lineIsOpen) return void near.destroy();
    const far = net.connect({ host: "127.0.0.1", port: edge.sshPort });
    for (const end of [near, far]) {
      ends.add(end);
      end.on("error", () => {});
      end.on("close", () => [near, far].forEach((each) => each.destroy()));
    }
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => line.listen(0, "127.0.0.1", resolve));
  const { port } = line.address() as AddressInfo;
  client = await openTunnel(edge, origin.port, { edge: { host: "127.0.0.1", port }, hold: ["/facebook"], holdSigned: false });
});

afterEach(async () => {
  await client.tunnel.close();
  await origin.close();
  line.close();
  for (const end of ends) end.destroy();
  ends.clear();
  await edge.close();
});

async function cut(): Promise<void> {
  lineIsOpen = false;
  for (const end of ends) end.destroy();
  await until("the edge to notice", () => edge.logs.some((text) => text.includes("lost")));
}

/** Sends in chunks, so that nobody knows the length; `at` is called with what has been sent. */
function send(body: Buffer, at: (bytes: number) => Promise<void> | void): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { host: client.host, "transfer-encoding": "chunked" };
    const request = http.request({ host: "127.0.0.1", port: edge.httpPort, method: "POST", path: "/facebook", headers });
    request.on("error", reject);
    request.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    void (async () => {
      for (let sent = 0; sent < body.length; sent += PIECE) {
        await new Promise<void>((done) => void request.write(body.subarray(sent, sent + PIECE), () => done()));
        await at(sent + PIECE);
      }
      request.end();
    })();
  });
}

const digest = (body: Buffer) => createHash("sha256").update(body).digest("hex");
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("a body of unknown length that grows over 1 MB", () => {
  it("arrives whole when the tunnel comes back while it is still on its way", async () => {
    await cut();
    const body = randomBytes(3 * MIB);
    const status = await send(body, async (bytes) => {
      if (bytes <= 1.25 * MIB) return;
      lineIsOpen = true;
      await pause(100);
    });
    expect(status).toBe(200);
    expect(arrived.map(digest)).toEqual([digest(body)]);
  });

  it("arrives whole when the tunnel comes back after its end", async () => {
    await cut();
    const body = randomBytes(1.5 * MIB);
    const answered = send(body, () => {});
    await pause(300);
    lineIsOpen = true;
    expect(await answered).toBe(200);
    expect(arrived.map(digest)).toEqual([digest(body)]);
  });

  it("is answered with 503 when the tunnel does not come back", async () => {
    await cut();
    expect(await send(randomBytes(1.5 * MIB), () => {})).toBe(503);
    expect(arrived).toEqual([]);
  });

  it("arrives whole, and once, while the tunnel is there", async () => {
    const body = randomBytes(5 * MIB);
    expect(await send(body, () => {})).toBe(200);
    expect(arrived.map(digest)).toEqual([digest(body)]);
  });
});
