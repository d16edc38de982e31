/** What comes on a connection of HTTP/1.1 and is no ordinary request: upgrades, CONNECT, and what cannot be read at all. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { AnswerCode } from "../errors.ts";
import { answerRaw } from "./answer.ts";
import type { Connections } from "./connections.ts";
import { hasPlainRequestLine } from "./request-line.ts";

/** Connections that are told why they may not stay; more of them at a time are just closed. */
const MAX_TOLD = 256;

export interface UnusualOptions {
  connections: Connections;
  /** Reads requests from a connection, as from one that has just come. */
  serve: (socket: Duplex) => void;
  /** A WebSocket is asked for. */
  upgrade: (request: IncomingMessage, socket: Duplex, first: Buffer) => void;
  onRefused: () => void;
  log: (line: string) => void;
}

export class Unusual {
  readonly #options: UnusualOptions;
  #told = 0;

  constructor(options: UnusualOptions) {
    this.#options = options;
  }

  onUpgrade(request: IncomingMessage, socket: Duplex, first: Buffer): void {
    socket.on("error", () => socket.destroy());
    const { connections } = this.#options;
    if (connections.isAnswering(socket) || connections.of(socket)?.spoilt) {
      socket.destroy();
      return;
    }
    // Told apart now: what is put back has a line of its own.
    if (!hasPlainRequestLine(request)) {
      this.refuse(socket, "BAD_REQUEST");
      return;
    }
    if (request.headers.upgrade?.toLowerCase() !== "websocket") {
      this.#ignoreUpgrade(request, socket, first);
      return;
    }
    try {
      this.#options.upgrade(request, socket, first);
    } catch (error) {
      this.#options.log(`an upgrade could not be handled: ${(error as Error).stack}`);
      socket.destroy();
    }
  }

  onConnect(socket: Duplex): void {
    // Node has taken its own listener away, and an error without one would end the process.
    socket.on("error", () => socket.destroy());
    if (this.#options.connections.isAnswering(socket)) socket.destroy();
    else this.refuse(socket, "BAD_REQUEST");
  }

  /**
   * What cannot be read: a head that has not begun to be a request, or the rest of one that has. Called for every further chunk, too.
   * @param refuseRest answers a request whose head was whole, and whose body is not.
   */
  onClientError(error: NodeJS.ErrnoException, socket: Socket, refuseRest: (code: AnswerCode) => void): void {
    if (error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    const { connections } = this.#options;
    const code = codeOf(error);
    const { request, response, proxied } = connections.of(socket) ?? {};
    if (!request || !response || !connections.isAnswering(socket)) {
      if (!socket.writableEnded) this.refuse(socket, code);
    } else if (!request.complete) {
      // The rest of this very request.
      if (proxied) proxied.abort(code);
      else {
        if (!response.headersSent) response.setHeader("Connection", "close");
        refuseRest(code);
      }
    } else if (response.headersSent) socket.destroy();
    else {
      // The request is whole and may have been carried out: its sender gets its answer, and nothing behind that.
      socket.pause();
      response.once("finish", () => socket.destroySoon());
    }
  }

  /** A network has too many connections. */
  turnAway(socket: Duplex): void {
    socket.on("error", () => socket.destroy());
    if (this.#told >= MAX_TOLD) {
      socket.destroy();
      return;
    }
    this.#told += 1;
    socket.once("close", () => {
      this.#told -= 1;
    });
    this.refuse(socket, "TOO_MANY_CONNECTIONS");
  }

  refuse(socket: Duplex, code: AnswerCode): void {
    this.#options.onRefused();
    answerRaw(socket, code);
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
    this.#options.serve(socket);
  }
}

function codeOf(error: NodeJS.ErrnoException): AnswerCode {
  if (error.code === "HPE_HEADER_OVERFLOW") return "HEADERS_TOO_LARGE";
  return error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? "REQUEST_TIMEOUT" : "BAD_REQUEST";
}
