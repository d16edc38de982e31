/**
 * Whether a request line was as HTTP says, letter for letter. Node's parser takes more than that: several blanks, and `RTSP/1.0` or
 * `ICE/1.0` for `HTTP/1.0`. What it has read cannot be told from its results, so the bytes themselves are looked at.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** Of Node's HTTP parser (src/node_http_parser.cc), what is used: a callback by index, and what is being read while it is called. */
interface Parser {
  [callback: number]: unknown;
  getCurrentBuffer(): Buffer;
  constructor: { kOnMessageBegin: number };
}

type Read = Duplex & { parser?: Parser | null };

/** What was read when the latest request of a connection began: its line is in there, or at least its beginning is. */
const begun = new WeakMap<Duplex, Buffer>();

/** From the beginning of a connection on. */
export function watchRequestLines(socket: Read): void {
  const { parser } = socket;
  if (!parser) return;
  parser[parser.constructor.kOnMessageBegin] = () => begun.set(socket, parser.getCurrentBuffer());
}

/** To be asked while the request's head has just been read. */
export function hasPlainRequestLine({ socket, method, url, httpVersion }: IncomingMessage): boolean {
  const first = begun.get(socket);
  if (!first) return true;
  const line = `${method} ${url} HTTP/${httpVersion}\r\n`;
  if (first.toString("latin1", 0, line.length) === line) return true;
  // Behind another request, or behind empty lines (RFC 9112 section 2.2).
  if (first.indexOf(line, 0, "latin1") >= 0) return true;
  // It goes on in what was read next.
  const text = first.toString("latin1", Math.max(0, first.length - line.length));
  for (let length = Math.min(line.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(line.slice(0, length))) return goesOn(socket, line, length);
  }
  return false;
}

/**
 * Nearly always the rest of the head comes in one piece, and begins with the rest of the line. Of more pieces, the last is what is left.
 */
function goesOn(socket: Read, line: string, length: number): boolean {
  const current = socket.parser?.getCurrentBuffer().toString("latin1");
  if (current === undefined || current.startsWith(line.slice(length))) return true;
  const beforeTarget = length <= line.indexOf(" ") + 1;
  return !(beforeTarget && current.startsWith(" ")) && !/^[^\r]*(?:RTSP|ICE)\/[0-9.]+\r\n/.test(current);
}
