/**
 * The frames that agent and edge exchange on one SSH channel. Pure encode and decode, no sockets.
 *
 * A frame is `u32 payload length | u8 type | u32 stream id | payload`, big-endian. Stream 0 is the connection itself. Heads are
 * latin-1 text with a line feed after each part, because Node hands headers over as latin-1 and neither a name nor a value can hold a
 * line feed; splitting such text is several times faster than JSON.
 */

/** Changes when old and new ends can no longer talk to each other; it is part of the subsystem's name. */
const WIRE_VERSION = 1;
export const SUBSYSTEM = `airy-tunnel-v${WIRE_VERSION}`;

export const FRAME_HEADER = 9;
/** Larger frames are a protocol error. Data frames are kept far smaller so that streams take turns. */
export const MAX_PAYLOAD = 256 * 1024;
/** Payload of one DATA frame at most: a frame then fits into one SSH packet. */
export const MAX_DATA = 32 * 1024 - FRAME_HEADER;

export const FrameType = {
  HELLO: 1,
  WELCOME: 2,
  REFUSED: 3,
  PING: 4,
  PONG: 5,
  GOAWAY: 6,
  STATUS: 7,
  CALL: 8,
  REPLY: 9,
  REQUEST: 16,
  RESPONSE: 17,
  DATA: 18,
  END: 19,
  RESET: 20,
  WINDOW: 21,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export const HeadFlag = { END: 1, UPGRADE: 2, ORDERED: 4, FIRST: 8 } as const;

/** Why a stream was reset; one byte on the wire. ORDER: not tried, because an ordered request before it was not accepted. */
export const ResetCode = { CANCEL: 0, REFUSED: 1, FAILED: 2, TIMEOUT: 3, PROTOCOL: 4, ORDER: 5 } as const;
export type ResetCode = (typeof ResetCode)[keyof typeof ResetCode];

export interface RequestHead {
  method: string;
  /** Origin-form request target, as received. */
  target: string;
  /** Names and values alternate, as received. */
  headers: string[];
  /** No body follows. */
  end: boolean;
  upgrade: boolean;
  /** Taken to the local service one at a time, in order, and only while those before are accepted (2xx). */
  ordered: boolean;
  /**
   * Of ordered requests: nothing is under way before this one. After one that was not accepted, the agent gives back all that come without
   * it: they were sent before the edge knew.
   */
  first?: boolean;
}

export interface ResponseHead {
  status: number;
  reason: string;
  headers: string[];
  end: boolean;
  upgrade: boolean;
}

/** The peer sent something that is not this protocol; the connection ends. */
export class WireError extends Error {
  override readonly name = "WireError";
}

export function requestText(head: RequestHead): string {
  let text = `${head.method}\n${head.target}`;
  for (const part of head.headers) text += `\n${part}`;
  return text;
}

function responseText(head: ResponseHead): string {
  let text = head.reason;
  for (const part of head.headers) text += `\n${part}`;
  return text;
}

function flagsOf(head: { end: boolean; upgrade: boolean; ordered?: boolean; first?: boolean }): number {
  const order = (head.ordered ? HeadFlag.ORDERED : 0) | (head.first ? HeadFlag.FIRST : 0);
  return (head.end ? HeadFlag.END : 0) | (head.upgrade ? HeadFlag.UPGRADE : 0) | order;
}

export function decodeRequest(payload: Buffer): RequestHead {
  const flags = payload[0] ?? 0;
  const text = payload.toString("latin1", 1);
  const parts = text.split("\n");
  const [method, target] = parts;
  const headers = parts.slice(2);
  if (parts.length < 2 || parts.length % 2 !== 0 || !method || !target || !isHead(text, headers))
    throw new WireError("malformed request head");
  return {
    method,
    target,
    headers,
    end: (flags & HeadFlag.END) !== 0,
    upgrade: (flags & HeadFlag.UPGRADE) !== 0,
    ordered: (flags & HeadFlag.ORDERED) !== 0,
    ...((flags & HeadFlag.FIRST) !== 0 && { first: true }),
  };
}

export function decodeResponse(payload: Buffer): ResponseHead {
  if (payload.length < 3) throw new WireError("malformed response head");
  const flags = payload[0] ?? 0;
  const upgrade = (flags & HeadFlag.UPGRADE) !== 0;
  const status = payload.readUInt16BE(1);
  const text = payload.toString("latin1", 3);
  const parts = text.split("\n");
  // Interim answers (RFC 9110 section 15.2) do not travel, and 101 is one that changes what follows.
  if (status > 999 || (upgrade ? status !== 101 : status < 200)) throw new WireError(`response with status ${status}`);
  const reason = parts.shift() ?? "";
  if (parts.length % 2 !== 0 || !isHead(text, parts)) throw new WireError("malformed response head");
  return { status, reason, headers: parts, end: (flags & HeadFlag.END) !== 0, upgrade };
}

/**
 * Whether these can be the parts of an HTTP head (RFC 9110 sections 5.1 and 5.5): no control characters but tab, and names that are
 * tokens. One that ends in a blank, say, is one header to this edge and another one to a proxy in front of it.
 */
function isHead(text: string, headers: readonly string[]): boolean {
  // eslint-disable-next-line no-control-regex
  if (/[^\t\n\x20-\x7e\x80-\xff]/.test(text)) return false;
  for (let i = 0; i < headers.length; i += 2) if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(headers[i] ?? "")) return false;
  return true;
}

/** Receives whole frames, except that DATA payloads are handed on in pieces as they arrive, without copying. */
export interface FrameHandler {
  frame(type: number, stream: number, payload: Buffer): void;
  data(stream: number, piece: Buffer): void;
}

