/**
 * Many HTTP exchanges over one SSH channel, each with flow control of its own, so that one slow reader stalls nobody. Used by both ends:
 * the edge opens streams, the agent answers them. Frames of one event-loop turn are written together.
 */
import type { SshChannel } from "./channel.ts";
import { StreamTable } from "./stream-table.ts";
import { MuxStream, type StreamHandler } from "./stream.ts";
import {
  decodeRequest,
  decodeResponse,
  FrameDecoder,
  FrameType,
  FrameWriter,
  ResetCode,
  WireError,
  type RequestHead,
} from "../wire/frames.ts";

/** All growth of one connection together, so that fast readers that stall later stay bounded. */
const GROWTH_BUDGET = 32 * 1024 * 1024;
/** Window of the SSH channel below. It never holds anybody back: the streams' own windows do. */
export const MUX_CHANNEL_WINDOW = 64 * 1024 * 1024;
/** Frames collected before they are written without waiting for the end of the turn. */
const FLUSH_BYTES = 64 * 1024;
/** Bodies wait for room; what a peer provokes beside them and then does not read (heads, replies) may come to this much. */
const QUEUE_LIMIT = 48 * 1024 * 1024;

export interface MuxHandler {
  /** Only at the agent: a request; set `stream.handler` before returning. */
  onRequest?(stream: MuxStream, head: RequestHead): void;
  /** A JSON message of stream 0. */
  onMessage(type: number, payload: Buffer): void;
  onPong?(roundTripMs: number): void;
  /** The connection is gone. */
  onClose(error: Error | null): void;
}

export class Mux {
  readonly writer = new FrameWriter();
  /** Last measured round trip, milliseconds. */
  roundTripMs = 0;
  readonly #channel: SshChannel;
  readonly #handler: MuxHandler;
  readonly #decoder: FrameDecoder;
  readonly #streams = new StreamTable();
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
    this.#streams.add(stream);
    if (this.#closed) queueMicrotask(() => stream.receiveReset(ResetCode.FAILED, true));
    this.writer.request(id, head);
    stream.expectBody();
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
    const bytes = this.writer.take();
    if (!this.#channel.write(bytes)) this.#full = true;
    // ssh2 has copied what left into packets of its own.
    if (this.#channel.queued === 0) this.writer.reuse(bytes.length);
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

  enqueue(stream: MuxStream): void {
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
    this.#streams.delete(stream);
    this.#queue.delete(stream);
  }

  // ------------------------------------------------------------------ called by FrameDecoder

  frame(type: number, id: number, payload: Buffer): void {
    switch (type) {
      case FrameType.RESPONSE:
        this.#streams.get(id)?.receiveHead(decodeResponse(payload));
        return;
      case FrameType.REQUEST:
        this.#onRequest(id, payload);
        return;
      case FrameType.END:
        this.#streams.get(id)?.receiveEnd();
        return;
      case FrameType.RESET:
        this.#streams.get(id)?.receiveReset((payload[0] ?? 0) as ResetCode, false);
        return;
      case FrameType.WINDOW:
        if (payload.length !== 4) throw new WireError("malformed window");
        this.#streams.get(id)?.receiveWindow(payload.readUInt32BE(0));
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
    this.#streams.get(id)?.receiveData(piece);
  }

  #onRequest(id: number, payload: Buffer): void {
    if (!this.#handler.onRequest || this.#streams.has(id) || id === this.#lastSeenId) throw new WireError("unexpected request");
    this.#lastSeenId = id;
    const head = decodeRequest(payload);
    const stream = new MuxStream(this, id, null);
    this.#streams.add(stream);
    if (!head.end) {
      stream.expectBody();
      this.wrote();
    }
    this.#handler.onRequest(stream, head);
    if (head.end) stream.receiveEnd();
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
    for (const stream of this.#streams.values()) stream.receiveReset(ResetCode.FAILED, true);
    this.#handler.onClose(error);
  }
}
