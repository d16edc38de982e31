/**
 * HTTP/2 in front. A stream becomes a request and a response as the HTTP/1.1 server makes them, so that everything behind is the same code;
 * what goes down the tunnel has HTTP/1.1's form in any case.
 */
import http2, {
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { METHODS, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** Requests of one connection at a time. Browsers reckon with 100. */
const MAX_STREAMS = 100;
/** Streams that a client gives up: many at once, and in the long run per second (CVE-2023-44487, "rapid reset"). */
const RESET_BURST = 200;
const RESET_RATE = 33;
/** As of HTTP/1.1: bytes and lines of a head. */
const MAX_HEAD_BYTES = 32 * 1024;
const MAX_HEAD_LINES = 1_000;
/** A connection without requests. */
const IDLE_MS = 75_000;

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

export interface H2Server {
  /** A connection that has agreed on h2. */
  accept(socket: Duplex): void;
  /** Requests in flight go on, their connections take no new ones. */
  stopAccepting(): void;
  close(): void;
}

export function createH2Server(onRequest: OnRequest): H2Server {
  const sessions = new Set<ServerHttp2Session>();
  const server = http2.createServer({
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEAD_BYTES, enableConnectProtocol: false, enablePush: false },
    maxHeaderListPairs: MAX_HEAD_LINES,
    maxSessionInvalidFrames: 20,
    maxSessionRejectedStreams: 50,
    maxSettings: 16,
    streamResetBurst: RESET_BURST,
    streamResetRate: RESET_RATE,
    unknownProtocolTimeout: 1_000,
    Http2ServerRequest: H2Request,
    Http2ServerResponse: H2Response,
  } as unknown as http2.ServerOptions);
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
    watchIdle(session);
  });
  server.on("sessionError", () => {});
  // What the code behind uses of the two is the same in both kinds: see the classes below for what had to be mended.
  for (const event of ["request", "checkContinue", "checkExpectation"]) {
    server.on(event, (request: Http2ServerRequest, response: Http2ServerResponse) =>
      onRequest(request as unknown as IncomingMessage, response as unknown as ServerResponse),
    );
  }
  return {
    accept: (socket) => server.emit("connection", socket),
    stopAccepting: () => {
      for (const session of sessions) session.close();
    },
    close: () => {
      for (const session of sessions) session.destroy();
    },
  };
}

/** Closed when it has had no request for a while; a long answer is no idleness. */
function watchIdle(session: ServerHttp2Session): void {
  let open = 0;
  let timer = setTimeout(() => session.close(), IDLE_MS);
  session.on("stream", (stream) => {
    open += 1;
    clearTimeout(timer);
    stream.once("close", () => {
      open -= 1;
      if (open === 0) timer = setTimeout(() => session.close(), IDLE_MS);
    });
  });
  session.once("close", () => clearTimeout(timer));
}

/** What of Node's own classes (lib/internal/http2/compat.js) is used or mended; its types name as fields what are accessors there. */
interface PlainRequest {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly method: string;
  readonly url: string;
}
interface PlainResponse {
  readonly stream: ServerHttp2Stream;
  readonly headersSent: boolean;
  readonly finished: boolean;
  statusCode: number;
  setHeader(name: string, value: number | string | readonly string[]): void;
  writeHead(status: number): this;
  write(chunk: string | Uint8Array, encoding?: string): boolean;
  end(): this;
}
const BaseRequest = http2.Http2ServerRequest as unknown as new (...args: ConstructorParameters<typeof Http2ServerRequest>) => PlainRequest;
const BaseResponse = http2.Http2ServerResponse as unknown as new (stream: ServerHttp2Stream) => PlainResponse;

/** The fields of a request in the form that they have in HTTP/1.1. */
export class H2Request extends BaseRequest {
  readonly #raw: string[];

  constructor(...args: ConstructorParameters<typeof Http2ServerRequest>) {
    super(...args);
    this.#raw = plainFields(args[3]);
  }

  get rawHeaders(): string[] {
    return this.#raw;
  }

