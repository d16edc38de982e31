/** Connections to a local service for undici's pool. */
import net from "node:net";
import type { buildConnector } from "undici";
import type { Target } from "./services.ts";

const CONNECT_TIMEOUT_MS = 5_000;

/** Of undici 7.30 (lib/dispatcher/client-h1.js), what is needed below. */
interface Parser {
  paused: boolean;
  resume(): void;
  onHeadersComplete(status: number, upgrade: boolean, keepAlive: boolean): number;
  /** The state machine in WebAssembly, and where its memory is. */
  llhttp: { llhttp_resume(ptr: unknown): void };
  ptr: unknown;
}

/** Connects with Node's own errors, or with the code UND_ERR_CONNECT_TIMEOUT. */
export function connectorTo({ host, port }: Target): buildConnector.connector {
  return (_options, callback) => {
    const socket = net.connect({ host, port, noDelay: true });
    const patience = setTimeout(() => {
      socket.destroy(Object.assign(new Error("It does not take the connection."), { code: "UND_ERR_CONNECT_TIMEOUT" }));
    }, CONNECT_TIMEOUT_MS);
    const onError = (error: Error): void => {
      clearTimeout(patience);
      callback(error, null);
    };
    socket.once("error", onError);
    socket.once("connect", () => {
      clearTimeout(patience);
      socket.off("error", onError);
      socket.prependListener("end", () => unpause(socket));
      socket.once("readable", () => allowContinue(socket));
      callback(null, socket);
    });
  };
}

/**
 * A service may say "100 Continue" without being asked (RFC 9110 section 15.2). undici takes that for the end of all things; any other
 * interim answer it passes by.
 */
function allowContinue(socket: net.Socket): void {
  const parser = parserOf(socket);
  if (!parser) return;
  const read = parser.onHeadersComplete.bind(parser);
  parser.onHeadersComplete = (status, upgrade, keepAlive) => read(status === 100 ? 102 : status, upgrade, keepAlive);
}

function parserOf(socket: net.Socket): Parser | null | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "parser");
  return key && (socket as unknown as Record<symbol, Parser | null>)[key];
}

/**
 * An answer whose end is that of the connection, read slowly, ends while undici's parser is paused with nothing left to read. undici
 * asserts that this cannot be (`Parser.finish`, 7.30.2), from an event, which would end the process. Nothing more can come, so it may as
 * well go on.
 */
function unpause(socket: net.Socket): void {
  const parser = parserOf(socket);
  if (!parser?.paused) return;
  parser.resume();
  // A body without a length has it ask the reader once more, with nothing, and pause again.
  if (!parser.paused) return;
  parser.llhttp.llhttp_resume(parser.ptr);
  parser.paused = false;
}
