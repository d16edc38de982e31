/** Liveness, new keys, and an end that always comes. */
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../support/edge.ts";
import { established, openPair, Reader, type Pair } from "../../support/ssh-pair.ts";

let pair: Pair;
afterEach(() => pair.close());

const body = randomBytes(3_000_000);

describe("new keys", () => {
  it("in the middle of transfers both ways lose nothing", async () => {
    pair = await openPair({ roundTrip: 10 });
    const channel = await pair.channel();
    const readers = { server: new Reader(channel.server), client: new Reader(channel.client) };
    const exchanges = () => pair.packets.filter((line) => line.includes("Handshake completed") || line.includes("Received NEWKEYS")).length;
    const before = exchanges();
    for (let i = 0; i < 3; i++) {
      channel.server.write(body);
      channel.client.write(body);
      pair.server.protocol.rekey();
      const done = exchanges();
      await until("the exchange", () => exchanges() > done);
    }
    channel.server.end();
    channel.client.end();
    await until("both ends", () => readers.server.ended && readers.client.ended, 20_000);
    expect(exchanges()).toBeGreaterThanOrEqual(before + 3);
    const all = Buffer.concat([body, body, body]);
    expect(readers.server.data.equals(all)).toBe(true);
    expect(readers.client.data.equals(all)).toBe(true);
  });

  it("are asked for after an hour, by one side", async () => {
    pair = await openPair();
    const count = () => pair.packets.filter((line) => line.includes("NEWKEYS")).length;
    const before = count();
    pair.client.tick(Date.now() + 3_600_001, false);
    pair.server.tick(Date.now() + 1, false);
    expect(count()).toBe(before);
    // As if the client had been heard just now: an hour of silence would be a dead link.
    const channel = await pair.channel();
    new Reader(channel.server);
    pair.server.tick(Date.now() + 3_600_001, true);
    await until("new keys", () => count() > before);
  });

  it("that a peer does not answer hold the writers back, and end the connection in time", async () => {
    pair = await openPair();
    const channel = await pair.channel({ client: 64 * 1024 * 1024 });
    new Reader(channel.server);
    new Reader(channel.client);
    pair.relay.hole(true);
    pair.server.protocol.rekey();
    for (let i = 0; i < 1000; i++) channel.server.write(Buffer.alloc(32_000));
    const { _queue } = (pair.server as unknown as { protocol: { _queue?: Buffer[] } }).protocol;
    expect((_queue ?? []).reduce((sum, { length }) => sum + length, 0)).toBeLessThan(1_000_000);
    const now = Date.now();
    pair.server.tick(now, false);
    pair.server.tick(now + 31_000, true);
    await until("the end", () => pair.server.closed);
    expect(pair.server.error?.message).toMatch(/key exchange|no sign of life/);
  });
});

describe("a dead link", () => {
  it("is noticed by both sides soon after traffic, and the sockets go", async () => {
    pair = await openPair();
    const channel = await pair.channel();
    const readers = [new Reader(channel.server), new Reader(channel.client)];
    channel.client.write(body);
    channel.server.write(body);
    await until("the traffic", () => readers.every(({ bytes }) => bytes === body.length));
    const port = pair.server.socket.localPort!;
    pair.server.busy();
    pair.client.busy();
    const from = Date.now();
    pair.relay.hole(true);
    await until("both sides to notice", () => pair.server.closed && pair.client.closed, 6_000);
    expect(Date.now() - from).toBeLessThan(6_000);
    expect(readers.map(({ closed }) => closed?.error?.message)).toEqual([
      expect.stringMatching(/no sign of life/),
      expect.stringMatching(/no sign of life/),
    ]);
    expect(await established(port)).toBe(0);
  });

  it("that heals in time is nobody's business", async () => {
    pair = await openPair();
    const channel = await pair.channel();
    const reader = new Reader(channel.server);
    new Reader(channel.client);
    pair.server.busy();
    pair.client.busy();
    pair.relay.hole(true);
    channel.client.write(body);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    pair.relay.hole(false);
    await until("the data", () => reader.bytes === body.length);
    expect(pair.server.closed).toBe(false);
    expect(pair.client.closed).toBe(false);
  });
});

