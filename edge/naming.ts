/** Under which name a client's tunnel is reached, and how many names it and its network may take. */
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { RefusalCode } from "./errors.ts";
import type { LimitName, Limits } from "./limits.ts";
import { identifierOf } from "./names/identifier.ts";
import type { Names } from "./names/names.ts";
import { Rates } from "./peers/counts.ts";
import { networkOf } from "./peers/network.ts";
import { KeyTunnels } from "./ssh/key-tunnels.ts";
import type { NameRequest } from "./ssh/options.ts";

const HOUR_MS = 60 * 60_000;

type Named = { name: string; leave: () => void } | { refused: RefusalCode };

/**
 * The name that `ssh -R ADDRESS:80:...` asks for; null: none. What clients write there of themselves (nothing, `localhost`, `*`, an IP
 * address) is an address to listen on, of which there is only one here.
 */
export function nameInAddress(address: string, domain: string): string | null {
  const text = address.toLowerCase();
  if (text === "" || text === "localhost" || text === "*" || isIP(text.replace(/^\[(.*)\]$/, "$1")) !== 0) return null;
  return text.endsWith(`.${domain}`) ? text.slice(0, -domain.length - 1) : text;
}

export interface NamingOptions {
  names: Names;
  limits: () => Limits;
  onRefused: (limit: LimitName) => void;
  /** Before a client is told that the name is its own. */
  prepare: (name: string) => Promise<void>;
}

export class Naming {
  readonly #options: NamingOptions;
  readonly #claims = new Rates(HOUR_MS, 1);
  readonly #tunnels = new KeyTunnels();

  constructor(options: NamingOptions) {
    this.#options = options;
  }

  /** Finds or claims the name; durable before it answers. `leave` gives its place among the key's tunnels back. */
  async nameFor({ key, name, ephemeral, address }: NameRequest): Promise<Named> {
    // Never written down, so it is forgotten with the connection.
    if (ephemeral) return this.#enter(key, identifierOf(randomBytes(32)));
    const claim = await this.#options.names.claim(key, name, () => this.#mayClaim(address));
    if (!claim.ok) return { refused: claim.reason };
    const named = this.#enter(key, claim.name);
    await this.#options.prepare(claim.name);
    return named;
  }

  #mayClaim(address: string): boolean {
    const may = this.#claims.take(networkOf(address), this.#options.limits()["claims-per-hour"]);
    if (!may) this.#options.onRefused("claims-per-hour");
    return may;
  }

  #enter(key: Buffer, name: string): Named {
    const leave = this.#tunnels.enter(key, name, this.#options.limits()["tunnels-per-key"]);
    if (leave) return { name, leave };
    this.#options.onRefused("tunnels-per-key");
    return { refused: "TOO_MANY_TUNNELS" };
  }
}
