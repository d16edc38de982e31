/** The public HTTP listener: finds the tunnel by Host and sends the request down it. */
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { answers, EdgeError, type AnswerCode } from "../errors.ts";
import type { Hold } from "../hold/hold.ts";
import type { Limits, Refusals } from "../limits.ts";
import type { Names } from "../names/names.ts";
import type { Door } from "../peers/door.ts";
import { unwrapProxied } from "../peers/proxy-protocol.ts";
import type { Trust } from "../peers/trust.ts";
import type { Presence } from "../tunnels/presence.ts";
import type { Tunnel } from "../tunnels/tunnel.ts";
import { answer, answerLate, discardRest } from "./answer.ts";
import { BodyBudget } from "./bodies.ts";
import { Connections } from "./connections.ts";
import { examine, type Examined } from "./examine.ts";
import { createH2Server, type H2Server } from "./h2.ts";
import { HeldRequest } from "./held-request.ts";
import { ProxiedRequest, type ProxyOptions } from "./proxy.ts";
import { answerChallenge, sendToSecure } from "./redirect.ts";
import { watchRequestLines } from "./request-line.ts";
import { requestIdOf } from "./sender.ts";
import { SlowBodies } from "./slow-bodies.ts";
import { Unusual } from "./unusual.ts";
import { UpgradedConnection } from "./upgrade.ts";
import { Usage, type Place } from "./usage.ts";

/** Bodies of held requests in memory, of all tunnels together. */
const BODY_BYTES = 64 * 1024 * 1024;

export interface IngressOptions {
  host: string;
  port: number;
  domain: string;
  nameOfHost: (host: string) => string | null;
  presence: Presence;
  names: Pick<Names, "isKnown">;
  hold: Hold;
  door: Door;
  trust: Trust;
  limits: () => Limits;
  refusals: Refusals;
  /** How long a request waits for a tunnel that is between two connections. */
  gapMs: number;
  /** See redirect.ts. */
  secureUrlOf: (host: string) => string | null;
  challengeAnswer: (host: string, target: string) => string | null;
  log: (line: string) => void;
}

export interface RunningIngress {
  port: number;
  /** A connection by TLS whose handshake is over. */
  accept(socket: TLSSocket): void;
  counters: { requests: number; refused: number };
  inFlight(): number;
  /** Limits have changed. */
  reload(): void;
  /** Stops accepting; requests in flight go on. */
  stopAccepting(): void;
  close(): void;
}

/** Throws EDGE_ADDRESS. */
export async function startIngress(options: IngressOptions): Promise<RunningIngress> {
  const ingress = new Ingress(options);
  await ingress.listen();
  return ingress;
}

/** A request that has been examined. */
interface Asked extends Examined {
  request: IncomingMessage;
  response: ServerResponse;
  id: string;
}

class Ingress implements RunningIngress {
  readonly counters = { requests: 0, refused: 0 };
  readonly #options: IngressOptions;
  readonly #bodies = new BodyBudget(BODY_BYTES);
  readonly #slow: SlowBodies;
  readonly #usage: Usage;
  readonly #connections = new Connections();
  readonly #unusual: Unusual;
  readonly #server: http.Server;
  /** Node's own listener: reads requests from a connection. */
  readonly #read: (socket: Duplex) => void;
  readonly #h2: H2Server;
  readonly #upgraded = new Set<UpgradedConnection>();
  #inFlight = 0;
  #stopping = false;

