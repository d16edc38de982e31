/** One exchange on a multiplexed channel: a request and its answer, each with a window of its own. */
import { MAX_DATA, ResetCode, WireError, type RequestHead, type ResponseHead } from "../wire/frames.ts";
import type { Mux } from "./mux.ts";

/** Bytes a peer may send ahead at first. Small, so that many stalled readers cost little. */
export const INITIAL_WINDOW = 64 * 1024;
/** A reader that keeps up gets a larger window, up to this: 32 MiB carry 320 MB/s at 100 ms round trip. */
const MAX_WINDOW = 32 * 1024 * 1024;
/** Over a distance a small first window costs round trips, so a reader starts with more there, as long as the connection's budget lasts. */
const FAR_WINDOW = 8 * 1024 * 1024;
const FAR_MS = 5;
/** Body bytes that a writer may leave here before it has to wait. */
const PENDING_HIGH_WATER = 128 * 1024;

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

export class MuxStream {
  readonly id: number;
  handler: StreamHandler | null = null;
  /** Of {@link StreamTable}. */
  nextInSlot: MuxStream | null = null;
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
  #receivedEnd = false;
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
    if (this.#pendingBytes < PENDING_HIGH_WATER) return true;
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

  /** Before a body is awaited: lets the peer send far ahead where the line is long. */
  expectBody(): void {
    if (this.#mux.roundTripMs < FAR_MS) return;
    const growth = this.#mux.reserveGrowth(FAR_WINDOW - this.#window);
    if (growth <= 0) return;
    this.#window += growth;
    this.#receiveCredit += growth;
    this.#mux.writer.window(this.id, growth);
  }

  /** The reader is done with this many bytes: the peer may send more, and a reader that keeps up may be sent more ahead. */
  consumed(bytes: number): void {
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < this.#window / 2 || this.#over || this.#receivedEnd) return;
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
        this.#mux.enqueue(this);
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
    if (this.#needDrain && this.#pendingBytes < PENDING_HIGH_WATER / 2) {
      this.#needDrain = false;
      this.handler?.onDrain();
    }
    return true;
  }

  /** Our own side is complete (with the head, or with END). */
  #afterEnd(): void {
    this.#ending = true;
    this.#sentEnd = true;
    if (this.#receivedEnd) this.#finish();
  }

  /** The request had no body: nothing will be written. */
  noBody(): void {
    this.#afterEnd();
  }

  receiveHead(head: ResponseHead): void {
    if (!this.#asked || this.#answered) throw new WireError("an answer that nobody asked for");
    if (head.upgrade && !this.#asked.upgrade) throw new WireError("an upgrade that nobody asked for");
    this.#answered = true;
    this.#bodyLeft = bodyLength(head, this.#asked.method);
    this.handler?.onHead?.(head);
    if (head.end) this.receiveEnd();
  }

  receiveData(piece: Buffer): void {
    this.#receiveCredit -= piece.length;
    if (this.#receiveCredit < 0 || this.#receivedEnd) throw new WireError("a stream was sent more than its window");
    // What exceeds the announced length would be taken for the next answer on the public connection.
    if (this.#bodyLeft !== null) this.#bodyLeft -= piece.length;
    if ((this.#asked && !this.#answered) || (this.#bodyLeft ?? 0) < 0) throw new WireError("more body than was announced");
    this.handler?.onData(piece);
  }

  receiveEnd(): void {
    if (this.#receivedEnd) return;
    if (this.#asked && !this.#answered) throw new WireError("an end without an answer");
    if ((this.#bodyLeft ?? 0) > 0) {
      this.reset(ResetCode.PROTOCOL);
      this.handler?.onReset(ResetCode.FAILED, false);
      return;
    }
    this.#receivedEnd = true;
    this.handler?.onEnd();
    if (this.#sentEnd) this.#finish();
  }

  receiveWindow(increment: number): void {
    this.#sendCredit += increment;
    this.pump();
  }

  receiveReset(code: ResetCode, lost: boolean): void {
    if (this.#over) return;
    // A reset behind a complete answer only means: send no more of the request's body. Behind a complete request it means: nobody waits.
    const complete = this.#asked !== null && this.#receivedEnd;
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
