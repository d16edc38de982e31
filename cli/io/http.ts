/**
 * The one HTTP client: probe, registrar and the stand-in's deliveries use it. Node does not resolve `*.localhost`
 * (RFC 6761 asks resolvers to map it to loopback), and `fetch` drops a custom Host header; `node:http` with its own lookup does
 * neither. Redirects are not followed.
 */
import dns from "node:dns";
import http from "node:http";
import https from "node:https";
import type { LookupFunction } from "node:net";

interface HttpRequest {
  method?: string;
  url: string;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** For the whole exchange, milliseconds; default 10 000. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface HttpResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

export type HttpClient = (request: HttpRequest) => Promise<HttpResponse>;

/**
 * @param localhost what `*.localhost` names connect to: loopback, or in a container the edge's service name.
 * The returned client rejects with Node's own error (`code` ECONNREFUSED, ENOTFOUND, ETIMEDOUT, ABORT_ERR).
 */
export function createHttpClient(localhost = "127.0.0.1"): HttpClient {
  const lookup: LookupFunction = (hostname, options, callback) => {
    const target = hostname.endsWith(".localhost") ? localhost : hostname;
    dns.lookup(target, options, callback as never);
  };
  return (request) =>
    new Promise((resolve, reject) => {
      const url = new URL(request.url);
      const module = url.protocol === "https:" ? https : http;
      const body = request.body === undefined ? undefined : Buffer.from(request.body);
      const headers: Record<string, string> = { ...request.headers };
      if (body) headers["content-length"] = String(body.length);
      const req = module.request(url, { method: request.method ?? "GET", headers, lookup, agent: false, signal: request.signal });
      const timer = setTimeout(() => {
        req.destroy(Object.assign(new Error(`no answer from ${url.host} within ${request.timeoutMs ?? 10_000} ms`), { code: "ETIMEDOUT" }));
      }, request.timeoutMs ?? 10_000);
      req.on("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      req.on("response", (res) => {
        const chunks: Buffer[] = [];
        res.on("data", (chunk: Buffer) => chunks.push(chunk));
        res.on("error", reject);
        res.on("end", () => {
          clearTimeout(timer);
          resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) });
        });
      });
      req.end(body);
    });
}
