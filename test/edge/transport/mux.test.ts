/** Many exchanges on one channel: by our agent, and by clients that break the rules. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Mux, type MuxHandler } from "../../../edge/transport/mux.ts";
import { INITIAL_WINDOW, type MuxStream, type StreamHandler } from "../../../edge/transport/stream.ts";
import { FrameType, HeadFlag, ResetCode, type RequestHead, type ResponseHead } from "../../../edge/wire/frames.ts";
import { ask, openEdge, openTunnel, rawAsk, startOrigin, until, type TestEdge } from "../../support/edge.ts";
import { openBareAgent, openWelcomedAgent, type BareAgent } from "../../support/ssh-agent.ts";
import { openPair, type Pair } from "../../support/ssh-pair.ts";

const REQUEST: RequestHead = { method: "POST", target: "/", headers: [], end: false, upgrade: false, ordered: false };
const ANSWER: ResponseHead = { status: 200, reason: "OK", headers: [], end: false, upgrade: false };

/** One side of a stream, that takes everything unless told not to. */
class Side implements StreamHandler {
  bytes = 0;
  chunks: Buffer[] = [];
  head: ResponseHead | null = null;
  ended = false;
  reset: { code: ResetCode; lost: boolean } | null = null;
  drains = 0;
  reading = true;
  stream: MuxStream | null = null;
  #held = 0;

