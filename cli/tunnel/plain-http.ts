/** HTTP/1.1 on connections that an SSH server forwards, given to the same forwarder that serves the streams of an edge. */
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { ResetCode, type RequestHead, type ResponseHead } from "../../edge/wire/frames.ts";
import type { RequestStream } from "./forward.ts";

/** As an edge takes it (edge/ingress/server.ts). */
const MAX_HEAD = 32 * 1024;
/** For the head of the first request; and for the next one, longer than nginx keeps idle connections to its upstream (60 s). */
const HEAD_MS = 10_000;
const IDLE_MS = 75_000;
/** Of a request's body, waiting for the local service. */
const HIGH_WATER = 64 * 1024;

/** Of one connection, not of the request (RFC 9110 section 7.6.1), and what Node has answered already. */
const HOP_BY_HOP = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "expect"]);

type OnRequest = (stream: RequestStream, head: RequestHead) => void;

export class PlainHttp {
  readonly #server: http.Server;
  readonly #connections = new Set<Duplex>();
  readonly #timers = new WeakMap<Duplex, NodeJS.Timeout>();
  inFlight = 0;

  constructor(onRequest: OnRequest) {
    this.#server = http.createServer({ maxHeaderSize: MAX_HEAD, insecureHTTPParser: false }, (request, response) => {
      const socket = request.socket as Duplex;
      this.#begin(socket);
      response.on("close", () => this.#end(socket));
      response.sendDate = false;
      new AnsweredStream(request, response).start(onRequest);
    });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, early: Buffer) => {
      this.#begin(socket);
      socket.once("close", () => this.#end(socket));
      new UpgradedStream(request, socket, early).start(onRequest);
    });
    this.#server.on("clientError", (_error, socket: Duplex) => {
      if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      else socket.destroy();
    });
  }

  get connections(): number {
    return this.#connections.size;
  }

  serve(socket: Duplex): void {
    this.#connections.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#connections.delete(socket);
      clearTimeout(this.#timers.get(socket));
    });
    this.#wait(socket, HEAD_MS);
    // Documented of http.Server, event "connection": any Duplex may be given to it.
    this.#server.emit("connection", socket);
  }

  close(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  /** Node looks after such times only for servers that listen. */
  #wait(socket: Duplex, ms: number): void {
    const timer = setTimeout(() => socket.destroy(), ms);
    timer.unref();
    this.#timers.set(socket, timer);
  }

  #begin(socket: Duplex): void {
    clearTimeout(this.#timers.get(socket));
    this.inFlight += 1;
  }

  #end(socket: Duplex): void {
    this.inFlight -= 1;
    if (!socket.destroyed) this.#wait(socket, IDLE_MS);
  }
}

function headOf(request: IncomingMessage, upgrade: boolean): RequestHead {
  const named = new Set((request.headers.connection ?? "").toLowerCase().split(/[\s,]+/));
  const headers: string[] = [];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const [name = "", value = ""] = request.rawHeaders.slice(i, i + 2);
    const low = name.toLowerCase();
    if (!HOP_BY_HOP.has(low) && !named.has(low)) headers.push(name, value);
    // The local service has to see what it is asked to upgrade to.
    else if (upgrade && (low === "connection" || low === "upgrade")) headers.push(name, value);
  }
  const body = request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  return { method: request.method ?? "GET", target: request.url ?? "/", headers, end: !upgrade && !body, upgrade } as RequestHead;
}

/** What the local service says of its connection does not go further. */
function passed(headers: readonly string[]): string[] {
  return headers.filter((_, i) => !HOP_BY_HOP.has((headers[i - (i % 2)] ?? "").toLowerCase()));
}

