/** The edge's own answers: a status, a header with the code, and a body that says what it means. */
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { answers, type AnswerCode } from "../errors.ts";

export function answer(response: ServerResponse, code: AnswerCode): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, body, headers } = render(code);
  response.writeHead(status, headers);
  response.end(body);
}

/** For a connection that has no response object: an upgrade, or a request that Node could not parse. */
export function answerRaw(socket: Duplex, code: AnswerCode): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, body, headers } = render(code);
  const lines = Object.entries({ ...headers, Connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${code}\r\n${lines.join("")}\r\n${body}`);
}

function render(code: AnswerCode): { status: number; body: string; headers: Record<string, string | number> } {
  const entry: { status: number; text: string; retryAfter?: number } = answers[code];
  const body = `${entry.text}\n(${code})\n`;
  const headers: Record<string, string | number> = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Airy-Error": code,
  };
  if (entry.retryAfter !== undefined) headers["Retry-After"] = entry.retryAfter;
  return { status: entry.status, body, headers };
}
