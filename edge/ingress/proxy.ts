/** One HTTP request on its way through a tunnel and its answer on the way back, streamed both ways. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AnswerCode } from "../errors.ts";
import type { Exchange, Tunnel } from "../tunnels/tunnel.ts";
import type { StreamHandler } from "../transport/stream.ts";
import { ResetCode, type RequestHead, type ResponseHead } from "../wire/frames.ts";
import { isRepeatable } from "../wire/http.ts";
import { answer, discardRest } from "./answer.ts";
import { responseHeaders } from "./headers.ts";
import { Outflow } from "./outflow.ts";
import type { Receiving, SlowBodies } from "./slow-bodies.ts";
import type { Place } from "./usage.ts";

/** Up to here copying a body costs less than writing it apart from its head. */
const SMALL = 4096;

export interface ProxyOptions {
  /**
   * Waits for a tunnel of the name other than `lost`; calls back with null when none came in time. Returns a function that stops waiting.
   */
  wait: (lost: Tunnel | null, done: (tunnel: Tunnel | null) => void) => () => void;
  onDone: (status: number) => void;
  /** For {@link answer}. */
  id: string;
  /** Left when the request is over. */
  place: Place;
  bodies: SlowBodies;
  /** Of the body: what has been read of it already. The request is paused. */
  early?: { chunks: readonly Buffer[]; release: () => void };
}

export class ProxiedRequest implements StreamHandler, Receiving {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #head: RequestHead;
  readonly #options: ProxyOptions;
  /** Made for an answer that does not come in one small piece. */
  #outflow: Outflow | null = null;
  #exchange: Exchange | null = null;
  #tunnel: Tunnel | null = null;
  #cancelWait: (() => void) | null = null;
  /** Of the request. */
  #bodyStarted = false;
  #received = 0;
  #waits = false;
  /** Of the answer: kept back for a moment, with a small first piece of its body. Until they leave, a failure can still be told. */
  #answerHead: ResponseHead | null = null;
  #first: Buffer | null = null;
  #done = false;