  /** Node has this on requests of HTTP/1.1 only. */
  get headersDistinct(): Record<string, string[]> {
    const distinct: Record<string, string[]> = {};
    const raw = this.rawHeaders;
    for (let i = 0; i + 1 < raw.length; i += 2) (distinct[(raw[i] ?? "").toLowerCase()] ??= []).push(raw[i + 1] ?? "");
    return distinct;
  }

  /** Of what cannot be said in a request line of HTTP/1.1, nothing goes on. */
  get isSayable(): boolean {
    const { ":scheme": scheme } = this.headers;
    return METHODS.includes(this.method) && this.method !== "CONNECT" && scheme === "https" && /^[\x21-\x7e\x80-\xff]+$/.test(this.url);
  }

  get hasBody(): boolean {
    return !this.stream.endAfterHeaders;
  }
}

/**
 * `:authority` is Host (RFC 9113 section 8.3.1); a Host that says something else makes two of it, which is refused. Cookies come in crumbs,
 * and are one field in HTTP/1.1 (section 8.2.3).
 */
function plainFields(raw: readonly string[]): string[] {
  const fields: string[] = [];
  const cookies: string[] = [];
  let authority: string | null = null;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const value = raw[i + 1] ?? "";
    if (name === ":authority") authority = value;
    else if (name === "cookie") cookies.push(value);
    else if (!name.startsWith(":")) fields.push(name, value);
  }
  if (cookies.length > 0) fields.push("cookie", cookies.join("; "));
  if (authority === null) return fields;
  const rest: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i] !== "host" || fields[i + 1] !== authority) rest.push(fields[i] ?? "", fields[i + 1] ?? "");
  }
  return ["Host", authority, ...rest];
}

class H2Response extends BaseResponse {
  #broken = false;

  get destroyed(): boolean {
    return this.#broken || this.stream === undefined || this.stream.destroyed;
  }

  get closed(): boolean {
    return this.destroyed || this.stream.closed;
  }

  get writableFinished(): boolean {
    return this.finished && this.destroyed;
  }

  /** HTTP/2 has no reasons, and no fields about a connection. */
  override setHeader(name: string, value: number | string | readonly string[]): void {
    if (!/^(connection|keep-alive|transfer-encoding|upgrade|proxy-connection)$/i.test(name)) super.setHeader(name, value);
  }

  override writeHead(status: number, ...rest: unknown[]): this {
    const headers = rest.at(-1);
    if (Array.isArray(headers)) for (const [name, value] of joined(headers as string[])) this.setHeader(name, value);
    else if (typeof headers === "object" && headers !== null) {
      for (const [name, value] of Object.entries(headers as Record<string, string | number>)) this.setHeader(name, value);
    }
    return this.closed ? this : super.writeHead(status);
  }

  override write(chunk: string | Uint8Array, encoding?: string): boolean {
    if (this.closed) return false;
    if (!this.headersSent) this.writeHead(this.statusCode);
    if (this.#isBodiless || chunk.length === 0) return true;
    return super.write(chunk, encoding);
  }

  override end(chunk?: string | Uint8Array, encoding?: string): this {
    if (this.closed) return this;
    if (chunk !== undefined) this.write(chunk, encoding);
    return super.end();
  }

  /** An answer that is not whole must not look whole. */
  destroy(_error?: Error): void {
    if (this.destroyed) return;
    this.#broken = true;
    this.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  }

  get #isBodiless(): boolean {
    const stream = this.stream as ServerHttp2Stream & { headRequest?: boolean };
    return stream.headRequest === true || this.statusCode === 204 || this.statusCode === 205 || this.statusCode === 304;
  }
}

/** Repeated fields as one, as a list is (RFC 9110 section 5.3); cookies cannot be joined. Node refuses repetitions of some. */
function joined(fields: readonly string[]): Map<string, string | string[]> {
  const all = new Map<string, string | string[]>();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] ?? "").toLowerCase();
    const value = fields[i + 1] ?? "";
    const known = all.get(name);
    if (name === "set-cookie") all.set(name, [...(known ?? []), value]);
    else all.set(name, known === undefined ? value : `${known as string}, ${value}`);
  }
  return all;
}
