/** The facts about ssh2's channels that ours exists for, each with a real SSH connection on loopback. */
import { randomBytes } from "node:crypto";
import { pipeline, Readable } from "node:stream";
import { afterEach, expect, it } from "vitest";
import { ChannelDuplex } from "../../../edge/transport/duplex.ts";
import { until } from "../../support/edge.ts";
import { openPair, Reader, type Pair } from "../../support/ssh-pair.ts";

let pair: Pair;
afterEach(() => pair.close());

const body = randomBytes(5_000_000);

it.each(["server", "client"] as const)("half-close: after the end of the %s's side the other side still arrives whole", async (first) => {
  pair = await openPair();
  const channel = await pair.channel();
  const second = first === "server" ? "client" : "server";
  const readers = { server: new Reader(channel.server), client: new Reader(channel.client) };
  channel[first].write(Buffer.from("the question"));
  channel[first].end();
  await until("the end of the question", () => readers[second].ended);
  expect(readers[second].data.toString()).toBe("the question");
  expect(readers[first].closed).toBeNull();
  channel[second].write(body);
  channel[second].end();
  await until("the close of both", () => readers.server.closed !== null && readers.client.closed !== null);
  expect(readers[first].data.equals(body)).toBe(true);
  expect(readers[first].ended).toBe(true);
  expect(readers.server.closed).toEqual({ error: null });
  expect(readers.client.closed).toEqual({ error: null });
});

it.each(["server", "client"] as const)("closing the %s's side while data waits for window delivers all of it", async (side) => {
  pair = await openPair();
  const channel = await pair.channel();
  const other = side === "server" ? "client" : "server";
  const reader = new Reader(channel[other]);
  reader.reading = false;
  new Reader(channel[side]);
  for (let at = 0; at < body.length; at += 100_000) channel[side].write(body.subarray(at, at + 100_000));
  channel[side].closeAfterFlush();
  await until("the window to be used up", () => reader.bytes >= 2 * 1024 * 1024);
  expect(channel[side].queued).toBeGreaterThan(0);
  reader.resume();
  await until("the end", () => reader.ended);
  expect(reader.data.equals(body)).toBe(true);
});

it("data that a peer will never take is an error for its writer, and every callback is called", async () => {
  pair = await openPair();
  const channel = await pair.channel();
  const reader = new Reader(channel.client);
  reader.reading = false;
  const duplex = new ChannelDuplex(channel.server);
  let failure: Error | null | undefined;
  let written = 0;
  const source = Readable.from(
    (function* () {
      for (let i = 0; i < 100; i++) yield Buffer.alloc(100_000);
    })(),
  );
  duplex.on("error", () => {});
  pipeline(source, duplex, (error) => (failure = error ?? null));
  const over = new Promise<Error | null | undefined>((resolve) => {
    void until("the window to be used up", () => reader.bytes >= 2 * 1024 * 1024).then(() => {
      duplex.write(Buffer.alloc(10), (error) => {
        written += 1;
        resolve(error);
      });
      channel.client.abort();
    });
  });
  expect(await over).toBeInstanceOf(Error);
  await until("the pipeline's end", () => failure !== undefined);
  expect(failure).toBeInstanceOf(Error);
  expect(written).toBe(1);
});

it("a write after the channel has gone fails instead of waiting", async () => {
  pair = await openPair();
  const channel = await pair.channel();
  new Reader(channel.client);
  const duplex = new ChannelDuplex(channel.server);
  duplex.on("error", () => {});
  duplex.resume();
  channel.client.abort();
  await until("the close", () => channel.server.closed);
  const error = await new Promise<Error | null | undefined>((resolve) => duplex.write("x", resolve));
  expect(error).toBeInstanceOf(Error);
});

it("finishing waits until everything has left", async () => {
  pair = await openPair();
  const channel = await pair.channel();
  const reader = new Reader(channel.client);
  reader.reading = false;
  const duplex = new ChannelDuplex(channel.server);
  duplex.on("error", () => {});
  let finished = false;
  duplex.on("finish", () => (finished = true));
  duplex.end(body);
  await until("the window to be used up", () => reader.bytes >= 2 * 1024 * 1024);
  expect(finished).toBe(false);
  reader.resume();
  await until("the finish", () => finished);
  await until("the end", () => reader.ended);
  expect(reader.data.equals(body)).toBe(true);
});

it("nothing follows a CLOSE", async () => {
  pair = await openPair();
  const channel = await pair.channel();
  const duplex = new ChannelDuplex(channel.client);
  duplex.on("error", () => {});
  const reader = new Reader(channel.server);
  duplex.once("data", () => duplex.destroy());
  for (let i = 0; i < 200; i++) channel.server.write(body.subarray(0, 50_000));
  await until("the close", () => reader.closed !== null);
  const after = pair.packets.slice(pair.packets.findIndex((line) => line.startsWith("Inbound: CHANNEL_CLOSE")) + 1);
  expect(pair.packets.some((line) => line.startsWith("Inbound: CHANNEL_CLOSE"))).toBe(true);
  expect(after.filter((line) => /^Inbound: .*CHANNEL_(DATA|EOF|WINDOW_ADJUST|CLOSE)/.test(line))).toEqual([]);
});

