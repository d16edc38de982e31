/** Requests that come down the tunnel, taken to the local service and answered. */
import type { Dispatcher } from "undici";
import { Readable, type Duplex } from "node:stream";
import { isFieldText } from "../../edge/wire/http.ts";
import { ResetCode, type RequestHead } from "../../edge/wire/frames.ts";
import { receptionOf, type Reception } from "../../edge/wire/reception.ts";
import type { MuxStream, StreamHandler } from "../../edge/transport/stream.ts";
import { inertPath } from "../io/inert.ts";
import type { Capture } from "./captures.ts";
import type { Gate, Refusal } from "./gate.ts";
import { OrderedQueue, type OrderedExchange } from "./ordered.ts";
import { verdictOf } from "./paths.ts";
import type { Recorder } from "./recorder.ts";
import { isCutOff, isUnsendable, maySendAgain, resetCodeOf, Services, type Destination, type ServicesConfig } from "./services.ts";

export interface Forwarder {
  onRequest(stream: RequestStream, head: RequestHead): void;
  close(): Promise<void>;
}

export interface ForwarderConfig extends ServicesConfig {
  /** Path prefixes that are public; empty = all. */
  paths: readonly string[];
  gate: Gate;
  recorder: Recorder;
}

export function createForwarder(config: ForwarderConfig): Forwarder {
  const { paths, gate, recorder } = config;
  const services = new Services(config);
  const ordered = new OrderedQueue();
  return {
    onRequest: (stream, head) => {
      const verdict = verdictOf(head.target, paths);
      const to = verdict === "exposed" ? services.find(head) : verdict;
      const exchange = new LocalExchange(stream, head, recorder, gate, typeof to === "string" ? REFUSALS[to] : to);
      if (head.ordered) ordered.add(exchange, head.first ?? false);
      else exchange.start();
    },
    close: () => services.close(),
  };
}

/** What the tunnel's client takes requests from and answers on: a stream of the edge's, or a connection that an SSH server forwards. */
export type RequestStream = Pick<MuxStream, "respond" | "write" | "end" | "reset" | "consumed" | "handler">;

/** One request between the tunnel (whose events it takes) and the local service (whose events {@link ServiceHandler} brings). */
class LocalExchange implements StreamHandler, OrderedExchange {
  readonly #stream: RequestStream;
  readonly #head: RequestHead;
  readonly #recorder: Recorder;
  readonly #gate: Gate;
  readonly #to: Destination | Refusal;
  readonly #id: string;
  readonly #capture: Capture | null;
  readonly #startedAt = Date.now();
  readonly #startedTick = performance.now();
  #body: Readable | null = null;
  /** Bytes of the request in `#body` that the tunnel has not been given credit for. */
  #held = 0;
  #socket: Duplex | null = null;
  /** What came behind an upgrade request before the local service has agreed. */
  #early: Buffer[] = [];
  #abort: ((error?: Error) => void) | null = null;
  #resume: (() => void) | null = null;
  /** Of the answer, kept back for a moment: until it has left, a failure can still be told. */
  #pending: { status: number; reason: string; headers: string[] } | null = null;
  #status = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #over = false;
  #sentAgain = false;
  onAnswered: ((reception: Reception | "none") => void) | null = null;

  constructor(stream: RequestStream, head: RequestHead, recorder: Recorder, gate: Gate, to: Destination | Refusal) {
    this.#stream = stream;
    this.#head = head;
    this.#recorder = recorder;
    this.#gate = gate;
    this.#to = to;
    this.#id = recorder.nextId();
    this.#capture = head.upgrade ? null : recorder.capture(head.target, head.headers);
    stream.handler = this;
    // Here already: the body may arrive while an ordered request waits for its turn.
    if (!head.end && !head.upgrade) this.#body = new Readable({ read: () => this.#giveCredit(), highWaterMark: 64 * 1024 });
  }

