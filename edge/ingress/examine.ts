/** What a request is for, and whether every program behind the tunnel would read it as we do. */
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import type { AnswerCode } from "../errors.ts";
import type { Trust } from "../peers/trust.ts";
import type { RequestHead } from "../wire/frames.ts";
import { requestHeaders } from "./headers.ts";
import { H2Request } from "./h2.ts";
import { tunnelOf } from "./host.ts";
import { hasPlainRequestLine } from "./request-line.ts";
import { secureSocketOf, senderOf, type Sender } from "./sender.ts";

/** What most servers take, and more than any client sends. */
const MAX_HEADER_LINES = 1_000;

export interface Examination {
  /** Lower-case, without a dot at the end. */
  domain: string;
  nameOfHost: (host: string) => string | null;
  trust: Trust;
  /** The protocol that is asked for, where we agree to that. */
  upgrade: string | null;
  /** Of the request. */
  id: string;
}

export interface Examined {
  name: string;
  head: RequestHead;
  sender: Sender;
}

/** The tunnel's name, the head that goes down it and who has sent it, or the code of the refusal. */
export function examine(
  request: IncomingMessage,
  { domain, nameOfHost, trust, upgrade, id }: Examination,
): Examined | { error: AnswerCode } {
  if (request.rawHeaders.length > 2 * MAX_HEADER_LINES) return { error: "HEADERS_TOO_LARGE" };
  const target = request.url ?? "";
  // A fragment is the browser's own (RFC 9112 section 3.2); programs differ in where a path with one ends.
  if (!target.startsWith("/") || target.includes("#")) return { error: "BAD_TARGET" };
  // It would show what was added on the way, to scripts as well (RFC 9110 section 9.3.8).
  if (request.method === "TRACE") return { error: "METHOD_NOT_ALLOWED" };
  if (!isExpected(request)) return { error: "EXPECTATION_FAILED" };
  const route = tunnelOf(request.rawHeaders, domain, nameOfHost);
  if ("error" in route) return { error: route.error };
  if (isAmbiguous(request)) return { error: "BAD_REQUEST" };
  const secure = secureSocketOf(request);
  if (secure && !isFor(secure, route.host)) return { error: "MISDIRECTED" };
  const sender = senderOf(request, route.host, trust);
  const hasBody = announcesBody(request);
  // RFC 6455 section 4.1. A request with a body could be framed in one way here and in another behind the tunnel.
  if (upgrade !== null && (request.method !== "GET" || hasBody)) return { error: "BAD_REQUEST" };
  const head: RequestHead = {
    method: request.method ?? "GET",
    target,
    headers: requestHeaders(request.rawHeaders, sender, id, upgrade),
    end: upgrade === null && !hasBody,
    upgrade: upgrade !== null,
    ordered: false,
  };
  return { name: route.name, head, sender };
}

/** One expectation is known, and is said once (RFC 9110 section 10.1.1). */
function isExpected({ headers, rawHeaders }: IncomingMessage): boolean {
  if (headers.expect === undefined) return true;
  const lines = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "expect").length;
  return lines === 1 && headers.expect.toLowerCase() === "100-continue";
}

/**
 * A client may use one connection for several hosts where the certificate names them all (RFC 9113 section 9.1.1); any other host was not
 * what it asked for when it opened this one.
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
  // As CGI, WSGI and PHP read them.
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    if (name.includes("_") && /^(content_length|transfer_encoding|host_?)$/i.test(name)) return true;
  }
  if (request instanceof H2Request) return !request.isSayable;
  if ((request.httpVersion !== "1.1" && request.httpVersion !== "1.0") || !hasPlainRequestLine(request)) return true;
  const te = request.headers["transfer-encoding"];
  return te !== undefined && (request.httpVersion === "1.0" || te.toLowerCase() !== "chunked");
}
