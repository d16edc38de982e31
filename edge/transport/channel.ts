/**
 * One SSH channel, done by us. ssh2 1.17 keeps a table of channels and calls a handful of members of whatever object it finds there;
 * this class takes the place of ssh2's own `Channel` in that table, because that one
 *   - sends CLOSE with EOF on the server side, so a half-close loses the response (mscdex/ssh2 lib/Channel.js `onFinish`),
 *   - drops data and forgets write callbacks when closed while waiting for window (mscdex/ssh2#1508),
 *   - ignores the socket's back-pressure (lib/server.js `onWrite`) and does not enforce its receive window (lib/server.js CHANNEL_DATA),
 *   - has a fixed window of 2 MiB, which caps a transfer at 2 MiB per round trip,
 *   - sends WINDOW_ADJUST after CLOSE (mscdex/ssh2#1483), and loops for ever on a peer whose packets may have 0 bytes.
 * The members that ssh2 touches are in {@link Ssh2Channel}; the version is pinned and `test/edge/transport` holds each point.
 */
import type { SshConnection } from "./connection.ts";

/** What ssh2 1.17's message handlers read and write on an entry of its channel table. */
interface Ssh2Channel {
  incoming: { id: number; window: number; packetSize: number; state: "open" | "eof" | "closing" | "closed" };
  outgoing: { id: number; window: number; packetSize: number; state: "open" | "eof" | "closing" | "closed" };
}

export interface ChannelHandler {
  /** Bytes from the peer; call {@link SshChannel.consumed} when they have left memory. */
  onData(chunk: Buffer): void;
  /** The peer sends no more. */
  onEnd(): void;
  /** The channel is gone; `error` is null when both sides had finished. Called once. */
  onClose(error: Error | null): void;
  /** Called after {@link SshChannel.write} returned false, when there is room again. */
  onDrain(): void;
}

/** A reader that keeps up gets a window of up to this; one that stalls keeps the one the channel was opened with. */
const GROW_TO = 4 * 1024 * 1024;
/** A window that is used up faster than this holds the peer back. */
const FAST_MS = 150;
const QUEUE_HIGH_WATER = 256 * 1024;
/** RFC 4253 section 6.1 wants 32768; a peer that takes next to nothing at a time wants to keep us busy. */
const LEAST_PACKET = 1024;
/** For what is queued when a channel is being closed. */
const CLOSE_DEADLINE_MS = 30_000;

export class SshChannel {
  // ssh2's side: names and meaning are those of its own Channel class.
  readonly incoming: Ssh2Channel["incoming"];
  readonly outgoing: Ssh2Channel["outgoing"];
  readonly server = true;
  readonly type: string;
  readable = true;
  readonly stderr = { readable: false, writable: false };
  _callbacks: ((failed: boolean) => void)[] = [];
  _waitWindow = true;
  readonly _chunk = undefined;
  readonly _chunkcb: () => void;
  readonly _exit: { code?: number } = {};
  _waitChanDrain = false;

  readonly #connection: SshConnection;
  #handler: ChannelHandler | null = null;
  #window: number;
  #grantedAt = 0;
  /** Bytes the peer may still send; negative is a violation. */
  #credit: number;
  #unacknowledged = 0;
  #queue: Buffer[] = [];
  #queued = 0;
  #needDrain = false;
  #ending = false;
  #closing = false;
  #ended = false;
  #closed = false;
  #growth = 0;
  #onEofSent: ((error: Error | null) => void) | null = null;
  /** What arrived before a handler was there. */
  #early: Buffer[] = [];

