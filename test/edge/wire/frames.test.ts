import { describe, expect, it } from "vitest";
import {
  decodeRequest,
  decodeResponse,
  FRAME_HEADER,
  FrameDecoder,
  FrameType,
  FrameWriter,
  HeadFlag,
  MAX_DATA,
  MAX_PAYLOAD,
  ResetCode,
  WireError,
  type RequestHead,
  type ResponseHead,
} from "../../../edge/wire/frames.ts";

type Event = ["frame", number, number, string] | ["data", number, string];

/** What a decoder makes of these chunks; pieces of one DATA frame are put together again. */
function decode(chunks: readonly Buffer[]): Event[] {
  const events: Event[] = [];
  const decoder = new FrameDecoder({
    frame: (type, stream, payload) => events.push(["frame", type, stream, payload.toString("latin1")]),
    data: (stream, piece) => {
      const last = events.at(-1);
      if (last?.[0] === "data" && last[1] === stream) last[2] += piece.toString("latin1");
      else events.push(["data", stream, piece.toString("latin1")]);
    },
  });
  for (const chunk of chunks) decoder.push(chunk);
  return events;
}

const request: RequestHead = {
  method: "POST",
  target: "/facebook?a=b",
  headers: ["Host", "x.tunnel.localhost", "X-Name", "J\xfcrgen \xff", "Set-Cookie", "a", "set-cookie", "b", "Empty", ""],
  end: false,
  upgrade: false,
  ordered: true,
};
const response: ResponseHead = { status: 207, reason: "Gr\xfcn", headers: ["A", "1", "a", "\xe9"], end: true, upgrade: false };

/** One of each frame there is. */
function everyFrame(): { bytes: Buffer; expected: Event[] } {
  const writer = new FrameWriter();
  writer.json(FrameType.HELLO, { agent: "\u00fc\u20ac" });
  writer.ping(FrameType.PING, 1234.5);
  writer.ping(FrameType.PONG, -1);
  writer.request(7, request);
  writer.response(8, response);
  writer.data(7, Buffer.from("hello"));
  writer.data(0xffff_fffe, Buffer.alloc(300, "x"));
  writer.window(7, 0xffff_ffff);
  writer.reset(9, ResetCode.TIMEOUT);
  writer.end(7);
  writer.json(FrameType.GOAWAY, { code: "TAKEN_OVER", retryAfterMs: 0 });
  const double = (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return bytes.toString("latin1");
  };
  return {
    bytes: Buffer.from(writer.take()),
    expected: [
      ["frame", FrameType.HELLO, 0, Buffer.from(JSON.stringify({ agent: "\u00fc\u20ac" })).toString("latin1")],
      ["frame", FrameType.PING, 0, double(1234.5)],
      ["frame", FrameType.PONG, 0, double(-1)],
      ["frame", FrameType.REQUEST, 7, `\x04POST\n/facebook?a=b\n${request.headers.join("\n")}`],
      ["frame", FrameType.RESPONSE, 8, `\x01\x00\xcfGr\xfcn\nA\n1\na\n\xe9`],
      ["data", 7, "hello"],
      ["data", 0xffff_fffe, "x".repeat(300)],
      ["frame", FrameType.WINDOW, 7, "\xff\xff\xff\xff"],
      ["frame", FrameType.RESET, 9, "\x03"],
      ["frame", FrameType.END, 7, ""],
      ["frame", FrameType.GOAWAY, 0, '{"code":"TAKEN_OVER","retryAfterMs":0}'],
    ],
  };
}

