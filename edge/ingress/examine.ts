/** What a request is for, and whether every program behind the tunnel would read it as we do. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { AnswerCode } from "../errors.ts";
import { plainAddress } from "../network.ts";
import type { RequestHead } from "../wire/frames.ts";
import { requestHeaders } from "./headers.ts";
import { H2Request } from "./h2.ts";
import { tunnelOf } from "./host.ts";

/** What most servers take, and more than any client sends. */
const MAX_HEADER_LINES = 1_000;

/**
 * The tunnel's name and the head that goes down it, or the code of the refusal.
 * @param domain lower-case, without a dot at the end.
 * @param upgrade the protocol that is asked for, where we agree to that.
 */
export function examine(
  request: IncomingMessage,
  domain: string,
  upgrade: string | null,
): { name: string; head: RequestHead } | { error: AnswerCode } {
  if (request.rawHeaders.length > 2 * MAX_HEADER_LINES) return { error: "HEADERS_TOO_LARGE" };
  const target = request.url ?? "";
  if (!target.startsWith("/")) return { error: "BAD_TARGET" };
  const route = tunnelOf(request.rawHeaders, domain);
  if ("error" in route) return { error: route.error };
  if (isAmbiguous(request)) return { error: "BAD_REQUEST" };
  const secure = secureSocketOf(request);
  if (secure && !isFor(secure, route.host)) return { error: "MISDIRECTED" };
  const peer = { address: plainAddress(request.socket.remoteAddress), proto: secure ? "https" : "http", host: route.host } as const;
  const hasBody = announcesBody(request);
  // RFC 6455 section 4.1. A request with a body could be framed in one way here and in another behind the tunnel.
  if (upgrade !== null && (request.method !== "GET" || hasBody)) return { error: "BAD_REQUEST" };
  const head: RequestHead = {
    method: request.method ?? "GET",
    target,
    headers: requestHeaders(request.rawHeaders, peer, upgrade),
    end: upgrade === null && !hasBody,
    upgrade: upgrade !== null,
    ordered: false,
  };
  return { name: route.name, head };
}

/** The connection of a request that came by TLS; null: it came without. */
export function secureSocketOf({ socket }: IncomingMessage): TLSSocket | null {
  return (socket as Partial<TLSSocket>).encrypted ? (socket as TLSSocket) : null;
}

/**
 * A client may use one connection for several hosts where the certificate names them all (RFC 9113 section 9.1.1); any other host was not what
 * it asked for when it opened this one.
 */
function isFor(socket: TLSSocket, host: string): boolean {
  const name = host.replace(/\.?(?::\d+)?$/, "").toLowerCase();
  const { servername } = socket as TLSSocket & { servername?: string | false };
  if (servername && servername.toLowerCase() === name) return true;
  return socket.getX509Certificate()?.checkHost(name, { subject: "never" }) !== undefined;
}

function announcesBody(request: IncomingMessage | H2Request): boolean {
  if (request instanceof H2Request) return request.hasBody;
  return request.headers["transfer-encoding"] !== undefined || (request.headers["content-length"] ?? "0") !== "0";
}

/** Framing that some origin might read differently than Node did (HTTP request smuggling). */
function isAmbiguous(request: IncomingMessage | H2Request): boolean {
  if (request instanceof H2Request) return !request.isSayable;
  const te = request.headers["transfer-encoding"];
  if (te !== undefined && (request.httpVersion === "1.0" || te.toLowerCase() !== "chunked")) return true;
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    if (name.includes("_") && /^(content_length|transfer_encoding|host_?)$/i.test(name)) return true;
  }
  return false;
}
