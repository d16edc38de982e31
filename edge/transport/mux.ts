/**
 * Many HTTP exchanges over one SSH channel, each with flow control of its own, so that one slow reader stalls nobody. Used by both ends:
 * the edge opens streams, the agent answers them. Frames of one event-loop turn are written together.
 */
import type { SshChannel } from "./channel.ts";
import {
  decodeRequest,
  decodeResponse,
  FrameDecoder,
  FrameType,
  FrameWriter,
  MAX_DATA,
  ResetCode,
  WireError,
  type RequestHead,
  type ResponseHead,
} from "../wire/frames.ts";

/** Bytes of one stream a peer may send ahead at first. Small, so that many stalled readers cost little. */
const INITIAL_WINDOW = 256 * 1024;
/** A reader that keeps up gets a larger window, up to this: 16 MiB carry 160 MB/s at 100 ms round trip. */
const MAX_WINDOW = 16 * 1024 * 1024;
/** All growth of one connection together, so that fast readers that stall later stay bounded. */
const GROWTH_BUDGET = 32 * 1024 * 1024;
/** Window of the SSH channel below. It never holds anybody back: the streams' own windows do. */
export const MUX_CHANNEL_WINDOW = 64 * 1024 * 1024;
/** Frames collected before they are written without waiting for the end of the turn. */
const FLUSH_BYTES = 64 * 1024;
/** Bodies wait for room; what a peer provokes beside them and then does not read (heads, replies) may come to this much. */
const QUEUE_LIMIT = 48 * 1024 * 1024;

export interface StreamHandler {
  /** Only at the edge: the agent's answer. */
  onHead?(head: ResponseHead): void;
  /** Call `stream.consumed` when the bytes have left memory. */
  onData(chunk: Buffer): void;
  onEnd(): void;
  /** The exchange is over before its time: the peer reset it, or the connection is gone (`lost`). Called at most once, last. */
  onReset(code: ResetCode, lost: boolean): void;
  /** After `write` returned false: there is room again. */
  onDrain(): void;
}

export interface MuxHandler {
  /** Only at the agent: a request; set `stream.handler` before returning. */
  onRequest?(stream: MuxStream, head: RequestHead): void;
  /** A JSON message of stream 0. */
  onMessage(type: number, payload: Buffer): void;
  onPong?(roundTripMs: number): void;
  /** The connection is gone. */
  onClose(error: Error | null): void;
}

export class MuxStream {
  readonly id: number;
  handler: StreamHandler | null = null;
  readonly #mux: Mux;
  /** At the edge: the request, for what may be answered to it. */
  readonly #asked: RequestHead | null;
  #answered = false;
  /** Body bytes that the answer has announced and that have not come yet; null: it has announced none. */
  #bodyLeft: number | null = null;
  #sendCredit = INITIAL_WINDOW;
  #receiveCredit = INITIAL_WINDOW;
  #window = INITIAL_WINDOW;
  #unacknowledged = 0;
  #adjustedAt = 0;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #needDrain = false;
  #ending = false;
  #sentEnd = false;
  #gotEnd = false;
  #over = false;

  constructor(mux: Mux, id: number, asked: RequestHead | null) {
    this.#mux = mux;
    this.id = id;
    this.#asked = asked;
  }

  /** Whether both directions are finished or the stream was reset. */
  get over(): boolean {
    return this.#over;
  }

