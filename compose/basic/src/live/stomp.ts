/**
 * STOMP 1.1 and 1.2 frames (stomp.github.io): encode and incremental decode; knows nothing of sockets or sessions. The parser of
 * `@stomp/stompjs` 7.5 trusts its peer, as a client may: a header without a colon, or a content-length that is no number, lets it collect
 * bytes without end, and it takes escapes that do not exist.
 */

export interface StompFrame {
  command: string;
  headers: Map<string, string>;
  body: Buffer;
}

/** The peer broke the protocol; the message goes into the ERROR frame. */
export class StompViolation extends Error {
  override readonly name = "StompViolation";
}

const MAX_FRAME = 64 * 1024;
const LF = 0x0a;
const CR = 0x0d;

const escapes: Record<string, string> = { "\\r": "\r", "\\n": "\n", "\\c": ":", "\\\\": "\\" };

export function encodeFrame(command: string, headers: Record<string, string>, body = ""): string {
  // CONNECTED alone is not escaped, so that 1.0 peers can read it.
  const escape = command === "CONNECTED" ? (text: string) => text : escapeHeader;
  const lines = Object.entries(headers).map(([key, value]) => `${escape(key)}:${escape(value)}\n`);
  return `${command}\n${lines.join("")}\n${body}\0`;
}

function escapeHeader(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\r", "\\r").replaceAll("\n", "\\n").replaceAll(":", "\\c");
}

export class StompDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * Takes the next bytes and returns the frames that are complete. End-of-line bytes between frames are heartbeats and left out.
   * @throws StompViolation
   */
  push(chunk: Buffer): StompFrame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: StompFrame[] = [];
    for (;;) {
      let start = 0;
      while (this.#rest[start] === LF || this.#rest[start] === CR) start += 1;
      this.#rest = this.#rest.subarray(start);
      const found = decodeOne(this.#rest);
      if (found === null) break;
      frames.push(found.frame);
      this.#rest = this.#rest.subarray(found.length);
    }
    if (this.#rest.length > MAX_FRAME) throw new StompViolation(`frame is longer than ${MAX_FRAME} bytes`);
    return frames;
  }
}

function decodeOne(data: Buffer): { frame: StompFrame; length: number } | null {
  const lines: string[] = [];
  let position = 0;
  for (;;) {
    const end = data.indexOf(LF, position);
    if (end < 0) {
      if (data.includes(0)) throw new StompViolation("frame has no empty line after its headers");
      return null;
    }
    const line = data.toString("utf8", position, data[end - 1] === CR && end > position ? end - 1 : end);
    position = end + 1;
    if (line === "") break;
    lines.push(line);
  }
  const [command = "", ...headerLines] = lines;
  const headers = decodeHeaders(command, headerLines);
  const length = headers.get("content-length");
  if (length === undefined) {
    const end = data.indexOf(0, position);
    return end < 0 ? null : { frame: { command, headers, body: data.subarray(position, end) }, length: end + 1 };
  }
  if (!/^\d{1,9}$/.test(length)) throw new StompViolation("content-length is not a number");
  const end = position + Number(length);
  if (end > MAX_FRAME) throw new StompViolation(`frame is longer than ${MAX_FRAME} bytes`);
  if (data.length <= end) return null;
  if (data[end] !== 0) throw new StompViolation("frame does not end where content-length says");
  return { frame: { command, headers, body: data.subarray(position, end) }, length: end + 1 };
}

function decodeHeaders(command: string, lines: string[]): Map<string, string> {
  const plain = command === "CONNECT" || command === "STOMP";
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0) throw new StompViolation("header without a colon");
    const key = plain ? line.slice(0, colon) : unescapeHeader(line.slice(0, colon));
    // Of a repeated header the first one counts.
    if (!headers.has(key)) headers.set(key, plain ? line.slice(colon + 1) : unescapeHeader(line.slice(colon + 1)));
  }
  return headers;
}

function unescapeHeader(text: string): string {
  return text.replaceAll(/\\[^]?/g, (escape) => {
    const plain = escapes[escape];
    if (plain === undefined) throw new StompViolation("unknown escape in a header");
    return plain;
  });
}
