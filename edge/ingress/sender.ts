/** Who sends a request, and under which address it was sent: of what a head claims about that, only a trusted proxy's word counts. */
import { randomFillSync } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { plainAddress } from "../peers/network.ts";
import { addressOf, type Trust } from "../peers/trust.ts";

export interface Sender {
  /** Whom limits and quotas count. */
  address: string;
  proto: "http" | "https";
  /** As the sender has written it, port included. */
  host: string;
  /** `X-Forwarded-For`: the sender, and the trusted proxies on its way to the last one. */
  chain: string;
  /** The request came from a trusted proxy. */
  proxied: boolean;
}

/** @param host of the Host header, which is what requests are routed by in any case. */
export function senderOf(request: IncomingMessage, host: string, trust: Trust): Sender {
  const address = addressOf(request.socket);
  const proto = secureSocketOf(request) ? "https" : "http";
  if (!trust.has(address)) return { address, proto, host, chain: address, proxied: false };
  const fields = new Fields(request.rawHeaders);
  const claimed = chainOf(fields);
  // From the right: a proxy adds the address that it has seen. What is left of the first stranger is that stranger's claim.
  let first = claimed.length - 1;
  while (first > 0 && trust.has(claimed[first] ?? "")) first -= 1;
  const chain = first < 0 ? [address] : claimed.slice(first);
  const by = fields.last("x-forwarded-proto") ?? forwardedParameter(fields, "proto");
  return {
    address: chain[0] ?? address,
    proto: by?.toLowerCase() === "https" ? "https" : by?.toLowerCase() === "http" ? "http" : proto,
    host: hostText(fields.last("x-forwarded-host") ?? forwardedParameter(fields, "host")) ?? host,
    chain: chain.join(", "),
    proxied: true,
  };
}

/** The connection of a request that came by TLS; null: it came without. */
export function secureSocketOf({ socket }: IncomingMessage): TLSSocket | null {
  return (socket as Partial<TLSSocket>).encrypted ? (socket as TLSSocket) : null;
}

/** RFC 7239; an IPv6 address is in brackets, and whatever is no token in quotes. */
export function forwardedField({ address, proto, host }: Sender): string {
  const node = isIP(address) === 6 ? `"[${address}]"` : address;
  const name = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(host) ? host : `"${host}"`;
  return `for=${node};host=${name};proto=${proto}`;
}

class Fields {
  readonly #raw: readonly string[];

  constructor(raw: readonly string[]) {
    this.#raw = raw;
  }

  /** Values of a field that is a list, from all its lines; a comma in quotes does not occur in what is read here. */
  list(name: string): string[] {
    const values: string[] = [];
    for (let i = 0; i + 1 < this.#raw.length; i += 2) {
      if (this.#raw[i]?.toLowerCase() === name) values.push(...(this.#raw[i + 1] ?? "").split(",").map((value) => value.trim()));
    }
    return values.filter((value) => value !== "");
  }

  /** What the nearest proxy has added. */
  last(name: string): string | null {
    return this.list(name).at(-1) ?? null;
  }
}

/** Addresses as they were passed on; what is none ends the chain, because nobody can say who is left of it. */
function chainOf(fields: Fields): string[] {
  const given = fields.list("x-forwarded-for");
  const texts = given.length > 0 ? given : fields.list("forwarded").map((element) => parameterOf(element, "for") ?? "");
  const chain: string[] = [];
  for (const text of texts.toReversed()) {
    const address = plainAddress(
      text
        .replace(/^"(.*)"$/, "$1")
        .replace(/^\[(.*)\](?::\d+)?$/, "$1")
        .replace(/^([\d.]+):\d+$/, "$1"),
    );
    if (isIP(address) === 0) break;
    chain.unshift(address);
  }
  return chain;
}

function forwardedParameter(fields: Fields, name: string): string | null {
  const element = fields.last("forwarded");
  return element === null ? null : parameterOf(element, name);
}

function parameterOf(element: string, name: string): string | null {
  for (const pair of element.split(";")) {
    const [key = "", ...value] = pair.split("=");
    if (key.trim().toLowerCase() === name)
      return value
        .join("=")
        .trim()
        .replace(/^"(.*)"$/, "$1");
  }
  return null;
}

function hostText(text: string | null): string | null {
  return text !== null && /^[A-Za-z0-9.-]+(?::[0-9]{1,5})?$/.test(text) ? text : null;
}

/** Of a sender that numbers its requests itself, the number stays. Anything odd does not, because it ends up in logs and pages. */
const GIVEN_ID = /^[\w.:+/=-]{1,200}$/;
const ID_BYTES = 8;
const pool = Buffer.alloc(ID_BYTES * 512);
let used = pool.length;

/** For `X-Request-Id`: the sender's own, or sixteen hexadecimal digits. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers["x-request-id"];
  if (typeof given === "string" && GIVEN_ID.test(given)) return given;
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += ID_BYTES;
  return pool.toString("hex", used - ID_BYTES, used);
}