/** The same numbers every time, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("frames", () => {
  it("come out as they went in, however the bytes are cut in two", () => {
    const { bytes, expected } = everyFrame();
    for (let at = 0; at <= bytes.length; at++) expect(decode([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(expected);
  });

  it("come out as they went in, byte by byte", () => {
    const { bytes, expected } = everyFrame();
    expect(decode(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(expected);
  });

  it("come out as they went in, in chunks of any size", () => {
    const next = random(7);
    for (let round = 0; round < 200; round++) {
      const writer = new FrameWriter();
      const expected: Event[] = [];
      for (let i = 0; i < 1 + next() * 12; i++) {
        const stream = Math.floor(next() * 0xffff_ffff);
        const length = Math.floor(next() * (next() < 0.2 ? MAX_DATA : 40));
        const text = "abcdefgh".repeat(length / 8 + 1).slice(0, length);
        if (next() < 0.5) {
          writer.data(stream, Buffer.from(text));
          if (text !== "") expected.push(["data", stream, text]);
        } else {
          writer.json(FrameType.CALL, text);
          expected.push(["frame", FrameType.CALL, 0, JSON.stringify(text)]);
        }
      }
      const bytes = Buffer.from(writer.take());
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length;) {
        const size = 1 + Math.floor(next() * (next() < 0.5 ? 12 : 4000));
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      expect(decode(chunks), `round ${round}`).toEqual(expected);
    }
  });

  it("of one batch share a buffer, and the next batch does not touch it", () => {
    const writer = new FrameWriter();
    writer.data(1, Buffer.from("first"));
    const first = writer.take();
    const before = Buffer.from(first);
    writer.data(2, Buffer.alloc(600, 1));
    writer.take();
    expect(writer.length).toBe(0);
    expect(first.equals(before)).toBe(true);
  });

  it("that are too large are refused by both ends", () => {
    const writer = new FrameWriter();
    expect(() => writer.data(1, Buffer.alloc(MAX_PAYLOAD + 1))).toThrow(WireError);
    const header = Buffer.alloc(FRAME_HEADER);
    header.writeUInt32BE(MAX_PAYLOAD + 1, 0);
    header[4] = FrameType.REQUEST;
    expect(() => decode([header])).toThrow(WireError);
    header.writeUInt32BE(0xffff_ffff, 0);
    header[4] = FrameType.DATA;
    expect(() => decode([header])).toThrow(WireError);
  });

  it("hand DATA on before the frame is complete", () => {
    const writer = new FrameWriter();
    writer.data(3, Buffer.alloc(1000, "z"));
    const bytes = Buffer.from(writer.take());
    expect(decode([bytes.subarray(0, FRAME_HEADER + 10)])).toEqual([["data", 3, "z".repeat(10)]]);
  });
});

describe("heads", () => {
  it("keep latin-1, order, case and repetition", () => {
    const writer = new FrameWriter();
    writer.request(1, request);
    writer.response(1, response);
    const heads: (RequestHead | ResponseHead)[] = [];
    new FrameDecoder({
      frame: (type, _stream, payload) => heads.push(type === FrameType.REQUEST ? decodeRequest(payload) : decodeResponse(payload)),
      data: () => {},
    }).push(writer.take());
    expect(heads).toEqual([request, response]);
  });

  const text = (flags: number, rest: string) => Buffer.concat([Buffer.from([flags]), Buffer.from(rest, "latin1")]);
  it.each([
    ["nothing", Buffer.alloc(0)],
    ["flags only", text(0, "")],
    ["no target", text(0, "GET")],
    ["an empty target", text(0, "GET\n")],
    ["an empty method", text(0, "\n/")],
    ["a name without a value", text(0, "GET\n/\nHost")],
    ["a carriage return", text(0, "GET\n/\nHost\nx\r")],
    ["a NUL", text(0, "GET\n/\nHo\0st\nx")],
    ["an escape sequence in the target", text(0, "GET\n/\u001b[31m\nHost\nx")],
    ["an empty name", text(0, "GET\n/\n\nx")],
    ["a name with a blank behind it", text(0, "GET\n/\nHost \nx")],
  ])("of requests with %s are malformed", (_what, payload) => {
    expect(() => decodeRequest(payload)).toThrow(WireError);
  });

  const answer = (flags: number, status: number, rest = "OK") =>
    Buffer.concat([Buffer.from([flags, status >> 8, status & 255]), Buffer.from(rest, "latin1")]);
  it.each([
    ["nothing", Buffer.alloc(0)],
    ["half a status", Buffer.from([0, 0])],
    ["status 99", answer(0, 99)],
    ["status 100, which is not an answer", answer(0, 100)],
    ["status 101 without an upgrade", answer(0, 101)],
    ["an upgrade without status 101", answer(HeadFlag.UPGRADE, 200)],
    ["status 1000", answer(0, 1000)],
    ["a name without a value", answer(0, 200, "OK\nA")],
    ["a carriage return", answer(0, 200, "OK\nA\n1\r")],
    ["an escape sequence in the reason", answer(0, 200, "\u001b[31m\nA\n1")],
    ["an empty name", answer(0, 200, "OK\n\n1")],
    ["a name with a blank behind it", answer(0, 200, "OK\nTransfer-Encoding \nchunked")],
    ["two headers in a name", answer(HeadFlag.UPGRADE, 101, "OK\nA: 1, B\n2")],
  ])("of answers with %s are malformed", (_what, payload) => {
    expect(() => decodeResponse(payload)).toThrow(WireError);
  });

  it("of answers may have any status from 200 to 999, and 101 for an upgrade", () => {
    for (const status of [200, 204, 599, 999]) expect(decodeResponse(answer(0, status)).status).toBe(status);
    expect(decodeResponse(answer(HeadFlag.UPGRADE, 101))).toMatchObject({ status: 101, upgrade: true });
  });
});