  respond(head: ResponseHead): void {
    if (this.#over) return;
    this.#mux.writer.response(this.id, head);
    if (head.end) this.#afterEnd();
    this.#mux.wrote();
  }

  /** Queues body bytes; false: wait for `onDrain`. */
  write(chunk: Buffer): boolean {
    if (this.#over || this.#ending) return true;
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    this.pump();
    if (this.#pendingBytes < INITIAL_WINDOW / 2) return true;
    this.#needDrain = true;
    return false;
  }

  end(): void {
    if (this.#over || this.#ending) return;
    this.#ending = true;
    this.pump();
  }

  reset(code: ResetCode): void {
    if (this.#over) return;
    this.#mux.writer.reset(this.id, code);
    this.#mux.wrote();
    this.#finish();
  }

  /** The reader is done with this many bytes: the peer may send more, and a reader that keeps up may be sent more ahead. */
  consumed(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < this.#window / 2 || this.#over || this.#gotEnd) return;
    const now = performance.now();
    let increment = this.#unacknowledged;
    if (now - this.#adjustedAt < Math.max(4, this.#mux.roundTripMs * 2)) {
      const growth = this.#mux.reserveGrowth(Math.min(this.#window, MAX_WINDOW - this.#window));
      this.#window += growth;
      increment += growth;
    }
    this.#adjustedAt = now;
    this.#unacknowledged = 0;
    this.#receiveCredit += increment;
    this.#mux.writer.window(this.id, increment);
    this.#mux.wrote();
  }

  // ------------------------------------------------------------------ called by Mux

  /** Sends what credit and connection allow; returns false when the connection is full and the stream has to queue up for it. */
  pump(): boolean {
    while (this.#pending.length > 0 && this.#sendCredit > 0) {
      if (this.#mux.congested) {
        this.#mux.queueUp(this);
        return false;
      }
      const chunk = this.#pending[0];
      if (chunk === undefined) break;
      const length = Math.min(chunk.length, this.#sendCredit, MAX_DATA);
      if (length === chunk.length) this.#pending.shift();
      else this.#pending[0] = chunk.subarray(length);
      this.#pendingBytes -= length;
      this.#sendCredit -= length;
      this.#mux.writer.data(this.id, length === chunk.length ? chunk : chunk.subarray(0, length));
      this.#mux.wrote();
    }
    if (this.#ending && this.#pending.length === 0 && !this.#sentEnd) {
      this.#mux.writer.end(this.id);
      this.#mux.wrote();
      this.#afterEnd();
    }
    if (this.#needDrain && this.#pendingBytes < INITIAL_WINDOW / 4) {
      this.#needDrain = false;
      this.handler?.onDrain();
    }
    return true;
  }

  /** Our own side is complete (with the head, or with END). */
  #afterEnd(): void {
    this.#ending = true;
    this.#sentEnd = true;
    if (this.#gotEnd) this.#finish();
  }

  /** The request had no body: nothing will be written. */
  noBody(): void {
    this.#afterEnd();
  }

  gotHead(head: ResponseHead): void {
    if (!this.#asked || this.#answered) throw new WireError("an answer that nobody asked for");
    if (head.upgrade && !this.#asked.upgrade) throw new WireError("an upgrade that nobody asked for");
    this.#answered = true;
    this.#bodyLeft = bodyLength(head, this.#asked.method);
    this.handler?.onHead?.(head);
    if (head.end) this.gotEnd();
  }

  gotData(piece: Buffer): void {
    this.#receiveCredit -= piece.length;
    if (this.#receiveCredit < 0 || this.#gotEnd) throw new WireError("a stream was sent more than its window");
    // What exceeds the announced length would be taken for the next answer on the public connection.
    if (this.#bodyLeft !== null) this.#bodyLeft -= piece.length;
    if ((this.#asked && !this.#answered) || (this.#bodyLeft ?? 0) < 0) throw new WireError("more body than was announced");
    this.handler?.onData(piece);
  }

  gotEnd(): void {
    if (this.#gotEnd) return;
    if (this.#asked && !this.#answered) throw new WireError("an end without an answer");
    if ((this.#bodyLeft ?? 0) > 0) {
      this.reset(ResetCode.PROTOCOL);
      this.handler?.onReset(ResetCode.FAILED, false);
      return;
    }
    this.#gotEnd = true;
    this.handler?.onEnd();
    if (this.#sentEnd) this.#finish();
  }

  gotWindow(increment: number): void {
    this.#sendCredit += increment;
    this.pump();
  }

  gotReset(code: ResetCode, lost: boolean): void {
    if (this.#over) return;
    // A reset behind a complete answer only means: send no more of the request's body. Behind a complete request it means: nobody waits.
    const complete = this.#asked !== null && this.#gotEnd;
    this.#finish();
    if (complete && !lost) return;
    this.handler?.onReset(code, lost);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#mux.remove(this, this.#window - INITIAL_WINDOW);
    // Whoever waits for room must not wait for ever; further writes go nowhere.
    if (this.#needDrain) {
      this.#needDrain = false;
      queueMicrotask(() => this.handler?.onDrain());
    }
  }
}

/** How long the body of an answer has to be; null: nobody says. */
function bodyLength({ status, headers, upgrade }: ResponseHead, method: string): number | null {
  if (upgrade) return null;
  if (method === "HEAD" || status === 204 || status === 304) return 0;
  let length: string | null = null;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const value = headers[i + 1] ?? "";
    if (headers[i]?.length !== 14 || headers[i]?.toLowerCase() !== "content-length") continue;
    if (!/^[0-9]{1,15}$/.test(value) || (length !== null && length !== value)) throw new WireError("malformed content length");
    length = value;
  }
  return length === null ? null : Number(length);
}

export class Mux {
  readonly writer = new FrameWriter();
  /** Last measured round trip, milliseconds. */
  roundTripMs = 0;
  readonly #channel: SshChannel;
  readonly #handler: MuxHandler;
  readonly #decoder: FrameDecoder;
  readonly #streams = new Map<number, MuxStream>();
  readonly #queue = new Set<MuxStream>();
  #nextId = 1;
  #lastSeenId = 0;
  #flushScheduled = false;
  #growth = 0;
  #full = false;
  #closed = false;
  /** The newest ping that has not been answered yet. */
  #pingToken: number | null = null;
  readonly #fail: (error: Error) => void;

  /** @param fail ends the SSH connection: the peer broke the protocol. */
  constructor(channel: SshChannel, handler: MuxHandler, fail: (error: Error) => void) {
    this.#channel = channel;
    this.#handler = handler;
    this.#fail = fail;
    this.#decoder = new FrameDecoder(this);
    channel.start({
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.#close(null),
      onClose: (error) => this.#close(error),
      onDrain: () => this.#onDrain(),
    });
  }

  get streams(): number {
    return this.#streams.size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Opens a stream with a request. */
  open(head: RequestHead, handler: StreamHandler): MuxStream {
    const id = this.#nextId;
    this.#nextId = id >= 0xffff_fffe ? 1 : id + 1;
    const stream = new MuxStream(this, id, head);
    stream.handler = handler;
    this.#streams.set(id, stream);
    if (this.#closed) queueMicrotask(() => stream.gotReset(ResetCode.FAILED, true));
    this.writer.request(id, head);
    if (head.end) stream.noBody();
    this.wrote();
    return stream;
  }

  send(type: number, message: unknown): void {
    if (this.#closed) return;
    this.writer.json(type, message);
    this.wrote();
  }

  ping(): void {
    if (this.#closed) return;
    this.writer.ping(FrameType.PING, performance.now());
    this.flush();
  }

  /** Sends what has been written, then ends the channel. */
  end(): void {
    this.flush();
    this.#channel.closeAfterFlush();
  }

  flush(): void {
    if (this.writer.length === 0 || this.#closed) return;
    if (!this.#channel.write(this.writer.take())) this.#full = true;
    if (this.#channel.queued > QUEUE_LIMIT) this.#fail(new Error("the peer does not read what it is sent"));
  }

  /** Only the newest of the pings that come while there is no room is answered. */
  #answerPing(): void {
    if (this.#pingToken === null || this.#full) return;
    this.writer.ping(FrameType.PONG, this.#pingToken);
    this.#pingToken = null;
    this.flush();
  }

  // ------------------------------------------------------------------ called by MuxStream

  get congested(): boolean {
    return this.#full;
  }

  queueUp(stream: MuxStream): void {
    this.#queue.add(stream);
  }

  wrote(): void {
    if (this.writer.length >= FLUSH_BYTES) {
      this.flush();
      return;
    }
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.flush();
    });
  }

  /** Takes at most `wanted` bytes of window growth from the connection's budget. */
  reserveGrowth(wanted: number): number {
    const granted = Math.min(wanted, GROWTH_BUDGET - this.#growth);
    this.#growth += granted;
    return granted;
  }

  remove(stream: MuxStream, growth: number): void {
    this.#growth -= growth;
    this.#streams.delete(stream.id);
    this.#queue.delete(stream);
  }

  // ------------------------------------------------------------------ called by FrameDecoder

  frame(type: number, id: number, payload: Buffer): void {
    switch (type) {
      case FrameType.RESPONSE:
        this.#streams.get(id)?.gotHead(decodeResponse(payload));
        return;
      case FrameType.REQUEST:
        this.#onRequest(id, payload);
        return;
      case FrameType.END:
        this.#streams.get(id)?.gotEnd();
        return;
      case FrameType.RESET:
        this.#streams.get(id)?.gotReset((payload[0] ?? 0) as ResetCode, false);
        return;
      case FrameType.WINDOW:
        if (payload.length !== 4) throw new WireError("malformed window");
        this.#streams.get(id)?.gotWindow(payload.readUInt32BE(0));
        return;
      case FrameType.PING:
        if (payload.length !== 8) throw new WireError("malformed ping");
        this.#pingToken = payload.readDoubleBE(0);
        this.#answerPing();
        return;
      case FrameType.PONG:
        if (payload.length !== 8) throw new WireError("malformed pong");
        this.roundTripMs = Math.max(0, performance.now() - payload.readDoubleBE(0));
        this.#handler.onPong?.(this.roundTripMs);
        return;
      default:
        this.#handler.onMessage(type, payload);
    }
  }

  data(id: number, piece: Buffer): void {
    // A stream that is over may still be sent what was under way.
    this.#streams.get(id)?.gotData(piece);
  }

  #onRequest(id: number, payload: Buffer): void {
    if (!this.#handler.onRequest || this.#streams.has(id) || id === this.#lastSeenId) throw new WireError("unexpected request");
    this.#lastSeenId = id;
    const head = decodeRequest(payload);
    const stream = new MuxStream(this, id, null);
    this.#streams.set(id, stream);
    this.#handler.onRequest(stream, head);
    if (head.end) stream.gotEnd();
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    // What the streams keep is bounded by their own windows.
    this.#channel.consumed(chunk.length);
  }

  #onDrain(): void {
    this.#full = false;
    this.#answerPing();
    const queue = [...this.#queue];
    this.#queue.clear();
    for (const stream of queue) {
      // In turn, until the connection is full again; who had no turn keeps its place.
      if (this.#full) this.#queue.add(stream);
      else stream.pump();
    }
  }

  #close(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.#streams.values()) stream.gotReset(ResetCode.FAILED, true);
    this.#handler.onClose(error);
  }
}