  constructor(request: IncomingMessage, response: ServerResponse, head: RequestHead, options: ProxyOptions) {
    this.#request = request;
    this.#response = response;
    this.#head = head;
    this.#options = options;
    response.once("close", () => this.#onClientGone());
  }

  forward(tunnel: Tunnel): void {
    this.#tunnel = tunnel;
    this.#exchange = tunnel.exchange(this.#head, this);
    if (this.#head.end || this.#bodyStarted) return;
    this.#bodyStarted = true;
    const { early } = this.#options;
    let room = true;
    for (const chunk of early?.chunks ?? []) room = this.#take(chunk);
    early?.release();
    const request = this.#request;
    request.on("data", (chunk: Buffer) => {
      if (this.#take(chunk)) return;
      this.#waits = true;
      request.pause();
    });
    request.on("end", () => {
      this.#options.bodies.delete(this);
      this.#exchange?.end();
    });
    this.#waits = !room;
    // A request that was paused elsewhere does not flow again by itself.
    if (room) request.resume();
    else request.pause();
    this.#options.bodies.add(this);
  }

  /** A piece of the request's body; false: there is no room for more. */
  #take(chunk: Buffer): boolean {
    this.#received += chunk.length;
    this.#options.place.use.bytes += chunk.length;
    return this.#exchange?.write(chunk) ?? true;
  }

  get received(): number {
    return this.#received;
  }

  get excused(): boolean {
    return this.#waits || this.#response.headersSent;
  }

  tooSlow(): void {
    this.abort("BODY_TOO_SLOW");
  }

  /**
   * Between two connections of the same tunnel: the request waits for the next one, unless that takes too long. It may have come already:
   * a client often knows before the edge does that a connection is dead.
   */
  waitForTunnel(lost: Tunnel | null): void {
    this.#cancelWait = this.#options.wait(lost, (tunnel) => {
      this.#cancelWait = null;
      if (this.#done) return;
      if (tunnel) this.forward(tunnel);
      else this.#fail("TUNNEL_OFFLINE");
    });
  }

  onHead(head: ResponseHead): void {
    if (this.#done) return;
    this.#answerHead = head;
    // Most answers come whole, in one turn of the event loop; what has not ended by then leaves in pieces.
    if (!head.end) setImmediate(() => this.#release());
  }

  /** What was kept back leaves now: the head of a stream that begins slowly, or with it a first piece that was not the last. */
  #release(): void {
    if (this.#done || !this.#writeHead()) return;
    const first = this.#first;
    this.#first = null;
    if (first) this.#response.write(first.toString("latin1"), "latin1");
    // `flushHeaders` would write the head in UTF-8.
    else this.#response.write("", "latin1");
  }

  /** False: it has been written before, or cannot be. */
  #writeHead(): boolean {
    const head = this.#answerHead;
    this.#answerHead = null;
    if (!head) return false;
    this.#response.writeHead(head.status, head.reason, responseHeaders(head.headers, this.#options.id));
    return true;
  }

  onData(chunk: Buffer): void {
    if (this.#done) return;
    if (this.#answerHead && !this.#first && chunk.length <= SMALL) {
      this.#first = chunk;
      this.#options.place.use.bytes += chunk.length;
      this.#exchange?.consumed(chunk.length);
      return;
    }
    if (this.#first) this.#release();
    else this.#writeHead();
    this.#outflow ??= new Outflow(this.#response, this.#options.place.use, (bytes) => this.#exchange?.consumed(bytes));
    this.#outflow.write(chunk);
  }

  onEnd(): void {
    if (this.#done) return;
    // Node joins head and body into one write where the body is a string, and sends a buffer apart (lib/_http_outgoing.js `_send`).
    this.#writeHead();
    if (this.#first) this.#response.end(this.#first.toString("latin1"), "latin1");
    else this.#response.end();
    this.#finish();
    // The local service has answered without reading the whole body; what the client still sends goes nowhere.
    if (this.#bodyStarted && !this.#request.complete) {
      this.#exchange?.reset(ResetCode.CANCEL);
      this.#request.removeAllListeners("data");
      discardRest(this.#request);
    }
  }

  onReset(code: ResetCode, lost: boolean): void {
    if (this.#done) return;
    if (this.#response.headersSent) {
      this.#finish();
      // The only way to say in HTTP/1.1 that an answer is not complete.
      this.#response.destroy();
      return;
    }
    this.#answerHead = this.#first = null;
    if (lost && !this.#bodyStarted && isRepeatable(this.#head.method)) {
      this.#exchange = null;
      this.waitForTunnel(this.#tunnel);
      return;
    }
    this.#fail(lost ? "TUNNEL_LOST" : failureOf(code));
  }

  onDrain(): void {
    this.#waits = false;
    this.#request.resume();
  }

  /** The rest of the request cannot be read: the local service is told at once, and the sender while that can still be said. */
  abort(code: AnswerCode): void {
    if (this.#done) return;
    this.#exchange?.reset(ResetCode.CANCEL);
    if (!this.#response.headersSent) this.#response.setHeader("Connection", "close");
    this.#fail(code);
  }

  #fail(code: AnswerCode): void {
    if (this.#done) return;
    this.#finish();
    answer(this.#response, code, this.#options.id);
    discardRest(this.#request);
  }

  #onClientGone(): void {
    if (this.#done) return;
    this.#exchange?.reset(ResetCode.CANCEL);
    this.#finish();
  }

  #finish(): void {
    this.#done = true;
    this.#cancelWait?.();
    this.#options.early?.release();
    this.#options.bodies.delete(this);
    this.#options.place.leave();
    this.#options.onDone(this.#response.statusCode);
  }
}

export function failureOf(code: ResetCode): AnswerCode {
  if (code === ResetCode.REFUSED) return "SERVICE_REFUSED";
  if (code === ResetCode.TIMEOUT) return "SERVICE_TIMEOUT";
  return "SERVICE_FAILED";
}
