/** The public HTTP listener: finds the tunnel by Host and sends the request down it. */
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Duplex } from "node:stream";
import { EdgeError, type AnswerCode } from "../errors.ts";
import type { Hold } from "../hold/hold.ts";
import type { Names } from "../names/names.ts";
import { plainAddress } from "../network.ts";
import type { Presence } from "../tunnels/presence.ts";
import type { RequestHead } from "../wire/frames.ts";
import { answer, answerRaw, discardRest } from "./answer.ts";
import { BodyBudget } from "./bodies.ts";
import { examine } from "./examine.ts";
import { createH2Server, type H2Server } from "./h2.ts";
import { HeldRequest } from "./held-request.ts";
import { ProxiedRequest, type ProxyOptions } from "./proxy.ts";
import type { Limits } from "../limits.ts";
import { answerChallenge, sendToSecure } from "./redirect.ts";
import { UpgradedConnection } from "./upgrade.ts";

/** Bodies of held requests in memory, of all tunnels together. */
const BODY_BYTES = 64 * 1024 * 1024;

export interface IngressOptions {
  host: string;
  port: number;
  domain: string;
  presence: Presence;
  names: Pick<Names, "isKnown">;
  hold: Hold;
  /** How long a request waits for a tunnel that is between two connections. */
  gapMs: number;
  limits: () => Limits;
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

/** The last request of a connection; those before it are answered first. */
interface Latest {
  request: IncomingMessage | null;
  response: ServerResponse | null;
  proxied: ProxiedRequest | null;
}

class Ingress implements RunningIngress {
  readonly counters = { requests: 0, refused: 0 };
  readonly #options: IngressOptions;
  readonly #bodies = new BodyBudget(BODY_BYTES);
  readonly #server: http.Server;
  readonly #h2: H2Server;
  /** Of every open connection. */
  readonly #latest = new Map<Duplex, Latest>();
  #inFlight = 0;
  #stopping = false;

