/** A tunnel whose client is a plain `ssh -R`: HTTP/1.1 over forwarded channels, kept alive and used again. */
import http from "node:http";
import type { Duplex } from "node:stream";
import type { RequestHead } from "../wire/frames.ts";
import { addressOf } from "../peers/trust.ts";
import { ChannelDuplex } from "../transport/duplex.ts";
import type { SshConnection } from "../transport/connection.ts";
import type { StreamHandler } from "../transport/stream.ts";
import { ForwardExchange } from "./exchange.ts";
import type { Exchange, Tunnel } from "../tunnels/tunnel.ts";

/** Channels of one client at a time; more requests queue. */
const MAX_CHANNELS = 128;
/** Shorter than what most local servers close idle connections after (Node's: 5 s), so that few requests meet one that is closing. */
const IDLE_CHANNEL_MS = 4_000;

export interface ForwardTunnelOptions {
  name: string;
  client: string;
  connection: SshConnection;
  /** What the client asked to be forwarded, letter for letter. */
  bound: { address: string; port: number };
  /** Tells the user, if a session is open, that the tunnel ends and why. */
  tell: (code: "TAKEN_OVER" | "EDGE_STOPPING") => void;
  /** Ends the connection, after the user has seen what was said. */
  leave: () => void;
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
    this.instance = `${addressOf(options.connection.socket)}:${options.connection.socket.remotePort}`;
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
    const exchange = new ForwardExchange(head, handler, this.#agent, connection, () => {
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
      this.#options.leave();
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
  readonly #idle = new WeakMap<object, NodeJS.Timeout>();

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
      (error: Error) => callback?.(Object.assign(error, { refused: "reason" in error }), undefined as never),
    );
  }

  override keepSocketAlive(socket: Duplex): boolean {
    if (!(socket as ChannelDuplex).rest()) return false;
    const timer = setTimeout(() => socket.destroy(), IDLE_CHANNEL_MS);
    timer.unref();
    this.#idle.set(socket, timer);
    // Says no where the server has announced to close sooner than that can be answered to.
    return (super.keepSocketAlive as (socket: Duplex) => unknown)(socket) !== false;
  }

  override reuseSocket(socket: Duplex, request: http.ClientRequest): void {
    clearTimeout(this.#idle.get(socket));
    (socket as ChannelDuplex).wake();
    super.reuseSocket(socket, request);
  }
}
