/** The open connections of HTTP/1.1, each with its latest request: those before it are answered first. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ProxiedRequest } from "./proxy.ts";

interface Latest {
  request: IncomingMessage | null;
  response: ServerResponse | null;
  proxied: ProxiedRequest | null;
  /** What comes now may be the rest of a request that was refused, and nobody can say where that ends. */
  spoilt: boolean;
}

export class Connections {
  readonly #latest = new Map<Duplex, Latest>();

  /** False: it is here already. */
  add(socket: Duplex): boolean {
    if (this.#latest.has(socket)) return false;
    this.#latest.set(socket, { request: null, response: null, proxied: null, spoilt: false });
    socket.once("close", () => this.#latest.delete(socket));
    return true;
  }

  of(socket: Duplex): Readonly<Latest> | undefined {
    return this.#latest.get(socket);
  }

  /** A request has begun; false: it is none, because the connection is spoilt. */
  note(request: IncomingMessage, response: ServerResponse): boolean {
    const latest = this.#latest.get(request.socket);
    if (!latest) return true;
    if (latest.spoilt) return false;
    latest.request = request;
    latest.response = response;
    latest.proxied = null;
    return true;
  }

  /** After a request that programs may read differently nothing on its connection is read any more. */
  spoil(request: IncomingMessage, response: ServerResponse): void {
    const latest = this.#latest.get(request.socket);
    if (!latest) return;
    latest.spoilt = true;
    response.setHeader("Connection", "close");
  }

  /** It is on its way through a tunnel. */
  forwarded(request: IncomingMessage, proxied: ProxiedRequest): void {
    const latest = this.#latest.get(request.socket);
    if (latest?.request === request) latest.proxied = proxied;
  }

  /**
   * Whether an earlier request of this connection waits for its answer: anything else that is written would be taken for a part of that.
   */
  isAnswering(socket: Duplex): boolean {
    return this.#latest.get(socket)?.response?.writableFinished === false;
  }
}