  constructor(options: IngressOptions) {
    this.#options = options;
    this.#server = http.createServer({
      headersTimeout: 10_000,
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
    this.#server.on("connection", (socket) => this.#onConnection(socket));
    this.#server.on("request", (request, response) => this.#onRequest(request, response));
    this.#h2 = createH2Server((request, response) => this.#onRequest(request, response));
    this.#server.on("upgrade", (request, socket, first) => this.#onUpgrade(request, socket, first));
    this.#server.on("connect", (_request, socket) => this.#onConnect(socket));
    this.#server.on("clientError", (error, socket) => this.#onClientError(error, socket as Socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<void> {
    const { host, port, log } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", ({ code }: NodeJS.ErrnoException) =>
        reject(new EdgeError("EDGE_ADDRESS", `http ${host}:${port}: ${code}`)),
      );
      this.#server.listen(port, host, () => resolve());
    });
    this.#server.on("error", (error) => log(`http listener: ${error.message}`));
  }

  accept(socket: TLSSocket): void {
    if (socket.alpnProtocol === "h2") this.#h2.accept(socket);
    else this.#server.emit("connection", socket);
  }

  inFlight(): number {
    return this.#inFlight;
  }

  stopAccepting(): void {
    this.#stopping = true;
    this.#server.close();
    this.#server.closeIdleConnections();
    this.#h2.stopAccepting();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#h2.close();
  }

  // ------------------------------------------------------------------ requests

  #onConnection(socket: Socket): void {
    if (this.#latest.has(socket)) return; // put back by ignoreUpgrade
    this.#latest.set(socket, { request: null, response: null, proxied: null });
    socket.once("close", () => this.#latest.delete(socket));
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.counters.requests += 1;
    const latest = this.#latest.get(request.socket);
    if (latest) {
      latest.request = request;
      latest.response = response;
      latest.proxied = null;
    }
    try {
      this.#take(request, response);
    } catch (error) {
      // A mistake of ours with one request is not the end of everybody else's.
      this.#options.log(`a request could not be handled: ${(error as Error).stack}`);
      this.#refuse(request, response, "SERVICE_FAILED");
    }
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    if (this.#stopping) response.setHeader("Connection", "close");
    const { domain, hold, log } = this.#options;
    if (answerChallenge(request, response, this.#options.challengeAnswer)) return;
    const examined = examine(request, domain, null);
    if ("error" in examined) {
      this.#refuse(request, response, examined.error);
      return;
    }
    const { name, head } = examined;
    if (sendToSecure(request, response, this.#options.secureUrlOf)) return;
    if (!hold.wants(name, request)) {
      this.#forward(name, head, request, response);
      return;
    }
    this.#inFlight += 1;
    void new HeldRequest(request, response, head, {
      hold: hold.contextOf(name),
      name,
      address: plainAddress(request.socket.remoteAddress),
      bodies: this.#bodies,
      onTooLarge: (early) => this.#forward(name, head, request, response, early),
      onDone: () => {
        this.#inFlight -= 1;
      },
      log,
    });
  }

  /** Sends a request down the tunnel, or says why not. */
  #forward(name: string, head: RequestHead, request: IncomingMessage, response: ServerResponse, early?: ProxyOptions["early"]): void {
    const { presence, names } = this.#options;
    const refuse = (code: AnswerCode) => {
      early?.release();
      this.#refuse(request, response, code);
    };
    const proxied = () => this.#proxy(name, head, request, response, early);
    const tunnel = presence.get(name);
    if (tunnel) {
      if (tunnel.inFlight >= this.#options.limits()["requests-in-flight"]) refuse("TOO_MANY_REQUESTS");
      else proxied().forward(tunnel);
      return;
    }
    const wait = (known: boolean) => {
      if (response.closed) early?.release();
      else if (!known) refuse("TUNNEL_NOT_FOUND");
      else if (!presence.mayReturn(name)) refuse("TUNNEL_OFFLINE");
      else proxied().waitForTunnel(null);
    };
    const known = names.isKnown(name);
    // What is known here is answered in this turn.
    if (typeof known === "boolean") wait(known);
    else known.then(wait, () => refuse("TUNNEL_OFFLINE"));
  }

  #proxy(
    name: string,
    head: RequestHead,
    request: IncomingMessage,
    response: ServerResponse,
    early: ProxyOptions["early"] | undefined,
  ): ProxiedRequest {
    const { presence, gapMs } = this.#options;
    this.#inFlight += 1;
    const proxied = new ProxiedRequest(request, response, head, {
      wait: (lost, done) => presence.wait(name, lost, gapMs, done),
      onDone: () => {
        this.#inFlight -= 1;
      },
      ...(early ? { early } : {}),
    });
    const latest = this.#latest.get(request.socket);
    if (latest?.request === request) latest.proxied = proxied;
    return proxied;
  }

  #refuse(request: IncomingMessage, response: ServerResponse, code: AnswerCode): void {
    this.counters.refused += 1;
    answer(response, code);
    discardRest(request);
  }

  // ------------------------------------------------------------------ what is no ordinary request

  #onUpgrade(request: IncomingMessage, socket: Duplex, first: Buffer): void {
    socket.on("error", () => socket.destroy());
    if (this.#isAnswering(socket)) {
      socket.destroy();
      return;
    }
    if (request.headers.upgrade?.toLowerCase() !== "websocket") {
      this.#ignoreUpgrade(request, socket, first);
      return;
    }
    this.counters.requests += 1;
    try {
      this.#upgrade(request, socket, first);
    } catch (error) {
      this.#options.log(`an upgrade could not be handled: ${(error as Error).stack}`);
      socket.destroy();
    }
  }

  /**
   * Whether an earlier request of this connection waits for its answer: anything else that is written would be taken for a part of that.
   */
  #isAnswering(socket: Duplex): boolean {
    return this.#latest.get(socket)?.response?.writableFinished === false;
  }

  /**
   * A server may ignore Upgrade (RFC 9110 section 7.8): `h2c`, which curl and Java's HttpClient offer, would carry requests past every
   * check. Node has taken the connection out of HTTP by now; it is put back, and the request read again without that field.
   */
  #ignoreUpgrade(request: IncomingMessage, socket: Duplex, first: Buffer): void {
    const { method, url, httpVersion, rawHeaders } = request;
    let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      if (rawHeaders[i]?.toLowerCase() !== "upgrade") head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
    }
    socket.unshift(Buffer.concat([Buffer.from(`${head}\r\n`, "latin1"), first]));
    this.#server.emit("connection", socket);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, first: Buffer): void {
    const { domain, presence, names } = this.#options;
    const examined = examine(request, domain, request.headers.upgrade ?? "");
    if ("error" in examined) {
      this.#refuseSocket(socket, examined.error);
      return;
    }
    const tunnel = presence.get(examined.name);
    if (!tunnel) {
      void Promise.resolve(names.isKnown(examined.name)).then(
        (known) => this.#refuseSocket(socket, known ? "TUNNEL_OFFLINE" : "TUNNEL_NOT_FOUND"),
        () => this.#refuseSocket(socket, "TUNNEL_OFFLINE"),
      );
    } else if (tunnel.inFlight >= this.#options.limits()["requests-in-flight"]) this.#refuseSocket(socket, "TOO_MANY_REQUESTS");
    else {
      this.#inFlight += 1;
      socket.once("close", () => {
        this.#inFlight -= 1;
      });
      new UpgradedConnection(socket, first, examined.head).forward(tunnel);
    }
  }

  #onConnect(socket: Duplex): void {
    // Node has taken its own listener away, and an error without one would end the process.
    socket.on("error", () => socket.destroy());
    if (this.#isAnswering(socket)) socket.destroy();
    else this.#refuseSocket(socket, "BAD_REQUEST");
  }

  /** What cannot be read: a head that has not begun to be a request, or the rest of one that has. Called for every further chunk, too. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const code = codeOf(error);
    const { request, response, proxied } = this.#latest.get(socket) ?? {};
    if (!request || !response || !this.#isAnswering(socket)) {
      if (!socket.writableEnded) this.#refuseSocket(socket, code);
    } else if (!request.complete) {
      // The rest of this very request.
      if (proxied) proxied.abort(code);
      else this.#refuseRest(request, response, code);
    } else if (response.headersSent) socket.destroy();
    else {
      // The request is whole and may have been carried out: its sender gets its answer, and nothing behind that.
      socket.pause();
      response.once("finish", () => socket.destroySoon());
    }
  }

  #refuseRest(request: IncomingMessage, response: ServerResponse, code: AnswerCode): void {
    if (!response.headersSent) response.setHeader("Connection", "close");
    this.#refuse(request, response, code);
  }

  #refuseSocket(socket: Duplex, code: AnswerCode): void {
    this.counters.refused += 1;
    answerRaw(socket, code);
  }
}

function codeOf(error: NodeJS.ErrnoException): AnswerCode {
  if (error.code === "HPE_HEADER_OVERFLOW") return "HEADERS_TOO_LARGE";
  return error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? "REQUEST_TIMEOUT" : "BAD_REQUEST";
}
