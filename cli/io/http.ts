/**
 * The one way in which HTTP is spoken: probe, registrar, control API, docker's socket, the stand-in's deliveries. Node does not resolve
 * `*.localhost` (RFC 6761 asks resolvers to map it to loopback), and `fetch` drops a custom Host header; `node:http` with its own lookup
 * does neither. Redirects are not followed.
 */
import dns from "node:dns";
import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import net, { type LookupFunction } from "node:net";
import tls from "node:tls";
import { authorization, dialThrough, proxyFor } from "./dial.ts";
import { joinSignals } from "./signals.ts";

export interface HttpRequest {
  method?: string;
  url: string;
  /** A Unix socket or named pipe to connect to, whatever the URL's host. */
  socketPath?: string;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** For the whole exchange, milliseconds; default 10 000. */
  timeoutMs?: number;
  /** Addresses that the URL's name must not lead to; what has none else fails with `code` EADDRNOTAVAIL. */
  refuse?: ((address: string) => boolean) | undefined;
  /** Of the answer's body; default {@link MAX_BYTES}. */
  maxBytes?: number;
  signal?: AbortSignal;
}

export interface HttpResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

export type HttpClient = (request: HttpRequest) => Promise<HttpResponse>;

/** More than anything that we ask for needs. */
const MAX_BYTES = 1_000_000;
/** For an answer of which only the beginning matters. */
export const PROBE_BYTES = 65_536;
const TIMEOUT_MS = 10_000;

/**
 * @param localhost what `*.localhost` names connect to: loopback, or in a container the edge's service name.
 * The returned client rejects with Node's own error (`code` ECONNREFUSED, ENOTFOUND, ETIMEDOUT, ABORT_ERR), or one with `code` EMSGSIZE for
 * a body that is larger than allowed.
 */
export function createHttpClient(localhost = "127.0.0.1"): HttpClient {
  return async (request) => {
    const { timeoutMs = TIMEOUT_MS, signal } = request;
    const late = () => failure("ETIMEDOUT", `no answer from ${new URL(request.url).host} within ${timeoutMs} ms`);
    const given = joinSignals(signal ? [signal] : [], timeoutMs, late);
    try {
      const response = await openHttp({ ...request, signal: given.signal }, localhost);
      const body = await readBody(response, request.maxBytes ?? MAX_BYTES);
      return { status: response.statusCode ?? 0, headers: response.headers, body };
    } catch (error) {
      throw given.signal.aborted && !signal?.aborted ? given.signal.reason : error;
    } finally {
      given.release();
    }
  };
}

/**
 * Resolves with the head of the answer; its body, which may be endless, is the caller's to read or to destroy. Goes through the HTTP proxy
 * of the environment where there is one, but for this machine.
 */
export async function openHttp(
  request: Pick<HttpRequest, "method" | "url" | "socketPath" | "headers" | "refuse" | "signal"> & { body?: HttpRequest["body"] | Readable },
  localhost = "127.0.0.1",
): Promise<http.IncomingMessage> {
  const url = new URL(request.url);
  const { body: given } = request;
  const body = given === undefined || given instanceof Readable ? undefined : Buffer.from(given);
  const headers = { ...request.headers, ...(body && { "content-length": String(body.length) }) };
  const { method = "GET", socketPath, signal } = request;
  const way = socketPath === undefined ? await wayTo(url, localhost, request) : { socketPath, agent: false as const };
  return new Promise((resolve, reject) => {
    const { request: ask } = url.protocol === "https:" ? https : http;
    const asked = ask(url, { method, signal, ...way, headers: { ...headers, ...way.headers } }, resolve)
      .once("error", reject)
      .on("error", () => {});
    if (given instanceof Readable) given.once("error", (error) => asked.destroy(error)).pipe(asked);
    else asked.end(body);
  });
}

async function wayTo(
  url: URL,
  localhost: string,
  { refuse, signal }: Pick<HttpRequest, "refuse" | "signal">,
): Promise<https.RequestOptions> {
  const scheme = url.protocol === "https:" ? "https" : "http";
  const target = { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) || (scheme === "https" ? 443 : 80) };
  // Looked up by whoever connects; an address in the URL is not looked up at all.
  if (net.isIP(target.host) && refuse?.(target.host)) throw failure("EADDRNOTAVAIL", `${target.host} is not asked`);
  const proxy = proxyFor(target, scheme);
  if (!proxy) {
    const lookup: LookupFunction = (hostname, options, callback) => {
      dns.lookup(hostname.endsWith(".localhost") ? localhost : hostname, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, []);
        const allowed = found.filter(({ address }) => !refuse?.(address));
        const [first] = allowed;
        if (!first) return callback(failure("EADDRNOTAVAIL", `${hostname} leads to ${found[0]?.address}, which is not asked`), []);
        return options.all ? callback(null, allowed) : callback(null, first.address, first.family);
      });
    };
    return { lookup, agent: false };
  }
  if (scheme === "http") {
    // RFC 9112, 3.2.2: the whole address on the request line.
    const { hostname, port } = proxy;
    return { hostname, port: port || 80, path: url.href, headers: { host: url.host, ...authorization(proxy) }, agent: false };
  }
  const socket = await dialThrough(proxy, target, signal ?? new AbortController().signal);
  const servername = net.isIP(target.host) ? undefined : target.host;
  return { createConnection: () => tls.connect({ socket, servername }) };
}

/** Rejects with `code` EMSGSIZE, and closes the connection, once the body is larger than `maxBytes`. */
async function readBody(response: http.IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw failure("EMSGSIZE", `the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