  constructor(options: IngressOptions) {
    this.#options = options;
    this.#slow = new SlowBodies(() => options.limits()["body-bytes-per-second"]);
    this.#usage = new Usage(options.limits, options.refusals);
    this.#server = http.createServer({
      headersTimeout: options.limits()["header-seconds"] * 1_000,
      requestTimeout: 0,
      keepAliveTimeout: 75_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 32 * 1024,
      noDelay: true,
      // Checked in examine.ts, with an answer that has a code.
      requireHostHeader: false,
    });
    // Bounded by the size of the head, and in examine.ts: what exceeds a number given here, Node leaves out without a word.
    this.#server.maxHeadersCount = 0;
    const [read] = this.#server.listeners("connection") as ((socket: Duplex) => void)[];
    this.#read = (socket) => read?.call(this.#server, socket);
    this.#server.removeAllListeners("connection");
    this.#server.on("connection", (socket) => unwrapProxied(socket, options.trust, (unwrapped) => this.#onSocket(unwrapped)));
    const onRequest = (request: IncomingMessage, response: ServerResponse) => this.#onRequest(request, response);
    // With these, Node neither says "100 Continue" before anybody has looked at the request, nor answers itself what it does not expect.
    for (const event of ["request", "checkContinue", "checkExpectation"]) this.#server.on(event, onRequest);
    this.#h2 = createH2Server(onRequest);
    this.#unusual = new Unusual({
      connections: this.#connections,
      serve: (socket) => this.#serve(socket),
      upgrade: (request, socket, first) => this.#upgrade(request, socket, first),
      onRefused: () => {
        this.counters.refused += 1;
      },
      log: options.log,
    });
    this.#server.on("upgrade", (request, socket, first) => this.#unusual.onUpgrade(request, socket, first));
    this.#server.on("connect", (_request, socket) => this.#unusual.onConnect(socket));
    this.#server.on("clientError", (error, socket) => this.#onClientError(error, socket as Socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    const { host, port, log } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        reject(new EdgeError("EDGE_ADDRESS", `http ${host}:${port}: ${error.code}`));
      });
      this.#server.listen(port, host, () => resolve());
    });
    this.#server.on("error", (error) => log(`http listener: ${error.message}`));
  }

  accept(socket: TLSSocket): void {
    if (socket.alpnProtocol === "h2") this.#h2.accept(socket);
    else this.#serve(socket);
  }

  inFlight(): number {
    return this.#inFlight;
  }

  reload(): void {
    this.#server.headersTimeout = this.#options.limits()["header-seconds"] * 1_000;
  }

  stopAccepting(): void {
    this.#stopping = true;
    this.#server.close();
    this.#server.closeIdleConnections();
    this.#h2.stopAccepting();
    for (const upgraded of this.#upgraded) upgraded.leave();
  }

  close(): void {
    this.#slow.close();
    this.#server.close();
    this.#server.closeAllConnections();
    this.#h2.close();
  }

  // ------------------------------------------------------------------ connections

  #onSocket(socket: Socket): void {
    if (this.#options.door.enter(socket)) this.#serve(socket);
    else this.#unusual.turnAway(socket);
  }

  #serve(socket: Duplex): void {
    this.#connections.add(socket);
    this.#read(socket);
    watchRequestLines(socket);
  }

  // ------------------------------------------------------------------ requests

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.counters.requests += 1;
    if (!this.#connections.note(request, response)) return;
    const id = requestIdOf(request);
    try {
      this.#take(request, response, id);
    } catch (error) {
      // A mistake of ours with one request is not the end of everybody else's.
      this.#options.log(`a request could not be handled: ${(error as Error).stack}`);
      this.#refuse(request, response, id, "SERVICE_FAILED");
    }
  }

  #take(request: IncomingMessage, response: ServerResponse, id: string): void {
    if (this.#stopping) response.setHeader("Connection", "close");
    const { domain, nameOfHost, hold, trust } = this.#options;
    if (answerChallenge(request, response, this.#options.challengeAnswer)) return;
    const examined = examine(request, { domain, nameOfHost, trust, upgrade: null, id });
    if ("error" in examined) {
      this.#refuse(request, response, id, examined.error);
      return;
    }
    const asked: Asked = { ...examined, request, response, id };
    if (sendToSecure(request, response, examined.sender, this.#options.secureUrlOf)) return;
    if (hold.wants(examined.name, request)) this.#hold(asked);
    else this.#forward(asked);
  }

  #hold(asked: Asked): void {
    const { request, response, name, head, sender, id } = asked;
    const { hold, log } = this.#options;
    const refused = this.#usage.admit(name);
    if (refused) {
      this.#refuse(request, response, id, refused);
      return;
    }
    if (request.headers.expect !== undefined) response.writeContinue();
    this.#inFlight += 1;
    void new HeldRequest(request, response, head, {
      hold: hold.contextOf(name),
      name,
      id,
      use: this.#usage.of(name),
      address: sender.address,
      bodies: this.#bodies,
      onTooLarge: (early) => this.#forward(asked, early),
      onDone: () => {
        this.#inFlight -= 1;
      },
      log,
    });
  }

  /** Sends a request down the tunnel, or says why not. */
  #forward(asked: Asked, early?: ProxyOptions["early"]): void {
    const { presence, names } = this.#options;
    const { name } = asked;
    const refuse = (code: AnswerCode) => {
      early?.release();
      this.#refuse(asked.request, asked.response, asked.id, code);
    };
    const enter = (use: (proxied: ProxiedRequest) => void) => {
      const place = this.#usage.enter(name, asked.sender.address);
      if (typeof place === "string") refuse(place);
      else use(this.#proxy(asked, place, early));
    };
    const tunnel = presence.get(name);
    if (tunnel) {
      enter((proxied) => proxied.forward(tunnel));
      return;
    }
    const wait = (known: boolean) => {
      if (asked.response.closed) early?.release();
      else if (!known) refuse("TUNNEL_NOT_FOUND");
      else if (!presence.mayReturn(name)) refuse("TUNNEL_OFFLINE");
      else enter((proxied) => proxied.waitForTunnel(null));
    };
    const known = presence.mayReturn(name) || names.isKnown(name);
    // What is known here is answered in this turn.
    if (typeof known === "boolean") wait(known);
    else known.then(wait, () => refuse("TUNNEL_OFFLINE"));
  }

  #proxy({ request, response, name, head, id }: Asked, place: Place, early: ProxyOptions["early"] | undefined): ProxiedRequest {
    const { presence, gapMs } = this.#options;
    this.#inFlight += 1;
    if (request.headers.expect !== undefined && !early) response.writeContinue();
    const proxied = new ProxiedRequest(request, response, head, {
      wait: (lost, done) => presence.wait(name, lost, gapMs, done),
      onDone: () => {
        this.#inFlight -= 1;
      },
      id,
      place,
      bodies: this.#slow,
      ...(early ? { early } : {}),
    });
    this.#connections.forwarded(request, proxied);
    return proxied;
  }

  #refuse(request: IncomingMessage, response: ServerResponse, id: string, code: AnswerCode): void {
    this.counters.refused += 1;
    if (answers[code].status === 400 && !response.headersSent) this.#connections.spoil(request, response);
    (code === "RATE_LIMITED" ? answerLate : answer)(response, code, id);
    discardRest(request);
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    this.#unusual.onClientError(error, socket, (code) => {
      const { request, response } = this.#connections.of(socket) ?? {};
      if (request && response) this.#refuse(request, response, requestIdOf(request), code);
    });
  }

  // ------------------------------------------------------------------ WebSockets

  #upgrade(request: IncomingMessage, socket: Duplex, first: Buffer): void {
    this.counters.requests += 1;
    const { domain, nameOfHost, presence, names, trust } = this.#options;
    const id = requestIdOf(request);
    const examined = examine(request, { domain, nameOfHost, trust, upgrade: request.headers.upgrade ?? "", id });
    if ("error" in examined) {
      this.#unusual.refuse(socket, examined.error);
      return;
    }
    const tunnel = presence.get(examined.name);
    if (tunnel) {
      this.#connect(tunnel, examined, socket, first, id);
      return;
    }
    void Promise.resolve(names.isKnown(examined.name)).then(
      (known) => this.#unusual.refuse(socket, known ? "TUNNEL_OFFLINE" : "TUNNEL_NOT_FOUND"),
      () => this.#unusual.refuse(socket, "TUNNEL_OFFLINE"),
    );
  }

  #connect(tunnel: Tunnel, { name, head, sender }: Examined, socket: Duplex, first: Buffer, id: string): void {
    const place = this.#usage.enter(name, sender.address);
    if (typeof place === "string") {
      this.#unusual.refuse(socket, place);
      return;
    }
    this.#inFlight += 1;
    socket.once("close", () => {
      this.#inFlight -= 1;
    });
    const upgraded = new UpgradedConnection(socket, first, { head, id, place });
    this.#upgraded.add(upgraded);
    socket.once("close", () => this.#upgraded.delete(upgraded));
    upgraded.forward(tunnel);
  }
}
