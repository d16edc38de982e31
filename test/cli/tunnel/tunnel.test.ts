/** The tunnel client against a real edge. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import ssh2, { type Connection } from "ssh2";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../../cli/tunnel/connect.ts";
import { FrameType, FrameWriter } from "../../../edge/wire/frames.ts";
import { ask, launchTunnel, newKey, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";

let edge: TestEdge;
let origin: Origin;
let dir = "";
let cleanUp: (() => unknown)[] = [];
beforeEach(async () => {
  edge = await openEdge();
  origin = await startOrigin((request, response) => response.end(request.url));
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-tunnel-"));
});
afterEach(async () => {
  for (const step of cleanUp.toReversed()) await step();
  cleanUp = [];
  await edge.close();
  await origin.close();
  await rm(dir, { recursive: true, force: true });
});

/** An SSH server that is not an edge, or not a good one. */
async function startServer(onSession: (session: ssh2.Session, client: Connection) => void): Promise<number> {
  const clients = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [newKey().private] }, (client) => {
    clients.add(client);
    client.on("error", () => {});
    client.on("authentication", (context) => context.accept());
    client.on("session", (accept) => onSession(accept(), client));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp.push(() => {
    server.close();
    for (const client of clients) client.end();
  });
  return (server.address() as net.AddressInfo).port;
}

/** What the client makes of an edge that answers its hello with this. */
async function answerOf(refused: { code: string; message: string }): Promise<unknown> {
  const port = await startServer((session) => {
    session.on("subsystem", (accept) => {
      const channel = accept();
      channel.once("data", () => {
        const writer = new FrameWriter();
        writer.json(FrameType.REFUSED, refused);
        channel.write(writer.take());
      });
    });
  });
  return attempt(port).catch((error: unknown) => error);
}

const attempt = (port: number, signal = new AbortController().signal) =>
  connect({
    edge: { host: "127.0.0.1", port },
    hostKey: null,
    hostKeyFile: null,
    identity: newKey().private,
    hello: { agent: "test", name: null, ephemeral: false, instance: "test", hold: [], holdSigned: true },
    onRequest: () => {},
    onGoAway: () => {},
    onStatus: () => {},
    onPong: () => {},
    onClose: () => {},
    signal,
  });

describe("one attempt", () => {
  it.each(["EDGE_STOPPING", "EDGE_FAILED", "TOO_MANY_TUNNELS"])("refused with %s may be repeated", async (code) => {
    expect(await answerOf({ code, message: "later" })).toMatchObject({ code: "SSH_UNREACHABLE" });
  });

  it.each([
    ["NAME_TAKEN", "NAME_TAKEN"],
    ["VERSION_TOO_OLD", "EDGE_REFUSED"],
    ["SOMETHING_NEW", "EDGE_REFUSED"],
  ])("refused with %s is final", async (code, expected) => {
    expect(await answerOf({ code, message: "no" })).toMatchObject({ code: expected });
  });

  it("at a server that knows no such subsystem says that it is not an edge", async () => {
    const port = await startServer((session) => session.on("subsystem", (_accept, reject) => reject()));
    await expect(attempt(port)).rejects.toMatchObject({ code: "EDGE_REFUSED", details: { code: "NOT_AN_EDGE" } });
  });

  it("at an edge that goes away in the middle of it may be repeated", async () => {
    const port = await startServer((session, client) =>
      session.on("subsystem", () => (client as unknown as { _sock: net.Socket })._sock.destroy()),
    );
    await expect(attempt(port)).rejects.toMatchObject({ code: "SSH_UNREACHABLE" });
  });

  it("at a port where nobody listens, or something else does, may be repeated", async () => {
    const silent = await startOrigin(() => {});
    await expect(attempt(silent.port)).rejects.toMatchObject({ code: "SSH_UNREACHABLE" });
    await silent.close();
    await expect(attempt(silent.port)).rejects.toMatchObject({ code: "SSH_UNREACHABLE" });
  });

  it("ends when it is told to, wherever it is", async () => {
    const stuck = await startServer((session) => session.on("subsystem", () => {}));
    const stop = new AbortController();
    const trying = attempt(stuck, stop.signal);
    setTimeout(() => stop.abort(), 200);
    await expect(trying).rejects.toMatchObject({ code: "SSH_UNREACHABLE" });
  });

  it("does not wait for ever for a channel", async () => {
    const stuck = await startServer((session) => session.on("subsystem", () => {}));
    await expect(attempt(stuck)).rejects.toMatchObject({ code: "SSH_UNREACHABLE" });
  }, 20_000);
});

describe("the host key", () => {
  it("is pinned on first contact, and only that one is taken from then on", async () => {
    const file = path.join(dir, "state", "known_edges");
    const first = await openTunnel(edge, origin.port, { hostKey: { kind: "pin", file } });
    await first.tunnel.close();
    expect(await readFile(file, "utf8")).toBe(`[127.0.0.1]:${edge.sshPort} ${edge.edge.hostKey}\n`);
    const again = await openTunnel(edge, origin.port, { hostKey: { kind: "pin", file } });
    await again.tunnel.close();
    expect((await readFile(file, "utf8")).split("\n")).toHaveLength(2);

    await writeFile(file, `[127.0.0.1]:${edge.sshPort} ${newKey().public}\n`);
    const { tunnel } = launchTunnel(edge, origin.port, { hostKey: { kind: "pin", file } });
    await expect(tunnel.opened).rejects.toMatchObject({ code: "HOST_KEY_CHANGED", details: { file } });
    expect((await tunnel.closed)?.code).toBe("HOST_KEY_CHANGED");
  });

  it("that was handed over is taken, another one is not, and nothing is learnt", async () => {
    const good = await openTunnel(edge, origin.port, { hostKey: { kind: "known", key: `${edge.edge.hostKey} with a comment` } });
    await good.tunnel.close();
    const { tunnel } = launchTunnel(edge, origin.port, { hostKey: { kind: "known", key: newKey().public } });
    await expect(tunnel.opened).rejects.toMatchObject({ code: "HOST_KEY_CHANGED" });
  });

  it("is checked before the client shows who it is", async () => {
    edge.logs.length = 0;
    const { tunnel } = launchTunnel(edge, origin.port, { hostKey: { kind: "known", key: newKey().public } });
    await tunnel.closed;
    expect(edge.logs).toEqual([]);
  });
});

