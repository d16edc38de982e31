/** The control API of the agent process, on 127.0.0.1 for programs of this user: bearer token from a 0600 file, Host checked. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { StatusData } from "../events.ts";
import { asAiryError, errorBody, fail } from "../errors.ts";
import type { RunningTunnel } from "../tunnel/tunnel.ts";
import { errno } from "../io/files.ts";
import { joinSignals } from "../io/signals.ts";
import requestsPage from "../../templates/requests.html";
import type { Inspector } from "./inspect.ts";
import type { Journal } from "./journal.ts";
import type { Checked } from "./registration.ts";

/** What is asked of the tunnel. */
type Asked = Pick<RunningTunnel, "traffic" | "deadLetters" | "replayDead" | "purgeHeld">;

/** Of a request's edited body. */
const MAX_BODY = 8_000_000;

export interface ControlConfig {
  /** The port of the last time; another one is taken when it is not free. null: any. */
  port: number | null;
  token: string;
  journal: Journal;
  state: () => Promise<StatusData>;
  /** null before there is one. */
  tunnel: () => Asked | null;
  inspector: Inspector;
  /** Looks at webhook and pages, and mends what is ours; null: the start has not come that far. */
  check: (replaceWebhook: boolean) => Promise<Checked | null>;
  /** Called after the answer has been sent. */
  stop: () => void;
}

export interface ControlServer {
  port: number;
  /** Ends event streams once everything was read, then the listener. */
  close(): Promise<void>;
}

/**
 * `GET /` (a page of the requests), `GET /state`, `GET /events?since=N` (NDJSON, stays open), `GET /requests`, `GET /requests/ID`, `POST
 * /requests/ID/replay`, `GET /held/dead`, `POST /held/{replay,purge}`, `POST /webhook/check`, `POST /stop`.
 */
export async function startControl(config: ControlConfig): Promise<ControlServer> {
  const ended = new AbortController();
  const server = http.createServer((req, res) => {
    answer(config, ended.signal, req, res).catch((error: unknown) => {
      if (res.headersSent) res.destroy();
      else send(res, 500, { error: error instanceof Error ? error.message : String(error) });
    });
  });
  await listen(server, config.port ?? 0).catch(async (error: unknown) => {
    if (config.port === null || errno(error) !== "EADDRINUSE") throw error;
    await listen(server, 0);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const force = setTimeout(() => {
        ended.abort();
        server.closeAllConnections();
      }, 1000);
      await closed;
      clearTimeout(force);
    },
  };
}

async function answer(config: ControlConfig, ended: AbortSignal, req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
  // A web page can point a name of its own at 127.0.0.1 (DNS rebinding); its Host gives it away.
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i.test(req.headers.host ?? "")) return send(res, 403, { error: "host" });
  if (`${req.method} ${req.url}` === "GET /") return sendPage(res);
  if (!authorized(req.headers.authorization, config.token)) return send(res, 401, { error: "token" });
  const url = new URL(req.url ?? "/", "http://127.0.0.1");
  switch (`${req.method} ${url.pathname}`) {
    case "GET /state": {
      // Read before the state, so that a follower from here on misses nothing.
      res.setHeader("airy-seq", config.journal.last());
      return send(res, 200, await config.state());
    }
    case "POST /webhook/check": {
      const since = config.journal.last();
      const checked = await config.check(url.searchParams.get("replace") === "true");
      // What was told meanwhile follows `since`.
      return checked ? send(res, 200, { ...checked, since, status: await config.state() }) : send(res, 409, { error: "starting" });
    }
    case "GET /requests":
      return send(res, 200, {
        counters: config.tunnel()?.traffic.counters() ?? null,
        requests: config.tunnel()?.traffic.list() ?? [],
        seq: config.journal.last(),
      });
    case "GET /held/dead":
      return askEdge(config, res, (tunnel) => tunnel.deadLetters());
    case "POST /held/replay":
      return askEdge(config, res, (tunnel) => tunnel.replayDead());
    case "POST /held/purge":
      return askEdge(config, res, (tunnel) => tunnel.purgeHeld());
    case "GET /events": {
      const since = Number(url.searchParams.get("since") ?? 0);
      if (!Number.isSafeInteger(since) || since < 0) return send(res, 400, { error: "since" });
      return stream(config.journal, since, ended, res);
    }
    case "POST /stop":
      res.on("finish", config.stop);
      return send(res, 202, { stopping: true });
    default:
      return answerRequest(config, req, res, url.pathname);
  }
}

/** `GET /requests/ID` and `POST /requests/ID/replay`. */
async function answerRequest(config: ControlConfig, req: http.IncomingMessage, res: http.ServerResponse, path: string): Promise<void> {
  const [, id = "", replay] = /^\/requests\/(\d{1,15})(\/replay)?$/.exec(path) ?? [];
  if (req.method !== (replay ? "POST" : "GET") || id === "") return send(res, 404, { error: "path" });
  try {
    const exchange = config.tunnel()?.traffic.exchange(id) ?? fail("REQUEST_UNKNOWN", { id });
    send(res, 200, replay ? await config.inspector.replay(exchange, await readBody(req)) : config.inspector.show(exchange));
  } catch (error) {
    send(res, 409, { error: errorBody(asAiryError(error)) });
  }
}

/** Throws plain errors. */
async function readBody(req: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error("too large");
    chunks.push(chunk);
  }
  return size === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

/** Without the token there is nothing in it. Everything is inline, and may come from nowhere else. */
function sendPage(res: http.ServerResponse): void {
  const nonce = randomBytes(16).toString("base64");
  res.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  });
  res.end(requestsPage.replaceAll("{{nonce}}", nonce));
}

/** Answers with what the edge says about this tunnel, or 503 with the error. */
async function askEdge(config: ControlConfig, res: http.ServerResponse, ask: (tunnel: Asked) => Promise<unknown>): Promise<void> {
  try {
    const tunnel = config.tunnel() ?? fail("TUNNEL_NOT_OPEN", { edge: "", state: "not started" });
    send(res, 200, { result: await ask(tunnel) });
  } catch (error) {
    send(res, 503, { error: errorBody(asAiryError(error)) });
  }
}

async function stream(journal: Journal, since: number, ended: AbortSignal, res: http.ServerResponse): Promise<void> {
  const gone = new AbortController();
  const either = joinSignals([gone.signal, ended]);
  res.on("close", () => {
    gone.abort();
    either.release();
  });
  res.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store", connection: "close" });
  res.flushHeaders();
  for await (const event of journal.follow(since, either.signal)) {
    if (!res.write(`${JSON.stringify(event)}\n`)) await Promise.race([drained(res), aborted(gone.signal)]);
  }
  res.end();
}

function send(res: http.ServerResponse, status: number, value: unknown): void {
  res.writeHead(status, { "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff" });
  res.end(`${JSON.stringify(value)}\n`);
}

function authorized(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? "");
  const expected = Buffer.from(`Bearer ${token}`);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function drained(res: http.ServerResponse): Promise<void> {
  return new Promise((resolve) => res.once("drain", () => resolve()));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function listen(server: http.Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}