  /** Gives an ordered request back untried. */
  giveBack(): void {
    if (this.#over) return;
    this.#over = true;
    this.#capture?.drop();
    this.#body?.destroy();
    this.#stream.reset(ResetCode.ORDER);
  }

  start(): void {
    const judged = "status" in this.#to ? this.#to : this.#gate.withHead(this.#head);
    if (judged === null) this.#dispatch(this.#body);
    else if (judged === "body") void this.#check();
    else this.#refuse(judged);
  }

  async #check(): Promise<void> {
    // Where the body breaks off, the tunnel has ended the request.
    const body = await this.#gate.collect(this.#body).catch(() => null);
    if (this.#over || body === null) return;
    const refusal = Buffer.isBuffer(body) ? this.#gate.withBody(this.#head, body) : body;
    if (refusal) this.#refuse(refusal);
    else this.#dispatch(body as Buffer);
  }

  #dispatch(body: Readable | Buffer | null): void {
    if ("status" in this.#to) return;
    const { method, upgrade } = this.#head;
    const { pool, target, headers } = this.#to;
    try {
      pool.dispatch(
        {
          method: method as Dispatcher.HttpMethod,
          path: target,
          headers: upgrade ? withoutUpgrade(headers) : headers,
          body,
          upgrade: upgrade ? "websocket" : null,
        },
        new ServiceHandler(this),
      );
    } catch (error) {
      this.serviceFailed(error as Error);
    }
  }

  /** The local service is not asked. */
  #refuse({ status, code, text }: Refusal): void {
    const body = Buffer.from(`${text}\n(${code})\n`);
    const headers = ["Content-Type", "text/plain; charset=utf-8", "Content-Length", String(body.length), "Airy-Error", code];
    this.#respond(status, code, headers, false);
    if (this.#head.method !== "HEAD") this.serviceData(body);
    this.serviceEnd();
  }

  // ------------------------------------------------------------------ from the local service

  serviceConnected(abort: (error?: Error) => void): void {
    if (this.#over) abort();
    else this.#abort = abort;
  }

  serviceHead(status: number, reason: string, headers: string[], resume: () => void): void {
    this.#resume = resume;
    if ("pool" in this.#to) this.#to.answered();
    if (headers.every(isFieldText)) {
      this.#pending = { status, reason: isFieldText(reason) ? reason : "", headers };
      // A connection that breaks off right behind the head is closed after the next turn's immediates.
      setImmediate(() => setImmediate(() => this.#release()));
      // RFC 9110 section 15.4.5: it may announce the length that a 200 would have. undici 7 waits for that, and fails.
      if (status === 304) this.serviceEnd();
      return;
    }
    const error = new Error("the local service sent a malformed header");
    this.serviceFailed(error);
    this.#abort?.(error);
  }

  #release(): void {
    const head = this.#pending;
    this.#pending = null;
    if (head && !this.#over) this.#respond(head.status, head.reason, head.headers, false);
  }

  /** False: stop sending until the tunnel has room again. */
  serviceData(chunk: Buffer): boolean {
    this.#release();
    this.#bytesOut += chunk.length;
    this.#capture?.data("response", chunk);
    return this.#stream.write(chunk);
  }

  serviceEnd(): void {
    this.#release();
    this.#stream.end();
    this.#finish();
  }

  serviceUpgraded(status: number, headers: string[], socket: Duplex): void {
    this.#socket = socket;
    if (this.#over) {
      socket.destroy();
      return;
    }
    this.#respond(status, "Switching Protocols", headers, true);
    for (const chunk of this.#early.splice(0)) socket.write(chunk);
    socket.on("data", (chunk: Buffer) => {
      if (!this.serviceData(chunk)) socket.pause();
    });
    socket.on("drain", () => this.#giveCredit());
    if (!socket.writableNeedDrain) this.#giveCredit();
    socket.on("end", () => this.#stream.end());
    socket.on("error", () => this.#stream.reset(ResetCode.FAILED));
    socket.on("close", () => this.serviceEnd());
  }

  serviceFailed(error: Error): void {
    if (this.#over) return;
    // A service may close a connection that was kept open in the moment in which it is used again (RFC 9110 section 9.2.2).
    if (this.#status === 0 && !this.#pending && !this.#sentAgain && isCutOff(error) && maySendAgain(this.#head)) {
      this.#sentAgain = true;
      return this.#dispatch(null);
    }
    this.#body?.destroy();
    // The local service was never asked, so nothing may say that it broke off.
    if (this.#status === 0 && isUnsendable(error)) this.#refuse(REFUSALS.unsendable);
    else this.#stream.reset(resetCodeOf(error));
    if ("pool" in this.#to) this.#to.failed(error);
    this.#finish();
  }

  // ------------------------------------------------------------------ from the tunnel

  onData(chunk: Buffer): void {
    this.#bytesIn += chunk.length;
    this.#capture?.data("request", chunk);
    if (this.#head.upgrade && !this.#socket) {
      this.#early.push(chunk);
      this.#held += chunk.length;
      return;
    }
    const room = this.#socket ? this.#socket.write(chunk) : (this.#body?.push(chunk) ?? true);
    if (room) this.#stream.consumed(chunk.length);
    else this.#held += chunk.length;
  }

  onEnd(): void {
    if (this.#socket) this.#socket.end();
    else if (this.#head.upgrade) this.#cancel();
    else this.#body?.push(null);
  }

  onReset(): void {
    if (!this.#over) this.#cancel();
  }

  /** Nobody waits for the answer any more. */
  #cancel(): void {
    this.#stream.reset(ResetCode.CANCEL);
    this.#finish();
    this.#abort?.(new Error("the request was cancelled"));
    this.#body?.destroy();
    this.#socket?.destroy();
  }

  onDrain(): void {
    if (this.#socket) this.#socket.resume();
    else this.#resume?.();
  }

  #respond(status: number, reason: string, headers: string[], upgrade: boolean): void {
    this.#status = status;
    this.#capture?.answered(headers);
    this.#stream.respond({ status, reason, headers, end: false, upgrade });
    this.onAnswered?.(receptionOf(status));
  }

  #giveCredit(): void {
    const bytes = this.#held;
    this.#held = 0;
    if (bytes > 0) this.#stream.consumed(bytes);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    const record = {
      id: this.#id,
      at: new Date(this.#startedAt).toISOString(),
      method: inertPath(this.#head.method),
      // Query values may be secrets (a verify token).
      path: inertPath(this.#head.target.split("?", 1)[0] ?? ""),
      status: this.#status,
      durationMs: Math.round((performance.now() - this.#startedTick) * 10) / 10,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
    };
    this.#capture?.finish(record);
    this.#recorder.add(record);
    this.onAnswered?.("none");
  }
}

const REFUSALS = {
  hidden: { status: 404, code: "PATH_NOT_EXPOSED", text: "This path is not public." },
  malformed: { status: 400, code: "PATH_MALFORMED", text: "This path can be read in more than one way, so it was not forwarded." },
  unsendable: {
    status: 501,
    code: "REQUEST_NOT_SENDABLE",
    text: "The tunnel's client cannot send a request like this, so the local service was not asked.",
  },
} as const;

/**
 * What undici calls. These are its older callbacks: they hand over raw headers (the newer ones parse them into an object, which loses
 * order and case, and costs time), and undici 7 uses them inside.
 */
class ServiceHandler implements Dispatcher.DispatchHandler {
  readonly #exchange: LocalExchange;

  constructor(exchange: LocalExchange) {
    this.#exchange = exchange;
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#exchange.serviceConnected(abort);
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    // Interim answers (100, 103) are not for the other side.
    if (status >= 200) this.#exchange.serviceHead(status, reason, texts(rawHeaders), resume);
    return true;
  }

  onData(chunk: Buffer): boolean {
    return this.#exchange.serviceData(chunk);
  }

  onComplete(): void {
    this.#exchange.serviceEnd();
  }

  onUpgrade(status: number, rawHeaders: Buffer[] | string[] | null, socket: Duplex): void {
    this.#exchange.serviceUpgraded(status, texts(rawHeaders ?? []), socket);
  }

  onError(error: Error): void {
    this.#exchange.serviceFailed(error);
  }
}

function texts(raw: readonly (Buffer | string)[]): string[] {
  return raw.map((part) => part.toString("latin1"));
}

/** undici writes these itself. */
function withoutUpgrade(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? "";
    if (!/^(?:connection|upgrade)$/i.test(name)) kept.push(name, headers[i + 1] ?? "");
  }
  return kept;
}