it.each(["server", "client"] as const)(
  "a slow line that the %s fills is not taken for a dead one",
  async (side) => {
    pair = await openPair({ rate: 300_000, roundTrip: 40 });
    const channel = await pair.channel({ server: 16 * 1024 * 1024, client: 16 * 1024 * 1024 });
    const other = side === "server" ? "client" : "server";
    const reader = new Reader(channel[other]);
    new Reader(channel[side]);
    pair.server.busy();
    pair.client.busy();
    channel[side].write(body);
    channel[side].end();
    await until("all of it", () => reader.ended || pair.server.closed || pair.client.closed, 30_000);
    expect([pair.server.error, pair.client.error]).toEqual([null, null]);
    expect(reader.data.equals(body)).toBe(true);
  },
  40_000,
);

it("ending waits for what is queued, even on a slow line", async () => {
  pair = await openPair({ rate: 1_000_000 });
  const channel = await pair.channel({ client: 16 * 1024 * 1024 });
  const reader = new Reader(channel.client);
  new Reader(channel.server);
  channel.server.write(body);
  channel.server.closeAfterFlush();
  pair.server.end();
  await until("the end", () => pair.client.closed, 20_000);
  expect(reader.data.equals(body)).toBe(true);
});

it("ending does not wait for a peer that takes nothing", async () => {
  pair = await openPair();
  const channel = await pair.channel({ client: 64 * 1024 * 1024 });
  new Reader(channel.server);
  new Reader(channel.client);
  pair.relay.hole(true);
  for (let i = 0; i < 300; i++) channel.server.write(Buffer.alloc(64 * 1024));
  pair.server.end(300);
  await until("the end", () => pair.server.closed);
});

it("a peer that says goodbye with its socket alone is let go at once, with everything that waits for it", async () => {
  pair = await openPair();
  const channel = await pair.channel({ client: 64 * 1024 * 1024 });
  const writer = new Reader(channel.server);
  new Reader(channel.client);
  pair.client.socket.pause();
  for (let i = 0; i < 300; i++) channel.server.write(Buffer.alloc(64 * 1024));
  // Half a goodbye: FIN, while nothing is read.
  pair.client.socket.end();
  await until("the end", () => pair.server.closed);
  expect(writer.closed?.error).toBeInstanceOf(Error);
  // What comes too late goes nowhere, and does no harm.
  channel.server.write(Buffer.alloc(10));
  pair.server.protocol.ping();
  pair.server.tick(Date.now() + 60_000, false);
});

it("a peer that sends but does not read is let go after a minute", async () => {
  // With a rate the relay keeps little for itself.
  pair = await openPair({ rate: 100_000_000 });
  const channel = await pair.channel({ client: 64 * 1024 * 1024 });
  const reader = new Reader(channel.server);
  new Reader(channel.client);
  pair.client.socket.pause();
  for (let i = 0; i < 400; i++) channel.server.write(Buffer.alloc(64 * 1024));
  let before = -1;
  await until("a queue that stands still", async () => {
    const { writableLength } = pair.server.socket;
    const still = writableLength > 0 && writableLength === before;
    before = writableLength;
    await new Promise((resolve) => setTimeout(resolve, 150));
    return still;
  });
  pair.server.tick(Date.now(), false);
  channel.client.write(Buffer.from("still here"));
  await until("its words", () => reader.bytes > 0);
  pair.server.tick(Date.now() + 61_000, false);
  expect(pair.server.error?.message).toMatch(/does not read/);
});

it("nothing is sent to a peer that is still logging in", async () => {
  const { SshConnection } = await import("../../../edge/transport/connection.ts");
  const ssh2 = (await import("ssh2")).default;
  pair = await openPair();
  const port = pair.relay.port;
  const client = new ssh2.Client();
  const seen: string[] = [];
  let held: (() => void) | null = null;
  client.connect({
    host: "127.0.0.1",
    port,
    username: "x",
    debug: (line) => seen.push(line),
    // As long as nobody has typed the passphrase, the login stands still.
    authHandler: (_left, _partial, next) => {
      held = () => next({ type: "none", username: "x" });
      return undefined as never;
    },
  });
  await until("the login", () => held !== null);
  const connection = new SshConnection(client, true);
  const before = connection.socket.bytesWritten;
  connection.tick(Date.now() + 6_000, false);
  connection.tick(Date.now() + 20_000, false);
  connection.tick(Date.now() + 3_700_000, false);
  expect(connection.socket.bytesWritten).toBe(before);
  expect(connection.closed).toBe(false);
  connection.destroy();
});