/** Cuts a byte stream into frames. Throws {@link WireError} on a frame that cannot be. */
export class FrameDecoder {
  readonly #handler: FrameHandler;
  /** A header or a non-DATA payload that is not complete yet. */
  #partial: Buffer[] = [];
  #partialLength = 0;
  #type = 0;
  #stream = 0;
  /** Payload bytes still missing; -1 while a header is awaited. */
  #missing = -1;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length || this.#missing === 0) {
      if (this.#missing < 0) {
        const header = this.#take(chunk, at, FRAME_HEADER);
        if (header === null) return;
        at += header.used;
        this.#missing = header.bytes.readUInt32BE(0);
        this.#type = header.bytes[4] ?? 0;
        this.#stream = header.bytes.readUInt32BE(5);
        if (this.#missing > MAX_PAYLOAD) throw new WireError(`frame of ${this.#missing} bytes`);
        continue;
      }
      if (this.#type === FrameType.DATA) {
        const piece = chunk.subarray(at, at + this.#missing);
        at += piece.length;
        this.#missing -= piece.length;
        if (this.#missing === 0) this.#missing = -1;
        if (piece.length > 0) this.#handler.data(this.#stream, piece);
        continue;
      }
      const payload = this.#take(chunk, at, this.#missing);
      if (payload === null) return;
      at += payload.used;
      this.#missing = -1;
      this.#handler.frame(this.#type, this.#stream, payload.bytes);
    }
  }

  /** `length` bytes from what was kept and from `chunk`; null (and all of it kept) when there are not enough. */
  #take(chunk: Buffer, at: number, length: number): { bytes: Buffer; used: number } | null {
    if (this.#partialLength === 0 && chunk.length - at >= length) return { bytes: chunk.subarray(at, at + length), used: length };
    const wanted = Math.min(length - this.#partialLength, chunk.length - at);
    if (wanted > 0) {
      this.#partial.push(chunk.subarray(at, at + wanted));
      this.#partialLength += wanted;
    }
    if (this.#partialLength < length) return null;
    const bytes = Buffer.concat(this.#partial, length);
    this.#partial = [];
    this.#partialLength = 0;
    return { bytes, used: wanted };
  }
}

const NOTHING = Buffer.alloc(0);
/** A batch with bodies in it gets room for all of it at once: growing in steps would copy them again and again. */
const LARGE_FROM = 16 * 1024;
const LARGE_BATCH = 100 * 1024;

/**
 * Collects frames into one buffer, so that all frames of an event-loop turn leave in as few SSH packets as possible.
 * `take` hands the bytes over and starts afresh.
 */
export class FrameWriter {
  /** Allocated with the first frame of a batch, so that an idle tunnel costs nothing. */
  #buffer = NOTHING;
  #taken = NOTHING;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#taken = this.#buffer;
    this.#buffer = NOTHING;
    this.#length = 0;
    return bytes;
  }

  /**
   * Nobody needs what {@link take} gave last any more: after a large batch its buffer is filled again, instead of another one being made.
   */
  reuse(batch: number): void {
    if (this.#buffer === NOTHING && batch > LARGE_FROM) this.#buffer = this.#taken;
    this.#taken = NOTHING;
  }

  request(stream: number, head: RequestHead): void {
    const text = requestText(head);
    const at = this.#open(FrameType.REQUEST, stream, 1 + text.length);
    this.#buffer[at] = flagsOf(head);
    this.#buffer.write(text, at + 1, "latin1");
  }

  response(stream: number, head: ResponseHead): void {
    const text = responseText(head);
    const at = this.#open(FrameType.RESPONSE, stream, 3 + text.length);
    this.#buffer[at] = flagsOf(head);
    this.#buffer.writeUInt16BE(head.status, at + 1);
    this.#buffer.write(text, at + 3, "latin1");
  }

  data(stream: number, payload: Buffer): void {
    const at = this.#open(FrameType.DATA, stream, payload.length);
    payload.copy(this.#buffer, at);
  }

  end(stream: number): void {
    this.#open(FrameType.END, stream, 0);
  }

  reset(stream: number, code: ResetCode): void {
    const at = this.#open(FrameType.RESET, stream, 1);
    this.#buffer[at] = code;
  }

  window(stream: number, increment: number): void {
    const at = this.#open(FrameType.WINDOW, stream, 4);
    this.#buffer.writeUInt32BE(increment, at);
  }

  /** PING and PONG: eight opaque bytes, here a sequence number. */
  ping(type: typeof FrameType.PING | typeof FrameType.PONG, token: number): void {
    const at = this.#open(type, 0, 8);
    this.#buffer.writeDoubleBE(token, at);
  }

  json(type: number, value: unknown): void {
    const text = Buffer.from(JSON.stringify(value));
    const at = this.#open(type, 0, text.length);
    text.copy(this.#buffer, at);
  }

  /** Writes a header and returns the offset of its payload. May replace the buffer, so call it before looking at that. */
  #open(type: number, stream: number, length: number): number {
    if (length > MAX_PAYLOAD) throw new WireError(`frame of ${length} bytes`);
    const needed = this.#length + FRAME_HEADER + length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2, needed > LARGE_FROM ? LARGE_BATCH : 512));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    const at = this.#length;
    this.#buffer.writeUInt32BE(length, at);
    this.#buffer[at + 4] = type;
    this.#buffer.writeUInt32BE(stream, at + 5);
    this.#length = needed;
    return at + FRAME_HEADER;
  }
}