/** Status, code and words where the local service gave no answer. */
function failure(code: ResetCode): [status: number, code: string, text: string] {
  if (code === ResetCode.REFUSED)
    return [
      502,
      "LOCAL_REFUSED",
      "The tunnel is open, and the local server behind it does not take connections. Start it, then try again.",
    ];
  if (code === ResetCode.TIMEOUT)
    return [504, "LOCAL_TIMEOUT", "The tunnel is open, and the local server behind it has not answered in time."];
  return [502, "LOCAL_FAILED", "The tunnel is open, and the local server behind it broke off before it had answered."];
}

class AnsweredStream implements RequestStream {
  handler: RequestStream["handler"] = null;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #held = 0;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  start(onRequest: OnRequest): void {
    const [request, response] = [this.#request, this.#response];
    const head = headOf(request, false);
    onRequest(this, head);
    request.on("error", () => {});
    request.on("data", (chunk: Buffer) => {
      this.#held += chunk.length;
      if (this.#held > HIGH_WATER) request.pause();
      this.handler?.onData(chunk);
    });
    request.on("end", () => {
      if (!head.end) this.handler?.onEnd();
    });
    response.on("drain", () => this.handler?.onDrain());
    response.on("close", () => {
      if (!response.writableFinished) this.handler?.onReset(ResetCode.CANCEL, false);
    });
  }

  respond({ status, reason, headers }: ResponseHead): void {
    this.#response.writeHead(status, reason, passed(headers));
    // Server-sent events begin before their first byte.
    this.#response.flushHeaders();
  }

  write(chunk: Buffer): boolean {
    return this.#response.write(chunk);
  }

  end(): void {
    this.#response.end();
  }

  reset(code: ResetCode): void {
    if (this.#response.headersSent || code === ResetCode.CANCEL) return void this.#response.destroy();
    const [status, name, text] = failure(code);
    const body = `${text}\n(${name})\n`;
    this.#response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "content-length": body.length, "airy-error": name });
    this.#response.end(body);
  }

  consumed(bytes: number): void {
    this.#held -= bytes;
    if (this.#held <= HIGH_WATER) this.#request.resume();
  }
}

/** After `101 Switching Protocols` both sides say what they like. */
class UpgradedStream implements RequestStream {
  handler: RequestStream["handler"] = null;
  readonly #request: IncomingMessage;
  readonly #socket: Duplex;
  readonly #early: Buffer;
  #held = 0;

  constructor(request: IncomingMessage, socket: Duplex, early: Buffer) {
    this.#request = request;
    this.#socket = socket;
    this.#early = early;
  }

  start(onRequest: OnRequest): void {
    const socket = this.#socket;
    onRequest(this, headOf(this.#request, true));
    const take = (chunk: Buffer): void => {
      this.#held += chunk.length;
      if (this.#held > HIGH_WATER) socket.pause();
      this.handler?.onData(chunk);
    };
    if (this.#early.length > 0) take(this.#early);
    socket.on("data", take);
    socket.on("end", () => this.handler?.onEnd());
    socket.on("drain", () => this.handler?.onDrain());
    socket.once("close", () => this.handler?.onReset(ResetCode.CANCEL, false));
  }

  respond({ status, reason, headers, upgrade }: ResponseHead): void {
    const kept = upgrade ? headers : [...passed(headers), "Connection", "close"];
    const lines = kept.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${kept[i + 1] ?? ""}\r\n`] : []));
    this.#socket.write(Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${lines.join("")}\r\n`, "latin1"));
  }

  write(chunk: Buffer): boolean {
    return this.#socket.write(chunk);
  }

  end(): void {
    this.#socket.end();
  }

  reset(code: ResetCode): void {
    const [status, name, text] = failure(code);
    if (code === ResetCode.CANCEL || this.#socket.writableEnded) return void this.#socket.destroy();
    this.#socket.end(
      `HTTP/1.1 ${status} Bad Gateway\r\nConnection: close\r\nAiry-Error: ${name}\r\nContent-Type: text/plain\r\n\r\n${text}\n`,
    );
  }

  consumed(bytes: number): void {
    this.#held -= bytes;
    if (this.#held <= HIGH_WATER) this.#socket.resume();
  }
}