it("a CLOSE without an EOF is a loss, not an end", async () => {
  pair = await openPair();
  const channel = await pair.channel();
  const reader = new Reader(channel.server);
  new Reader(channel.client);
  channel.client.write(Buffer.from("half of it"));
  await until("the half", () => reader.bytes > 0);
  channel.client.abort();
  await until("the close", () => reader.closed !== null);
  expect(reader.ended).toBe(false);
  expect(reader.closed?.error).toBeInstanceOf(Error);
});

it("a stalled reader holds its writer back at the window, and only there", async () => {
  pair = await openPair();
  const stalled = await pair.channel();
  const moving = await pair.channel();
  const reader = new Reader(stalled.client);
  reader.reading = false;
  const other = new Reader(moving.client);
  new Reader(stalled.server);
  new Reader(moving.server);
  while (stalled.server.write(body.subarray(0, 100_000)));
  moving.server.write(body);
  moving.server.end();
  await until("the other channel's data", () => other.ended);
  expect(other.data.equals(body)).toBe(true);
  expect(reader.bytes).toBeLessThanOrEqual(2 * 1024 * 1024);
  // A window more than that is on no side.
  expect(stalled.server.queued).toBeLessThan(1024 * 1024);
});

it("a stalled socket holds writers back before it holds a megabyte and a half", async () => {
  pair = await openPair();
  const channel = await pair.channel({ client: 64 * 1024 * 1024 });
  const writer = new Reader(channel.server);
  new Reader(channel.client);
  pair.relay.hole(true);
  let accepted = 0;
  // As much as the kernel takes, and then what waits here.
  while (channel.server.write(Buffer.alloc(64 * 1024)) || accepted < 20_000_000) {
    accepted += 64 * 1024;
    if (accepted > 100_000_000) break;
    if (accepted % (64 * 1024 * 16) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(pair.server.socket.writableLength).toBeLessThan(1_500_000);
  expect(writer.closed).toBeNull();
});

it("a peer that sends more than its window is let go", async () => {
  pair = await openPair();
  const channel = await pair.channel();
  const reader = new Reader(channel.server);
  reader.reading = false;
  new Reader(channel.client);
  for (let i = 0; i < 100; i++) pair.client.protocol.channelData(channel.client.outgoing.id, Buffer.alloc(32_000));
  await until("the end of the connection", () => pair.server.closed);
  expect(pair.server.error?.message).toMatch(/more than its channel window/);
  expect(reader.bytes).toBeLessThanOrEqual(2 * 1024 * 1024);
  expect(reader.closed?.error).toBeInstanceOf(Error);
});

it("data that uses the window up to the last byte is all there", async () => {
  pair = await openPair();
  const channel = await pair.channel();
  const reader = new Reader(channel.server);
  reader.reading = false;
  new Reader(channel.client);
  const exact = randomBytes(2 * 1024 * 1024);
  channel.client.write(exact);
  await until("a full window", () => reader.bytes === exact.length);
  channel.client.write(Buffer.from("more"));
  reader.resume();
  await until("what comes behind it", () => reader.bytes === exact.length + 4);
  expect(reader.data.equals(Buffer.concat([exact, Buffer.from("more")]))).toBe(true);
});

it("a peer that sends data behind its EOF is let go", async () => {
  pair = await openPair();
  const channel = await pair.channel();
  const duplex = new ChannelDuplex(channel.server);
  duplex.on("error", () => {});
  new Reader(channel.client);
  channel.client.end();
  pair.client.protocol.channelData(channel.client.outgoing.id, Buffer.from("more"));
  await until("the end of the connection", () => pair.server.closed);
  expect(pair.server.error?.message).toMatch(/after its EOF/);
});

it("windows of many channels grow within one budget", async () => {
  pair = await openPair();
  const readers: Reader[] = [];
  const channels = [];
  for (let i = 0; i < 24; i++) {
    const channel = await pair.channel();
    readers.push(new Reader(channel.server));
    new Reader(channel.client);
    channels.push(channel);
  }
  // Fast readers at first, so that their windows grow as far as they may.
  const part = Buffer.alloc(1_000_000);
  for (let round = 1; round <= 8; round++) {
    for (const { client } of channels) client.write(part);
    await until("a round", () => readers.every(({ bytes }) => bytes === round * part.length), 20_000);
  }
  for (const reader of readers) reader.reading = false;
  for (const { client } of channels) for (let i = 0; i < 6; i++) client.write(part);
  const held = () => readers.reduce((sum, { bytes }) => sum + bytes - 8 * part.length, 0);
  let before = -1;
  await until("the writers to be held back", async () => {
    const same = held() === before;
    before = held();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return same;
  });
  expect(held()).toBeGreaterThan(24 * 1024 * 1024);
  expect(held()).toBeLessThanOrEqual(24 * 2 * 1024 * 1024 + 8 * 1024 * 1024);
}, 60_000);
