/** One request on an HTTP/1.1 channel of a plain `ssh -R`, and its answer. */
import http from "node:http";
import { isFieldText, isRepeatable } from "../wire/http.ts";
import { ResetCode, type RequestHead, type ResponseHead } from "../wire/frames.ts";
import type { SshConnection } from "../transport/connection.ts";
import type { ChannelDuplex } from "../transport/duplex.ts";
import type { StreamHandler } from "../transport/stream.ts";
import type { Exchange } from "../tunnels/tunnel.ts";

/** How long the local service may take for the head of its answer. */
const HEAD_TIMEOUT_MS = 300_000;
/** Of an answer: as many as of a request, and what Node's parser counts beside them. */
const MAX_HEAD_BYTES = 33 * 1024;
/** What a client may send behind an upgrade request before that is granted. */
const EARLY_BYTES = 64 * 1024;
/** What waits here for a requester who reads slowly, beside the window of the channel: the channel is read on and off between these. */
const PAUSE_BYTES = 64 * 1024;
const RESUME_BYTES = 32 * 1024;

export class ForwardExchange implements Exchange {
  #request: http.ClientRequest;
  readonly #agent: http.Agent;
  readonly #head: RequestHead;
  readonly #handler: StreamHandler;
  readonly #connection: SshConnection;
  readonly #onDone: () => void;
  #response: http.IncomingMessage | null = null;
  #upgraded: ChannelDuplex | null = null;
  /** What came behind an upgrade request that has not been granted: part of the new protocol, or, to a server that refuses, a request. */
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #unconsumed = 0;
  #over = false;
  readonly #deadline: NodeJS.Timeout;

  constructor(head: RequestHead, handler: StreamHandler, agent: http.Agent, connection: SshConnection, onDone: () => void) {
    this.#head = head;
    this.#handler = handler;
    this.#agent = agent;
    this.#connection = connection;
    this.#onDone = onDone;
    this.#deadline = setTimeout(() => {
      this.#fail(ResetCode.TIMEOUT);
      this.#request.destroy();
    }, HEAD_TIMEOUT_MS);
    this.#request = this.#send();
  }

  #send(): http.ClientRequest {
    const head = this.#head;
    const request = http.request({
      agent: this.#agent,
      method: head.method,
      path: head.target,
      // An array keeps order, case and repetition. A missing `Host` is not added to an array.
      headers: framed(head),
      setHost: false,
      maxHeaderSize: MAX_HEAD_BYTES,
    });
    // Bounded by the size of the head; Node would leave out what exceeds a number of lines, and say nothing.
    request.maxHeadersCount = 0;
    request.on("response", (response) => this.#onResponse(response));
    request.on("upgrade", (response, socket, rest) => this.#onUpgrade(response, socket as unknown as ChannelDuplex, rest));
    request.on("drain", () => this.#handler.onDrain());
    request.on("error", (error: Error & { refused?: boolean }) => this.#onError(request, error.refused ?? false));
    if (head.end) request.end();
    // `flushHeaders` would write the head in UTF-8.
    else request.write("", "latin1");
    return request;
  }

  /**
   * The local service may close a connection that it has kept open in the moment in which it is used again. What may be sent twice is then
   * sent on another one (RFC 9110 section 9.2.2).
   */
  #onError(request: http.ClientRequest, refused: boolean): void {
    const again = request.reusedSocket && (this.#head.end || this.#head.upgrade) && isRepeatable(this.#head.method);
    if (again && !this.#over && !this.#response && !this.#connection.closed) this.#request = this.#send();
    else this.#fail(refused ? ResetCode.REFUSED : ResetCode.FAILED);
  }

  write(chunk: Buffer): boolean {
    if (this.#over) return true;
    if (this.#upgraded) return this.#upgraded.write(chunk);
    if (!this.#head.upgrade) return this.#request.write(chunk);
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    return this.#earlyBytes < EARLY_BYTES;
  }

  end(): void {
    if (this.#over) return;
    if (this.#upgraded) this.#upgraded.end();
    else if (this.#head.upgrade) this.reset();
    else this.#request.end();
  }

  reset(): void {
    this.#finish();
    this.#request.destroy();
    this.#upgraded?.destroy();
  }

  consumed(bytes: number): void {
    this.#unconsumed -= bytes;
    if (this.#unconsumed > RESUME_BYTES) return;
    this.#response?.resume();
    this.#upgraded?.resume();
  }

  #onResponse(response: http.IncomingMessage): void {
    const head = headOf(response, false);
    if (!head) {
      this.#fail(ResetCode.FAILED);
      this.#request.destroy();
      return;
    }
    clearTimeout(this.#deadline);
    this.#response = response;
    // After a refusal the client may have sent more than a request; that goes nowhere, and the channel is not used again.
    if (this.#head.upgrade) response.once("end", () => this.#request.destroy());
    this.#handler.onHead?.(head);
    response.on("data", (chunk: Buffer) => this.#onData(chunk, response));
    response.on("end", () => {
      if (this.#over) return;
      this.#finish();
      this.#handler.onEnd();
    });
    response.on("error", () => this.#fail(ResetCode.FAILED));
    response.on("aborted", () => this.#fail(ResetCode.FAILED));
  }

  #onUpgrade(response: http.IncomingMessage, socket: ChannelDuplex, rest: Buffer): void {
    const head = headOf(response, true);
    if (!head || !this.#head.upgrade) {
      socket.destroy();
      this.#fail(ResetCode.FAILED);
      return;
    }
    clearTimeout(this.#deadline);
    this.#upgraded = socket;
    this.#handler.onHead?.(head);
    for (const chunk of this.#early.splice(0)) socket.write(chunk);
    if (this.#earlyBytes >= EARLY_BYTES) this.#handler.onDrain();
    if (rest.length > 0) this.#onData(rest, socket);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk, socket));
    socket.on("drain", () => this.#handler.onDrain());
    socket.on("end", () => {
      if (this.#over) return;
      this.#finish();
      this.#handler.onEnd();
    });
    socket.on("error", () => this.#fail(ResetCode.FAILED));
    socket.on("close", () => this.#fail(ResetCode.FAILED));
  }

  #onData(chunk: Buffer, source: { pause(): unknown }): void {
    if (this.#over) return;
    this.#unconsumed += chunk.length;
    if (this.#unconsumed > PAUSE_BYTES) source.pause();
    this.#handler.onData(chunk);
  }

  #fail(code: ResetCode): void {
    if (this.#over) return;
    this.#finish();
    this.#handler.onReset(code, this.#connection.closed);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#deadline);
    this.#onDone();
  }
}

/** Without a length Node would write the body of a GET or DELETE bare behind the head, where a server takes it for the next request. */
function framed({ headers, end, upgrade }: RequestHead): string[] {
  if (end || upgrade) return headers;
  for (let i = 0; i < headers.length; i += 2) if (headers[i]?.toLowerCase() === "content-length") return headers;
  return [...headers, "Transfer-Encoding", "chunked"];
}

/** null: Node's parser took it, but Node's server would throw on it. */
function headOf({ statusCode = 0, statusMessage = "", rawHeaders }: http.IncomingMessage, upgrade: boolean): ResponseHead | null {
  if (upgrade ? statusCode !== 101 : statusCode < 200 || statusCode > 999) return null;
  if (!rawHeaders.every(isFieldText)) return null;
  return { status: statusCode, reason: isFieldText(statusMessage) ? statusMessage : "", headers: rawHeaders, end: false, upgrade };
}
