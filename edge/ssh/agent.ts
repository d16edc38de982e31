/** A tunnel whose client is our own agent: one multiplexed channel. */
import { FrameType, type RequestHead } from "../wire/frames.ts";
import { Call, type Hello, type Welcome } from "../wire/messages.ts";
import type { Status } from "../wire/messages.ts";
import { Mux } from "../transport/mux.ts";
import type { StreamHandler } from "../transport/stream.ts";
import type { SshChannel } from "../transport/channel.ts";
import type { SshConnection } from "../transport/connection.ts";
import type { RefusalCode } from "../errors.ts";
import type { Exchange, Tunnel } from "../tunnels/tunnel.ts";

export interface AgentTunnelOptions {
  connection: SshConnection;
  channel: SshChannel;
  /** Resolves a hello to a name, or to a refusal. */
  welcome: (hello: Hello) => Promise<{ welcome: Welcome } | { refused: RefusalCode }>;
  readHello: (payload: Buffer) => Hello;
  refusalText: (code: RefusalCode) => string;
  /** The tunnel has its name and is about to open: resolves when nobody else serves that name. */
  announce: () => Promise<void>;
  onOpen: () => void;
  /** The client is about to go: no new requests, those in flight go on. */
  onLeave: () => void;
  onCall: (call: Call) => Promise<unknown>;
  /** Also for one that never opened. */
  onClose: (lost: boolean) => void;
}

export class AgentTunnel implements Tunnel {
  readonly kind = "agent";
  readonly since = Date.now();
  name = "";
  instance = "";
  client = "";
  hello: Hello | null = null;
  readonly #options: AgentTunnelOptions;
  readonly #mux: Mux;
  #greeted = false;
  #draining: NodeJS.Timeout | null = null;

  constructor(options: AgentTunnelOptions) {
    this.#options = options;
    const { connection } = options;
    this.#mux = new Mux(
      options.channel,
      {
        onMessage: (type, payload) => this.#onMessage(type, payload),
        onClose: (error) => {
          options.onClose(error !== null);
          // The agent's one channel is the connection.
          connection.end();
        },
      },
      (error) => connection.destroy(error),
    );
    connection.ping = () => this.#mux.ping();
  }

  get inFlight(): number {
    return this.#mux.streams;
  }

  get roundTripMs(): number {
    return this.#mux.roundTripMs;
  }

  exchange(head: RequestHead, handler: StreamHandler): Exchange {
    this.#options.connection.busy();
    return this.#mux.open(head, handler);
  }

  tellStatus(status: Status): void {
    this.#mux.send(FrameType.STATUS, status);
  }

  drain(code: "TAKEN_OVER" | "EDGE_STOPPING", retryAfterMs: number, graceMs: number): void {
    if (this.#draining) return;
    this.#mux.send(FrameType.GOAWAY, { code, retryAfterMs });
    this.#mux.flush();
    const until = Date.now() + graceMs;
    const look = () => {
      if (this.#mux.streams > 0 && Date.now() < until) return;
      if (this.#draining) clearInterval(this.#draining);
      this.#mux.end();
      this.#options.connection.end();
    };
    this.#draining = setInterval(look, 50);
    look();
  }

  destroy(): void {
    this.#options.connection.destroy();
  }

  #onMessage(type: number, payload: Buffer): void {
    if (!this.#greeted && type === FrameType.HELLO) {
      this.#greeted = true;
      this.#greet(payload).catch((error: Error) => this.#options.connection.destroy(error));
      return;
    }
    if (type === FrameType.GOAWAY && this.hello) {
      this.#options.onLeave();
      return;
    }
    if (type === FrameType.CALL && this.hello) {
      this.#answer(payload).catch((error: Error) => this.#options.connection.destroy(error));
      return;
    }
    this.#options.connection.destroy(new Error(`unexpected frame ${type}`));
  }

  async #greet(payload: Buffer): Promise<void> {
    let hello: Hello;
    try {
      hello = this.#options.readHello(payload);
    } catch {
      this.#refuse("PROTOCOL_ERROR");
      return;
    }
    // What cannot be written down (a full disk) is this client's bad luck, not the end of the edge.
    const answer = await this.#options.welcome(hello).catch(() => ({ refused: "EDGE_FAILED" }) as const);
    if ("refused" in answer) {
      this.#refuse(answer.refused);
      return;
    }
    this.name = answer.welcome.identifier;
    this.instance = hello.instance;
    this.client = hello.agent;
    await this.#options.announce();
    if (this.#mux.closed) return;
    this.hello = hello;
    this.#mux.send(FrameType.WELCOME, answer.welcome);
    this.#mux.ping();
    this.#options.onOpen();
  }

  #refuse(code: RefusalCode): void {
    this.#mux.send(FrameType.REFUSED, { code, message: this.#options.refusalText(code) });
    this.#mux.end();
    this.#options.connection.end();
  }

  async #answer(payload: Buffer): Promise<void> {
    const call = Call.safeParse(parseJson(payload));
    if (!call.success) {
      this.#options.connection.destroy(new Error("malformed call"));
      return;
    }
    const result = await this.#options.onCall(call.data).catch(() => null);
    this.#mux.send(FrameType.REPLY, { id: call.data.id, result });
  }
}

function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString("utf8"));
  } catch {
    return null;
  }
}
