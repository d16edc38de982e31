/** A STOMP broker for one destination that only the server writes to. */
import { randomUUID } from "node:crypto";
import { encodeFrame, StompDecoder, StompViolation } from "./stomp.ts";
import type { StompFrame } from "./stomp.ts";

/** What the broker needs of a connection. */
interface Peer {
  send(text: string): void;
  /** Bytes handed to `send` that the peer has not taken yet. */
  readonly backlog: number;
  /** Lets what was sent go out, then closes. */
  close(): void;
  /** Cuts the connection. */
  destroy(): void;
}

/** One connection, driven by whoever owns the socket. */
interface Session {
  receive(chunk: Buffer): void;
  /** The socket is gone. */
  closed(): void;
}

export interface Broker {
  open(peer: Peer): Session;
  publish(body: string): void;
}

/** A subscriber that lets this much pile up is cut off; its client reconnects and loads what it missed. */
export const MAX_BACKLOG = 4 * 1024 * 1024;
const HEARTBEAT_MS = 30_000;
const CONNECT_WITHIN_MS = 10_000;
const MAX_SUBSCRIPTIONS = 32;

/** @param destination what clients may subscribe to. */
export function createBroker(destination: string): Broker {
  const sessions = new Set<BrokerSession>();
  return {
    open(peer) {
      const session = new BrokerSession(peer, destination, () => sessions.delete(session));
      sessions.add(session);
      return session;
    },
    publish(body) {
      for (const session of sessions) session.deliver(body);
    },
  };
}

class BrokerSession implements Session {
  readonly #peer: Peer;
  readonly #destination: string;
  readonly #onEnd: () => void;
  readonly #decoder = new StompDecoder();
  readonly #subscriptions = new Set<string>();
  #connected = false;
  #ended = false;
  #outgoing: NodeJS.Timeout | undefined;
  #incoming: NodeJS.Timeout | undefined;
  #sent = 0;

  constructor(peer: Peer, destination: string, onEnd: () => void) {
    this.#peer = peer;
    this.#destination = destination;
    this.#onEnd = onEnd;
    this.#incoming = setTimeout(() => this.#cut(), CONNECT_WITHIN_MS);
  }

  receive(chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#connected) this.#incoming?.refresh();
    try {
      for (const frame of this.#decoder.push(chunk)) {
        this.#handle(frame);
        if (this.#ended) return;
      }
    } catch (error) {
      if (!(error instanceof StompViolation)) throw error;
      this.#refuse(error.message);
    }
  }

  deliver(body: string): void {
    for (const subscription of this.#subscriptions) {
      if (this.#peer.backlog > MAX_BACKLOG) return this.#cut();
      this.#sent += 1;
      const headers = {
        subscription,
        "message-id": String(this.#sent),
        destination: this.#destination,
        "content-type": "application/json",
      };
      this.#peer.send(encodeFrame("MESSAGE", headers, body));
    }
  }

  closed(): void {
    this.#ended = true;
    clearInterval(this.#outgoing);
    clearTimeout(this.#incoming);
    this.#subscriptions.clear();
    this.#onEnd();
  }

  #handle(frame: StompFrame): void {
    const { command, headers } = frame;
    if (command === "CONNECT" || command === "STOMP") return this.#connect(headers);
    if (!this.#connected) throw new StompViolation("the first frame must be CONNECT");
    if (command === "SUBSCRIBE") this.#subscribe(headers);
    else if (command === "UNSUBSCRIBE") this.#subscriptions.delete(headers.get("id") ?? "");
    else if (command === "DISCONNECT") {
      this.#receipt(headers);
      this.closed();
      return this.#peer.close();
    } else if (command !== "ACK" && command !== "NACK") throw new StompViolation(`${command.slice(0, 20)} is not supported here`);
    this.#receipt(headers);
  }

  #connect(headers: Map<string, string>): void {
    if (this.#connected) throw new StompViolation("already connected");
    const offered = (headers.get("accept-version") ?? "1.0").split(",");
    const version = ["1.2", "1.1"].find((candidate) => offered.includes(candidate));
    if (version === undefined) throw new StompViolation("supported protocol versions are 1.2 and 1.1");
    const [sends, wants] = heartbeats(headers.get("heart-beat"));
    this.#connected = true;
    clearTimeout(this.#incoming);
    this.#incoming = undefined;
    // The client gets twice its promised interval, because timers and networks are late. A client that promises nothing is watched by
    // WebSocket pings.
    if (sends > 0) this.#incoming = setTimeout(() => this.#cut(), 2 * Math.max(sends, HEARTBEAT_MS));
    if (wants > 0) this.#outgoing = setInterval(() => this.#beat(), Math.max(wants, HEARTBEAT_MS));
    this.#peer.send(
      encodeFrame("CONNECTED", { version, "heart-beat": `${HEARTBEAT_MS},${HEARTBEAT_MS}`, server: "airy", session: randomUUID() }),
    );
  }

  #subscribe(headers: Map<string, string>): void {
    const id = headers.get("id");
    if (id === undefined) throw new StompViolation("SUBSCRIBE needs an id");
    if (headers.get("destination") !== this.#destination) throw new StompViolation(`the only destination is ${this.#destination}`);
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) throw new StompViolation("too many subscriptions");
    this.#subscriptions.add(id);
  }

  #receipt(headers: Map<string, string>): void {
    const receipt = headers.get("receipt");
    if (receipt !== undefined) this.#peer.send(encodeFrame("RECEIPT", { "receipt-id": receipt }));
  }

  #beat(): void {
    if (this.#peer.backlog > MAX_BACKLOG) return this.#cut();
    this.#peer.send("\n");
  }

  #refuse(message: string): void {
    this.#peer.send(encodeFrame("ERROR", { message }));
    this.closed();
    this.#peer.close();
  }

  #cut(): void {
    this.closed();
    this.#peer.destroy();
  }
}

/** `heart-beat:<sends>,<wants>` in milliseconds; absent means 0,0. */
function heartbeats(header: string | undefined): [number, number] {
  const match = /^(\d{1,9}),(\d{1,9})$/.exec(header ?? "0,0");
  if (!match) throw new StompViolation("malformed heart-beat header");
  return [Number(match[1]), Number(match[2])];
}
