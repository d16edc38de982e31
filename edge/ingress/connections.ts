/** The open connections of HTTP/1.1, each with its latest request: those before it are answered first. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ProxiedRequest } from "./proxy.ts";

interface Latest {
  request: IncomingMessage | null;
  response: ServerResponse | null;
  proxied: ProxiedRequest | null;
}

export class Connections {
  readonly #latest = new Map<Duplex, Latest>();

  /** False: it is here already. */
  add(socket: Duplex): boolean {
    if (this.#latest.has(socket)) return false;
    this.#latest.set(socket, { request: null, response: null, proxied: null });
    socket.once("close", () => this.#latest.delete(socket));
    return true;
  }

  of(socket: Duplex): Readonly<Latest> | undefined {
    return this.#latest.get(socket);
  }

  /** A request has begun. */
  note(request: IncomingMessage, response: ServerResponse): void {
    const latest = this.#latest.get(request.socket);
    if (!latest) return;
    latest.request = request;
    latest.response = response;
    latest.proxied = null;
  }

  /** It is on its way through a tunnel. */
  forwarded(request: IncomingMessage, proxied: ProxiedRequest): void {
    const latest = this.#latest.get(request.socket);
    if (latest?.request === request) latest.proxied = proxied;
  }

  /** Whether an earlier request of this connection waits for its answer: anything else that is written would be taken for a part of that. */
  isAnswering(socket: Duplex): boolean {
    return this.#latest.get(socket)?.response?.writableFinished === false;
  }
}
