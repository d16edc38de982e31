/** The local services behind a tunnel: which one a request is for, under which path, and whether they answer. */
import { Pool } from "undici";
import { ResetCode, type RequestHead } from "../../edge/wire/frames.ts";
import { isRepeatable } from "../../edge/wire/http.ts";
import { decodedPath, isUnder } from "../../edge/wire/paths.ts";
import { connectorTo } from "./service-socket.ts";

/** Connections to a local service: as many as the edge has requests in flight, since each may be an endless stream of events. */
const MAX_CONNECTIONS = 1024;
/** How long the local service may take for the head of its answer. The body may take as long as it likes (server-sent events). */
const HEAD_TIMEOUT_MS = 300_000;

/** Of an answer. As many as the edge takes of a request, and what Node's parser counts beside them. */
const MAX_HEAD_BYTES = 33 * 1024;

export interface Target {
  host: string;
  port: number;
}

export interface Route {
  /** Public paths that begin with this go to the target; `/` covers everything. The longest one counts. */
  prefix: string;
  target: Target;
  /** What the local service gets in place of the prefix; null: paths stay as they are. */
  path: string | null;
}

/** A local service does not take connections, or does again. Said once each time. */
export interface ServiceChange {
  /** `http://localhost:3000` */
  url: string;
  up: boolean;
  /** Of Node, where it is down. */
  reason: string;
}

export interface ServicesConfig {
  routes: readonly Route[];
  /** Value of the Host header at the local service; `rewrite`: its own address; null: as it came. */
  hostHeader: string | null;
  onChange: (change: ServiceChange) => void;
  /** The head of an answer has come. */
  onAnswer: () => void;
}

/** A request on its way to one service. */
export interface Destination {
  pool: Pool;
  target: string;
  headers: string[];
  /** The service has answered. */
  answered(): void;
  /** It has not. */
  failed(error: Error): void;
}

interface Service {
  url: string;
  pool: Pool;
  down: boolean;
}

export class Services {
  readonly #routes: readonly (Route & { service: Service })[];
  readonly #services = new Map<string, Service>();
  readonly #config: ServicesConfig;

  constructor(config: ServicesConfig) {
    this.#config = config;
    this.#routes = config.routes
      .map((route) => ({ ...route, service: this.#serviceAt(route.target) }))
      .toSorted((a, b) => b.prefix.length - a.prefix.length);
  }

  /** `hidden`: no service is public there. `malformed`: programs might read the path differently, and it decides. */
  find(head: Pick<RequestHead, "target" | "headers">): Destination | "hidden" | "malformed" {
    const [first] = this.#routes;
    const only = this.#routes.length === 1 && first?.prefix === "/" && first.path === null ? first : null;
    if (only) return this.#destination(only.service, head.target, head.headers);
    const path = decodedPath(head.target);
    if (path === null) return "malformed";
    const route = this.#routes.find(({ prefix }) => isUnder(path, prefix));
    return route ? this.#destination(route.service, rewritten(head.target, route), head.headers) : "hidden";
  }

  async close(): Promise<void> {
    await Promise.all([...this.#services.values()].map(({ pool }) => pool.destroy()));
  }

  #serviceAt(target: Target): Service {
    const url = urlOf(target);
    const known = this.#services.get(url);
    if (known) return known;
    const pool = new Pool(url, {
      connections: MAX_CONNECTIONS,
      pipelining: 1,
      headersTimeout: HEAD_TIMEOUT_MS,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEAD_BYTES,
      connect: connectorTo(target),
    });
    const made = { url, pool, down: false };
    this.#services.set(url, made);
    return made;
  }

  #destination(service: Service, target: string, headers: string[]): Destination {
    const { hostHeader, onChange, onAnswer } = this.#config;
    const host = hostHeader === "rewrite" ? service.url.slice("http://".length) : hostHeader;
    const turn = (up: boolean, reason: string): void => {
      if (service.down === !up) return;
      service.down = !up;
      onChange({ url: service.url, up, reason });
    };
    return {
      pool: service.pool,
      target,
      headers: host === null ? headers : withHost(headers, host),
      answered: () => {
        turn(true, "");
        onAnswer();
      },
      failed: (error) => {
        if (resetCodeOf(error) === ResetCode.REFUSED) turn(false, reasonOf(error));
      },
    };
  }
}

export function urlOf({ host, port }: Target): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Cuts as many segments as the prefix has: it was found in the decoded path, and a segment of the raw one may be encoded otherwise. */
function rewritten(target: string, { prefix, path }: Route): string {
  if (path === null) return target;
  const [raw = "", ...query] = target.split("?");
  const depth = prefix.split("/").filter(Boolean).length;
  const rest = raw.split("/").slice(depth + 1);
  const base = path.replace(/\/+$/, "");
  const tail = rest.length === 0 ? "" : `/${rest.join("/")}`;
  return [base === "" && tail === "" ? "/" : tail === "/" && base !== "" && depth === 0 ? base : `${base}${tail}`, ...query].join("?");
}

function withHost(headers: readonly string[], host: string): string[] {
  return headers.map((part, i) => (i % 2 === 1 && /^host$/i.test(headers[i - 1] ?? "") ? host : part));
}

function reasonOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

/** undici does not send everything that HTTP allows (`OPTIONS *`, `Expect`); it says so before it connects. */
export function isUnsendable(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED";
}

export function maySendAgain({ end, upgrade, method }: RequestHead): boolean {
  return end && !upgrade && isRepeatable(method);
}

/** The connection ended before there was an answer. */
export function isCutOff(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}

export function resetCodeOf(error: Error): ResetCode {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED" || code === "UND_ERR_CONNECT_TIMEOUT" || code === "ENOTFOUND" || code === "EHOSTUNREACH")
    return ResetCode.REFUSED;
  if (code === "UND_ERR_HEADERS_TIMEOUT") return ResetCode.TIMEOUT;
  // Both address families refused (Node's happy eyeballs).
  if (error instanceof AggregateError && error.errors.every((one) => (one as NodeJS.ErrnoException).code === "ECONNREFUSED"))
    return ResetCode.REFUSED;
  return ResetCode.FAILED;
}