describe("the tunnel", () => {
  it("is back under the same URL after the edge was started again", async () => {
    const { tunnel, host, url, statuses } = await openTunnel(edge, origin.port);
    await edge.stop();
    await until("the loss", () => tunnel.status().state !== "open");
    await edge.restart();
    await until("the tunnel", () => tunnel.status().state === "open");
    expect(tunnel.status()).toMatchObject({ url, reconnects: 1, reason: null, retryAt: null });
    expect((await ask(edge.httpPort, { host, path: "/back" })).text).toBe("/back");
    const waiting = statuses.filter(({ state }) => state === "waiting");
    expect(waiting.length).toBeGreaterThan(0);
    for (const { retryAt, reason } of waiting) expect([typeof retryAt, typeof reason]).toEqual(["string", "string"]);
    await tunnel.close();
  });

  it("that a newer client takes over says so, stops and does not come back", async () => {
    const key = newKey();
    const first = await openTunnel(edge, origin.port, { identity: key.private });
    const other = await startOrigin((_request, response) => response.end("newer"));
    const second = await openTunnel(edge, other.port, { identity: key.private });
    expect(second.url).toBe(first.url);
    expect((await first.tunnel.closed)?.code).toBe("TAKEN_OVER");
    expect(first.tunnel.status()).toMatchObject({ state: "closed", reason: "TAKEN_OVER" });
    expect((await ask(edge.httpPort, { host: second.host })).text).toBe("newer");
    expect(second.tunnel.status().state).toBe("open");
    await second.tunnel.close();
    await other.close();
  });

  it("that is taken over finishes what it carries", async () => {
    let finish = () => {};
    const slow = await startOrigin((_request, response) => {
      finish = () => response.end("older");
    });
    const key = newKey();
    const first = await openTunnel(edge, slow.port, { identity: key.private });
    const asked = new Promise((resolve) => slow.server.once("request", resolve));
    const answer = ask(edge.httpPort, { host: first.host });
    await asked;
    const second = await openTunnel(edge, origin.port, { identity: key.private });
    expect((await ask(edge.httpPort, { host: first.host, path: "/newer" })).text).toBe("/newer");
    finish();
    expect((await answer).text).toBe("older");
    await first.tunnel.closed;
    await second.tunnel.close();
    await slow.close();
  });

  it("that is closed lets requests under way finish, and takes no more", async () => {
    let finish = () => {};
    const slow = await startOrigin((_request, response) => {
      finish = () => response.end("finished");
    });
    const { tunnel, host } = await openTunnel(edge, slow.port);
    const asked = new Promise((resolve) => slow.server.once("request", resolve));
    const answer = ask(edge.httpPort, { host });
    await asked;
    const closing = tunnel.close();
    await until("the route to go", async () => (await ask(edge.httpPort, { host })).status === 503);
    finish();
    expect((await answer).text).toBe("finished");
    await closing;
    expect(await tunnel.closed).toBeNull();
    await slow.close();
  });

  it("closes at any moment, and says so once", async () => {
    for (const delay of [0, 1, 5, 20, 50]) {
      const { tunnel, statuses } = launchTunnel(edge, origin.port);
      await new Promise((resolve) => setTimeout(resolve, delay));
      await tunnel.close();
      expect(await tunnel.closed).toBeNull();
      expect(statuses.filter(({ state }) => state === "closed")).toHaveLength(1);
      expect(statuses.at(-1)?.state).toBe("closed");
    }
  });

  it("tries again for ever while the edge is away, and shows why", async () => {
    await edge.stop();
    const { tunnel, statuses } = launchTunnel(edge, origin.port);
    await until("a few attempts", () => statuses.filter(({ state }) => state === "connecting").length >= 4);
    expect(tunnel.status().reason === null || tunnel.status().reason === "SSH_UNREACHABLE").toBe(true);
    await edge.restart();
    await tunnel.opened;
    await tunnel.close();
  });

  it("keeps the last 20 requests, newest first, without what follows a question mark", async () => {
    const { tunnel, host, records } = await openTunnel(edge, origin.port);
    for (let i = 0; i < 25; i++) await ask(edge.httpPort, { host, path: `/${i}?secret=${i}`, method: "POST", body: "12345" });
    await until("the records", () => tunnel.traffic.list()[0]?.path === "/24");
    expect(tunnel.traffic.list().map(({ path: target }) => target)).toEqual(Array.from({ length: 25 }, (_, i) => `/${24 - i}`));
    expect(tunnel.traffic.list()[0]).toMatchObject({ method: "POST", status: 200, bytesIn: 5, bytesOut: "/24?secret=24".length });
    expect(JSON.stringify(records)).not.toContain("secret");
    await tunnel.close();
  });
});
