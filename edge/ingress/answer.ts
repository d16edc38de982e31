/** The edge's own answers: a status, a header with the code, and a body that says what it means (page.ts). */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { AnswerCode } from "../errors.ts";
import { pageOf } from "./page.ts";

/** For a client to take in the last words; a connection that is cut while it still sends may lose them (RFC 9112 section 9.6). */
const LINGER_MS = 1_000;
/** See {@link answerLate}: how long, and how many at a time. */
const LATE_MS = 500;
const MAX_WAITING = 2_000;
let waiting = 0;
/** For the rest of a body that nobody wants. */
const REST_MS = 30_000;

/** @param id of the request. */
export function answer(response: ServerResponse, code: AnswerCode, id: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, body, headers } = pageOf(code, response.req.headers.accept ?? "", id);
  response.writeHead(status, headers);
  response.end(body);
}

/**
 * Whoever sends more than it may is answered after a moment: an answer at once would be followed by the next request at once, and refusing
 * costs time as well.
 */
export function answerLate(response: ServerResponse, code: AnswerCode, id: string): void {
  if (waiting >= MAX_WAITING) {
    response.destroy();
    return;
  }
  waiting += 1;
  const timer = setTimeout(() => answer(response, code, id), LATE_MS);
  response.once("close", () => {
    clearTimeout(timer);
    waiting -= 1;
  });
}

/** For a connection that has no response object: an upgrade, or a request that Node could not parse. */
export function answerRaw(socket: Duplex, code: AnswerCode): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, body, headers } = pageOf(code, "", null);
  const lines = Object.entries({ ...headers, Connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${code}\r\n${lines.join("")}\r\n${body}`);
  destroySoon(socket);
}

/** After the last words: an HTTP server's sockets stay open for as long as the client keeps its side. */
export function destroySoon(socket: Duplex): void {
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}

/** The answer does not wait for the rest of the body, and nobody else does: it is read so that the connection can be used again. */
export function discardRest(request: IncomingMessage): void {
  request.resume();
  if (request.complete) return;
  const timer = setTimeout(() => request.destroy(), REST_MS);
  timer.unref();
  for (const event of ["end", "close"]) request.once(event, () => clearTimeout(timer));
}