  /**
   * @param original ssh2's own channel, which this one replaces.
   * @param granted bytes the peer was told it may send when the channel was opened.
   * @param window bytes it may send ahead from now on.
   */
  constructor(connection: SshConnection, original: Ssh2Channel & { type: string }, granted: number, window = granted) {
    this.#connection = connection;
    this.type = original.type;
    this.outgoing = original.outgoing;
    // ssh2 drops data silently when this reaches 0; the window is counted and enforced here instead.
    this.incoming = { ...original.incoming, window: Number.POSITIVE_INFINITY };
    this._chunkcb = () => {
      this._waitWindow = true;
      this.flush();
    };
    this.#window = window;
    this.#credit = granted;
    connection.adopt(this, original);
    if (this.outgoing.packetSize < LEAST_PACKET) {
      this.outgoing.window = 0;
      connection.destroy(new Error(`the peer takes packets of ${this.outgoing.packetSize} bytes only`));
      return;
    }
    if (window > granted) this.#grant(window - granted);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes accepted by {@link write} that have not been handed to the socket. */
  get queued(): number {
    return this.#queued;
  }

  start(handler: ChannelHandler): void {
    this.#handler = handler;
    for (const chunk of this.#early.splice(0)) handler.onData(chunk);
    if (this.#ended && !this.#closed) handler.onEnd();
    if (this.#closed) handler.onClose(this.#connection.error);
  }

  /** Queues bytes; false: wait for `onDrain`, unless the channel is {@link closed}. The buffer must not be changed afterwards. */
  write(chunk: Buffer): boolean {
    if (this.#closed || this.#ending) return false;
    this.#queue.push(chunk);
    this.#queued += chunk.length;
    this.flush();
    if (this.#queued < QUEUE_HIGH_WATER) return true;
    this.#needDrain = true;
    return false;
  }

  /** No more bytes will be written; EOF is sent after what is queued. `done` is called when it was, or when the channel is gone. */
  end(done: ((error: Error | null) => void) | null = null): void {
    if (this.#closed) done?.(this.#lost());
    else if (this.outgoing.state !== "open") done?.(null);
    else this.#onEofSent = done;
    if (this.#ending) return;
    this.#ending = true;
    this.flush();
  }

  /** Closes the channel after what is queued; the peer's remaining data is dropped. */
  closeAfterFlush(): void {
    if (this.#closing || this.#closed) return;
    this.#closing = true;
    if (this.outgoing.state === "eof") this.close();
    this.end();
    if (this.#queued > 0) setTimeout(() => this.abort(), CLOSE_DEADLINE_MS).unref();
  }

  /** Closes at once; what is queued is dropped. */
  abort(): void {
    this.#queue = [];
    this.#queued = 0;
    this.#ending = true;
    this.close();
  }

  /** Grants the peer as much as has been consumed, once that is worth a packet. */
  consumed(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < this.#window / 4 || this.#closed) return;
    let amount = this.#unacknowledged;
    const now = performance.now();
    if (now - this.#grantedAt < FAST_MS && this.#window < GROW_TO) {
      const growth = this.#connection.reserveGrowth(Math.min(this.#window, GROW_TO - this.#window));
      this.#growth += growth;
      this.#window += growth;
      amount += growth;
    }
    this.#grantedAt = now;
    this.#unacknowledged = 0;
    this.#grant(amount);
  }

  #grant(amount: number): void {
    // Nothing may follow a CLOSE (RFC 4254 section 5.3).
    if (this.outgoing.state === "closing" || this.outgoing.state === "closed" || this.#closed) return;
    this.#credit += amount;
    this.#connection.protocol.channelWindowAdjust(this.outgoing.id, amount);
  }

  /** Sends as much as the peer's window and the socket take. Called by ssh2 on WINDOW_ADJUST and by the connection on drain. */
  flush(): void {
    const { outgoing } = this;
    while (this.#queue.length > 0 && outgoing.window > 0 && outgoing.state === "open") {
      if (this.#connection.congested) {
        this.#connection.waitForDrain(this);
        return;
      }
      const chunk = this.#queue[0];
      if (chunk === undefined) break;
      const length = Math.min(chunk.length, outgoing.window, outgoing.packetSize);
      if (length === chunk.length) this.#queue.shift();
      else this.#queue[0] = chunk.subarray(length);
      this.#queued -= length;
      outgoing.window -= length;
      this.#connection.protocol.channelData(outgoing.id, length === chunk.length ? chunk : chunk.subarray(0, length));
    }
    if (this.#queue.length === 0 && this.#ending) this.#sendEof();
    if (this.#needDrain && this.#queued < QUEUE_HIGH_WATER / 2) {
      this.#needDrain = false;
      this.#handler?.onDrain();
    }
  }

  #sendEof(): void {
    if (this.outgoing.state === "open") {
      this.outgoing.state = "eof";
      this.#connection.protocol.channelEOF(this.outgoing.id);
    }
    this.#eofSent(null);
    // Both directions are done, or nobody waits for the other one.
    if (this.#closing || this.#ended) this.close();
  }

  #eofSent(error: Error | null): void {
    const done = this.#onEofSent;
    this.#onEofSent = null;
    done?.(error);
  }

  #lost(): Error {
    return this.#connection.error ?? new Error("the channel was closed before everything had been sent");
  }

  // ------------------------------------------------------------------ called by ssh2

  /** Data (a Buffer), or the end of it (null). The result false keeps ssh2 from adjusting the window itself. */
  push(chunk: Buffer | null): false {
    if (chunk === null) {
      this.readable = false;
      // CLOSE without EOF is not an end but a loss; `emit("close")` follows and says so.
      if (this.incoming.state !== "eof") return false;
      this.#ended = true;
      this.#handler?.onEnd();
      if (this.outgoing.state === "eof") this.close();
      return false;
    }
    this.#credit -= chunk.length;
    if (this.#credit < 0 || this.#ended) {
      this.#connection.destroy(new Error(`the peer sent ${this.#ended ? "data after its EOF" : "more than its channel window"}`));
      return false;
    }
    if (this.#closing) this.consumed(chunk.length);
    else if (this.#handler) this.#handler.onData(chunk);
    else this.#early.push(chunk);
    return false;
  }

  close(): void {
    if (this.outgoing.state !== "open" && this.outgoing.state !== "eof") return;
    this.outgoing.state = "closing";
    this.#connection.protocol.channelClose(this.outgoing.id);
  }

  emit(event: string, ..._details: unknown[]): boolean {
    if (event !== "close" || this.#closed) return false;
    this.#closed = true;
    const clean = this.#ended && this.#queued === 0;
    this.#queue = [];
    this.#queued = 0;
    this.#connection.forget(this, this.#growth);
    this.#eofSent(clean ? null : this.#lost());
    this.#handler?.onClose(clean ? null : this.#lost());
    return true;
  }

  once(event: string, listener: () => void): void {
    if (event === "end") listener();
  }
}
