/** Requests that come down the tunnel, taken to the local service and answered. */
import { Pool, type Dispatcher } from "undici";
import { Readable, type Duplex } from "node:stream";
import { isFieldText } from "../../edge/wire/http.ts";
import { ResetCode, type RequestHead } from "../../edge/wire/frames.ts";
import { receptionOf, type Reception } from "../../edge/wire/reception.ts";
import type { MuxStream, StreamHandler } from "../../edge/transport/stream.ts";
import { inertPath } from "../io/inert.ts";
import type { Capture } from "./captures.ts";
import { OrderedQueue, type OrderedExchange } from "./ordered.ts";
import { verdictOf, type PathVerdict } from "./paths.ts";
import type { Recorder } from "./recorder.ts";

/** Connections to the local service: as many as the edge has requests in flight, since each may be an endless stream of events. */
const MAX_CONNECTIONS = 1024;
/** How long the local service may take for the head of its answer. The body may take as long as it likes (server-sent events). */
const HEAD_TIMEOUT_MS = 300_000;

export interface Forwarder {
  onRequest(stream: MuxStream, head: RequestHead): void;
  close(): Promise<void>;
}

export function createForwarder(target: { host: string; port: number }, paths: readonly string[], recorder: Recorder): Forwarder {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  const pool = new Pool(`http://${host}:${target.port}`, {
    connections: MAX_CONNECTIONS,
    pipelining: 1,
    headersTimeout: HEAD_TIMEOUT_MS,
    bodyTimeout: 0,
    connect: { timeout: 5_000, noDelay: true },
  });
  const ordered = new OrderedQueue();
  return {
    onRequest: (stream, head) => {
      const exchange = new LocalExchange(stream, head, recorder, pool, verdictOf(head.target, paths));
      if (head.ordered) ordered.add(exchange, head.first ?? false);
      else exchange.start();
    },
    close: () => pool.destroy(),
  };
}

/** One request between the tunnel (whose events it takes) and the local service (whose events {@link ServiceHandler} brings). */
class LocalExchange implements StreamHandler, OrderedExchange {
  readonly #stream: MuxStream;
  readonly #head: RequestHead;
  readonly #recorder: Recorder;
  readonly #pool: Pool;
  readonly #verdict: PathVerdict;
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
  onAnswered: ((reception: Reception | "none") => void) | null = null;

  constructor(stream: MuxStream, head: RequestHead, recorder: Recorder, pool: Pool, verdict: PathVerdict) {
    this.#stream = stream;
    this.#head = head;
    this.#recorder = recorder;
    this.#pool = pool;
    this.#verdict = verdict;
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
    if (this.#verdict === "exposed") this.#dispatch();
    else this.#refuse(this.#verdict);
  }

  #dispatch(): void {
    const { method, target, headers, upgrade } = this.#head;
    try {
      this.#pool.dispatch(
        {
          method: method as Dispatcher.HttpMethod,
          path: target,
          headers: upgrade ? withoutUpgrade(headers) : headers,
          body: this.#body,
          upgrade: upgrade ? "websocket" : null,
        },
        new ServiceHandler(this),
      );
    } catch (error) {
      this.serviceFailed(error as Error);
    }
  }

  /** A path that is not public, one that could be read in two ways, or a request that undici does not send. */
  #refuse(verdict: keyof typeof REFUSALS): void {
    const [status, code, text] = REFUSALS[verdict];
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
    this.#body?.destroy();
    // The local service was never asked, so nothing may say that it broke off.
    if (this.#status === 0 && isUnsendable(error)) this.#refuse("unsendable");
    else this.#stream.reset(resetCodeOf(error));
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
  hidden: [404, "PATH_NOT_EXPOSED", "This path is not public."],
  malformed: [400, "PATH_MALFORMED", "This path can be read in more than one way, so it was not forwarded."],
  unsendable: [501, "REQUEST_NOT_SENDABLE", "The tunnel's client cannot send a request like this, so the local service was not asked."],
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

/** undici does not send everything that HTTP allows (`OPTIONS *`, `Expect`); it says so before it connects. */
function isUnsendable(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED";
}

function resetCodeOf(error: Error): ResetCode {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED" || code === "UND_ERR_CONNECT_TIMEOUT" || code === "ENOTFOUND" || code === "EHOSTUNREACH")
    return ResetCode.REFUSED;
  if (code === "UND_ERR_HEADERS_TIMEOUT") return ResetCode.TIMEOUT;
  // Both address families refused (Node's happy eyeballs).
  if (error instanceof AggregateError && error.errors.every((one) => (one as NodeJS.ErrnoException).code === "ECONNREFUSED"))
    return ResetCode.REFUSED;
  return ResetCode.FAILED;
}
