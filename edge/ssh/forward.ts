/** A tunnel whose client is a plain `ssh -R`: HTTP/1.1 over forwarded channels, kept alive and used again. */
import http from "node:http";
import type { Duplex } from "node:stream";
import { ResetCode, type RequestHead } from "../wire/frames.ts";
import { ChannelDuplex } from "../transport/duplex.ts";
import type { SshConnection } from "../transport/connection.ts";
import type { StreamHandler } from "../transport/mux.ts";
import type { Exchange, Tunnel } from "./tunnel.ts";

/** Channels of one client at a time; more requests queue. */
const MAX_CHANNELS = 128;

export interface ForwardTunnelOptions {
  name: string;
  client: string;
  connection: SshConnection;
  /** What the client asked to be forwarded, letter for letter. */
  bound: { address: string; port: number };
  /** Tells the user, if a session is open, that the tunnel ends and why. */
  tell: (code: "TAKEN_OVER" | "EDGE_STOPPING") => void;
}

export class ForwardTunnel implements Tunnel {
  readonly kind = "ssh";
  readonly since = Date.now();
  readonly name: string;
  readonly client: string;
  readonly instance: string;
  readonly #options: ForwardTunnelOptions;
  readonly #agent: http.Agent;
  #inFlight = 0;
  #draining: NodeJS.Timeout | null = null;

  constructor(options: ForwardTunnelOptions) {
    this.name = options.name;
    this.client = options.client;
    this.instance = `${options.connection.socket.remoteAddress}:${options.connection.socket.remotePort}`;
    this.#options = options;
    this.#agent = new ChannelAgent(options);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  exchange(head: RequestHead, handler: StreamHandler): Exchange {
    const { connection } = this.#options;
    connection.busy();
    this.#inFlight += 1;
    const exchange = new ForwardExchange(head, handler, this.#agent, () => {
      this.#inFlight -= 1;
    });
    return exchange;
  }

  drain(code: "TAKEN_OVER" | "EDGE_STOPPING", _retryAfterMs: number, graceMs: number): void {
    if (this.#draining) return;
    this.#options.tell(code);
    const until = Date.now() + graceMs;
    const look = () => {
      if (this.#inFlight > 0 && Date.now() < until) return;
      if (this.#draining) clearInterval(this.#draining);
      this.#options.connection.end();
    };
    this.#draining = setInterval(look, 50);
    look();
  }

  destroy(): void {
    this.#options.connection.destroy();
  }
}

class ChannelAgent extends http.Agent {
  readonly #options: ForwardTunnelOptions;

  constructor(options: ForwardTunnelOptions) {
    super({ keepAlive: true, maxSockets: MAX_CHANNELS, maxFreeSockets: MAX_CHANNELS, scheduling: "lifo" });
    this.#options = options;
    options.connection.onClose(() => this.destroy());
  }

  override createConnection(_options: object, callback?: (error: Error | null, socket: Duplex) => void): undefined {
    const { connection, bound } = this.#options;
    connection.openForwarded(bound, { address: "127.0.0.1", port: 0 }).then(
      (channel) => callback?.(null, new ChannelDuplex(channel)),
      // OpenSSH answers a channel with a failure when the local port refuses connections.
      (error: Error) => callback?.(Object.assign(error, { refused: true }), undefined as never),
    );
  }
}

class ForwardExchange implements Exchange {
  readonly #request: http.ClientRequest;
  readonly #handler: StreamHandler;
  readonly #onDone: () => void;
  #response: http.IncomingMessage | null = null;
  #upgraded: ChannelDuplex | null = null;
  #unconsumed = 0;
  #over = false;

  constructor(head: RequestHead, handler: StreamHandler, agent: http.Agent, onDone: () => void) {
    this.#handler = handler;
    this.#onDone = onDone;
    this.#request = http.request({
      agent,
      method: head.method,
      path: head.target,
      // An array keeps order, case and repetition. A missing `Host` is not added to an array.
      headers: head.headers,
      setHost: false,
    });
    this.#request.on("response", (response) => this.#onResponse(response));
    this.#request.on("upgrade", (response, socket, rest) => this.#onUpgrade(response, socket as unknown as ChannelDuplex, rest));
    this.#request.on("drain", () => handler.onDrain());
    this.#request.on("error", (error: Error & { refused?: boolean }) => this.#fail(error.refused ? ResetCode.REFUSED : ResetCode.FAILED));
    if (head.end) this.#request.end();
    else this.#request.flushHeaders();
  }

  write(chunk: Buffer): boolean {
    if (this.#over) return true;
    return this.#upgraded ? this.#upgraded.write(chunk) : this.#request.write(chunk);
  }

  end(): void {
    if (this.#over) return;
    if (this.#upgraded) this.#upgraded.end();
    else this.#request.end();
  }

  reset(): void {
    this.#finish();
    this.#request.destroy();
    this.#upgraded?.destroy();
  }

  consumed(bytes: number): void {
    this.#unconsumed -= bytes;
    if (this.#unconsumed > 64 * 1024) return;
    this.#response?.resume();
    this.#upgraded?.resume();
  }

  #onResponse(response: http.IncomingMessage): void {
    this.#response = response;
    const head = { status: response.statusCode ?? 502, reason: response.statusMessage ?? "", headers: response.rawHeaders };
    this.#handler.onHead?.({ ...head, end: false, upgrade: false });
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
    this.#upgraded = socket;
    const head = { status: response.statusCode ?? 101, reason: response.statusMessage ?? "", headers: response.rawHeaders };
    this.#handler.onHead?.({ ...head, end: false, upgrade: true });
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
    if (this.#unconsumed > 256 * 1024) source.pause();
    this.#handler.onData(chunk);
  }

  #fail(code: ResetCode): void {
    if (this.#over) return;
    this.#finish();
    this.#handler.onReset(code, code === ResetCode.FAILED && this.#response === null && this.#upgraded === null);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onDone();
  }
}