  onHead(head: ResponseHead): void {
    this.head = head;
  }
  onData(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.chunks.push(Buffer.from(chunk));
    if (this.reading) this.stream?.consumed(chunk.length);
    else this.#held += chunk.length;
  }
  resume(): void {
    this.reading = true;
    this.stream?.consumed(this.#held);
    this.#held = 0;
  }
  onEnd(): void {
    this.ended = true;
  }
  onReset(code: ResetCode, lost: boolean): void {
    this.reset = { code, lost };
  }
  onDrain(): void {
    this.drains += 1;
  }
}

interface Muxes {
  pair: Pair;
  edge: Mux;
  agent: Mux;
  /** What has arrived at the agent, newest last. */
  requests: { head: RequestHead; side: Side; stream: MuxStream }[];
  failures: Error[];
  open(head?: Partial<RequestHead>): Side;
  close(): Promise<void>;
}

async function openMuxes(line: Parameters<typeof openPair>[0] = {}): Promise<Muxes> {
  const pair = await openPair(line);
  const channel = await pair.channel({ server: 64 * 1024 * 1024, client: 64 * 1024 * 1024 });
  const requests: Muxes["requests"] = [];
  const failures: Error[] = [];
  const handler: MuxHandler = { onMessage: () => {}, onClose: () => {} };
  const fail = (error: Error) => failures.push(error);
  const edge = new Mux(channel.server, handler, fail);
  const agent = new Mux(
    channel.client,
    {
      ...handler,
      onRequest: (stream, head) => {
        const side = new Side();
        side.stream = stream;
        stream.handler = side;
        requests.push({ head, side, stream });
      },
    },
    fail,
  );
  return {
    pair,
    edge,
    agent,
    requests,
    failures,
    open: (head = {}) => {
      const side = new Side();
      side.stream = edge.open({ ...REQUEST, ...head }, side);
      return side;
    },
    close: () => pair.close(),
  };
}

describe("streams", () => {
  it("carry bodies both ways at once, byte for byte", async () => {
    const muxes = await openMuxes({ roundTrip: 10 });
    const bodies = Array.from({ length: 8 }, () => randomBytes(700_000));
    const asked = bodies.map((body) => {
      const side = muxes.open();
      side.stream!.write(body);
      side.stream!.end();
      return side;
    });
    await until("the requests", () => muxes.requests.length === 8);
    for (const [i, { stream }] of muxes.requests.entries()) {
      stream.respond(ANSWER);
      stream.write(bodies[7 - i]!);
      stream.end();
    }
    await until("everything", () => asked.every(({ ended }) => ended) && muxes.requests.every(({ side }) => side.ended));
    for (let i = 0; i < 8; i++) {
      expect(Buffer.concat(muxes.requests[i]!.side.chunks).equals(bodies[i]!)).toBe(true);
      expect(Buffer.concat(asked[i]!.chunks).equals(bodies[7 - i]!)).toBe(true);
    }
    expect([muxes.edge.streams, muxes.agent.streams]).toEqual([0, 0]);
    await muxes.close();
  });

  it("are not stalled by one slow reader, who holds up its own writer only", async () => {
    const muxes = await openMuxes();
    const slow = muxes.open();
    slow.reading = false;
    await until("the request", () => muxes.requests.length === 1);
    const writer = muxes.requests[0]!;
    writer.stream.respond(ANSWER);
    let accepted = 0;
    while (writer.stream.write(Buffer.alloc(32_000)) && accepted < 50_000_000) accepted += 32_000;
    await until("the window to be used up", () => slow.bytes >= INITIAL_WINDOW);
    const quick = muxes.open({ end: true });
    await until("the other request", () => muxes.requests.length === 2);
    muxes.requests[1]!.stream.respond(ANSWER);
    muxes.requests[1]!.stream.write(randomBytes(5_000_000));
    muxes.requests[1]!.stream.end();
    await until("the other answer", () => quick.ended);
    expect(slow.bytes).toBeLessThanOrEqual(INITIAL_WINDOW);
    expect(accepted).toBeLessThan(1_000_000);
    slow.resume();
    await until("the slow one's writer to go on", () => writer.side.drains > 0);
    await muxes.close();
  });

  it("grow their windows within one budget for all", async () => {
    // A long line, where small windows would hold the readers up.
    const muxes = await openMuxes({ roundTrip: 60 });
    muxes.edge.ping();
    await until("a measurement", () => muxes.edge.roundTripMs > 0);
    const readers = Array.from({ length: 12 }, () => muxes.open({ end: true }));
    await until("the requests", () => muxes.requests.length === 12);
    for (const { stream } of muxes.requests) stream.respond(ANSWER);
    const part = Buffer.alloc(8_000_000);
    for (const { stream } of muxes.requests) stream.write(part);
    await until("the fast part", () => readers.every(({ bytes }) => bytes === part.length), 20_000);
    for (const reader of readers) reader.reading = false;
    for (const { stream } of muxes.requests) for (let i = 0; i < 3; i++) stream.write(part);
    const held = () => readers.reduce((sum, { bytes }) => sum + bytes - part.length, 0);
    let before = -1;
    await until("the writers to be held back", async () => {
      const same = held() === before;
      before = held();
      await new Promise((resolve) => setTimeout(resolve, 150));
      return same;
    });
    expect(held()).toBeGreaterThan(4_000_000);
    expect(held()).toBeLessThanOrEqual(32 * 1024 * 1024 + 12 * INITIAL_WINDOW);
    // The budget is given back with the streams.
    for (const reader of readers) reader.stream!.reset(ResetCode.CANCEL);
    expect(muxes.edge.reserveGrowth(64 * 1024 * 1024)).toBe(32 * 1024 * 1024);
    await muxes.close();
  }, 40_000);

  it("that the edge resets are over for the agent, with or without a body, and the other way round", async () => {
    const muxes = await openMuxes();
    const sides = [muxes.open({ end: true }), muxes.open(), muxes.open({ end: true }), muxes.open()];
    await until("the requests", () => muxes.requests.length === 4);
    sides[0]!.stream!.reset(ResetCode.CANCEL);
    sides[1]!.stream!.reset(ResetCode.TIMEOUT);
    muxes.requests[2]!.stream.reset(ResetCode.REFUSED);
    muxes.requests[3]!.stream.respond(ANSWER);
    muxes.requests[3]!.stream.reset(ResetCode.FAILED);
    await until("the resets", () => muxes.edge.streams === 0 && muxes.agent.streams === 0);
    expect(muxes.requests[0]!.side.reset).toEqual({ code: ResetCode.CANCEL, lost: false });
    expect(muxes.requests[1]!.side.reset).toEqual({ code: ResetCode.TIMEOUT, lost: false });
    expect(sides[2]!.reset).toEqual({ code: ResetCode.REFUSED, lost: false });
    expect(sides[3]!.reset).toEqual({ code: ResetCode.FAILED, lost: false });
    expect(sides[0]!.reset).toBeNull();
    await muxes.close();
  });

  it("in the middle of a body are told when the connection is lost, on both sides", async () => {
    const muxes = await openMuxes();
    const side = muxes.open();
    side.stream!.write(Buffer.alloc(1000));
    await until("the request", () => muxes.requests[0]?.side.bytes === 1000);
    muxes.requests[0]!.stream.respond(ANSWER);
    muxes.requests[0]!.stream.write(Buffer.alloc(1000));
    await until("the answer", () => side.bytes === 1000);
    muxes.pair.relay.cut();
    await until("the loss", () => side.reset !== null && muxes.requests[0]!.side.reset !== null);
    expect(side.reset?.lost).toBe(true);
    expect(muxes.requests[0]!.side.reset?.lost).toBe(true);
    expect([muxes.edge.closed, muxes.agent.closed]).toEqual([true, true]);
    // One that comes too late is told as well.
    const late = muxes.open({ end: true });
    await until("the late one to be told", () => late.reset !== null);
    expect(late.reset?.lost).toBe(true);
    await muxes.close();
  });

  it("writers that wait for room are called when their stream is over", async () => {
    const muxes = await openMuxes();
    const side = muxes.open();
    await until("the request", () => muxes.requests.length === 1);
    muxes.requests[0]!.side.reading = false;
    while (side.stream!.write(Buffer.alloc(32_000)));
    muxes.requests[0]!.stream.reset(ResetCode.CANCEL);
    await until("the writer", () => side.reset !== null && side.drains > 0);
    await muxes.close();
  });
});

describe("an edge", () => {
  let edge: TestEdge;
  let other: Awaited<ReturnType<typeof openTunnel>>;
  let origin: Awaited<ReturnType<typeof startOrigin>>;
  beforeAll(async () => {
    edge = await openEdge();
    origin = await startOrigin((_request, response) => response.end("fine"));
    other = await openTunnel(edge, origin.port);
  });
  afterAll(async () => {
    await other.tunnel.close();
    await origin.close();
    await edge.close();
  });
  /** Whatever one client does, the others do not notice. */
  const allIsWell = async () => expect((await ask(edge.httpPort, { host: other.host })).text).toBe("fine");

  const answer = (agent: BareAgent, stream: number, head: Partial<ResponseHead>, body = "") =>
    agent.send((writer) => {
      writer.response(stream, { ...ANSWER, ...head });
      if (body !== "") writer.data(stream, Buffer.from(body));
    });
  const raw = (type: number, stream: number, payload: Buffer) => {
    const frame = Buffer.alloc(9 + payload.length);
    frame.writeUInt32BE(payload.length, 0);
    frame[4] = type;
    frame.writeUInt32BE(stream, 5);
    payload.copy(frame, 9);
    return frame;
  };
  const responseBytes = (flags: number, status: number, rest: string) =>
    Buffer.concat([Buffer.from([flags, status >> 8, status & 255]), Buffer.from(rest, "latin1")]);

  it.each<[string, (agent: BareAgent, stream: number) => void]>([
    ["an interim answer", (agent, stream) => agent.channel.write(raw(FrameType.RESPONSE, stream, responseBytes(0, 100, "Continue")))],
    [
      "an upgrade nobody asked for",
      (agent, stream) => agent.channel.write(raw(FrameType.RESPONSE, stream, responseBytes(HeadFlag.UPGRADE, 101, "Up"))),
    ],
    [
      "a line break in a header",
      (agent, stream) => agent.channel.write(raw(FrameType.RESPONSE, stream, responseBytes(0, 200, "OK\nX\na\rSet-Cookie: b"))),
    ],
    ["a header name that is none", (agent, stream) => answer(agent, stream, { headers: ["X Y", "1"] })],
    ["two different lengths", (agent, stream) => answer(agent, stream, { headers: ["Content-Length", "1", "content-length", "2"] })],
    ["a length that is none", (agent, stream) => answer(agent, stream, { headers: ["Content-Length", "-1"] })],
    ["a body before its head", (agent, stream) => agent.send((writer) => writer.data(stream, Buffer.from("x")))],
    ["an end before its head", (agent, stream) => agent.send((writer) => writer.end(stream))],
    ["a malformed window", (agent, stream) => agent.channel.write(raw(FrameType.WINDOW, stream, Buffer.alloc(3)))],
    ["a malformed ping", (agent) => agent.channel.write(raw(FrameType.PING, 0, Buffer.alloc(7)))],
    ["a frame of an unknown type", (agent) => agent.channel.write(raw(99, 0, Buffer.alloc(0)))],
    ["a frame that is too large", (agent) => agent.channel.write(Buffer.from([255, 255, 255, 255, 18, 0, 0, 0, 1]))],
    ["a request", (agent) => agent.send((writer) => writer.request(4, REQUEST))],
    ["a second hello", (agent) => agent.send((writer) => writer.json(FrameType.HELLO, { agent: "x", instance: "x" }))],
    ["a malformed call", (agent) => agent.send((writer) => writer.json(FrameType.CALL, { id: "x" }))],
  ])("lets a client go that sends %s", async (_what, misbehave) => {
    const agent = await openWelcomedAgent(edge);
    const waiting = ask(edge.httpPort, { host: agent.host, method: "POST", body: "x" });
    const { stream } = await agent.take(FrameType.REQUEST);
    misbehave(agent, stream);
    const { status, headers } = await waiting;
    expect([status, headers["airy-error"]]).toEqual([502, "TUNNEL_LOST"]);
    await until("the end of the connection", () => agent.closed);
    await allIsWell();
  });

  it("does not let an answer be longer than it says, which would be read as the next answer", async () => {
    const agent = await openWelcomedAgent(edge);
    const text = rawAsk(edge.httpPort, `GET /a HTTP/1.1\r\nHost: ${agent.host}\r\n\r\nGET /b HTTP/1.1\r\nHost: ${agent.host}\r\n\r\n`);
    const { stream } = await agent.take(FrameType.REQUEST);
    answer(agent, stream, { headers: ["Content-Length", "2"] }, "okHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    expect(await text).not.toContain("poison");
    await until("the end of the connection", () => agent.closed);
    await allIsWell();
  });

  it("does not let an answer to HEAD have a body", async () => {
    const agent = await openWelcomedAgent(edge);
    const text = rawAsk(edge.httpPort, `HEAD /a HTTP/1.1\r\nHost: ${agent.host}\r\n\r\n`);
    const { stream } = await agent.take(FrameType.REQUEST);
    answer(agent, stream, { headers: ["Content-Length", "2"] }, "HTTP/1.1 200 OK\r\n\r\npoison");
    expect(await text).not.toContain("poison");
    await allIsWell();
  });

  it("does not let a shorter answer look complete", async () => {
    const agent = await openWelcomedAgent(edge);
    const waiting = ask(edge.httpPort, { host: agent.host });
    const { stream } = await agent.take(FrameType.REQUEST);
    answer(agent, stream, { headers: ["Content-Length", "100"] }, "half");
    agent.send((writer) => writer.end(stream));
    await expect(waiting).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    agent.close();
    await allIsWell();
  });

  it("takes an answer only once", async () => {
    const agent = await openWelcomedAgent(edge);
    const waiting = ask(edge.httpPort, { host: agent.host });
    waiting.catch(() => {});
    const { stream } = await agent.take(FrameType.REQUEST);
    answer(agent, stream, {});
    answer(agent, stream, {});
    await until("the end of the connection", () => agent.closed);
    await allIsWell();
  });

  it("lets a client go that sends a stream more than its window", async () => {
    const agent = await openWelcomedAgent(edge);
    const slow = net.connect(edge.httpPort, "127.0.0.1");
    slow.on("error", () => {});
    slow.write(`GET / HTTP/1.1\r\nHost: ${agent.host}\r\n\r\n`);
    slow.pause();
    const { stream } = await agent.take(FrameType.REQUEST);
    answer(agent, stream, {});
    for (let i = 0; i < 1000 && !agent.closed; i++) {
      agent.send((writer) => writer.data(stream, Buffer.alloc(32_000)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until("the end of the connection", () => agent.closed);
    slow.destroy();
    await allIsWell();
  });

  it("answers pings, but does not pile answers up for a client that does not read them", async () => {
    const agent = await openWelcomedAgent(edge);
    agent.send((writer) => writer.ping(FrameType.PING, 7));
    expect((await agent.take(FrameType.PONG)).payload.readDoubleBE(0)).toBe(7);
    const before = process.memoryUsage().rss;
    const { _sock: socket } = agent.client as unknown as { _sock: net.Socket };
    socket.pause();
    for (let i = 0; i < 400_000; i++) agent.writer.ping(FrameType.PING, i);
    const bytes = Buffer.from(agent.writer.take());
    for (let at = 0; at < bytes.length; at += 32_000) {
      agent.channel.write(bytes.subarray(at, at + 32_000));
      if (at % 320_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
    socket.destroy();
    await allIsWell();
  });

  it.each([
    ["airy-tunnel-v0", "VERSION_TOO_OLD"],
    ["airy-tunnel-v999", "VERSION_TOO_NEW"],
  ])("tells a client of %s what is wrong", async (subsystem, code) => {
    const agent = await openBareAgent(edge, undefined, subsystem);
    const { payload } = await agent.take(FrameType.REFUSED);
    expect(JSON.parse(payload.toString())).toMatchObject({ code });
    await until("the end of the connection", () => agent.closed);
  });

  it.each([["rubbish"], ["{}"], ['{"agent":1}'], ["[]"]])("refuses the hello %s", async (text) => {
    const agent = await openBareAgent(edge);
    agent.channel.write(raw(FrameType.HELLO, 0, Buffer.from(text)));
    const { payload } = await agent.take(FrameType.REFUSED);
    expect(JSON.parse(payload.toString())).toMatchObject({ code: "PROTOCOL_ERROR" });
    await until("the end of the connection", () => agent.closed);
  });

  it("one slow client does not hold up the others of the same tunnel", async () => {
    const big = await startOrigin((request, response) => {
      if (request.url === "/big") for (let i = 0; i < 500; i++) response.write(Buffer.alloc(100_000));
      response.end("fine");
    });
    const { tunnel, host } = await openTunnel(edge, big.port);
    const slow: http.IncomingMessage[] = [];
    for (let i = 0; i < 5; i++) {
      const request = http.get({ host: "127.0.0.1", port: edge.httpPort, path: "/big", headers: { host }, agent: false });
      const [response] = (await once(request, "response")) as [http.IncomingMessage];
      response.pause();
      response.on("error", () => {});
      slow.push(response);
    }
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(edge.httpPort, { host })));
    expect(answers.every(({ text }) => text === "fine")).toBe(true);
    for (const response of slow) response.destroy();
    await tunnel.close();
    await big.close();
  });
});
