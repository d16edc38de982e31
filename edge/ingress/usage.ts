/** What each tunnel takes of the edge: places, requests per second, bytes per day, bytes in memory. */
import type { AnswerCode } from "../errors.ts";
import type { LimitName, Limits, Refusals } from "../limits.ts";
import { Places, Rates } from "../peers/counts.ts";
import { networkOf } from "../peers/network.ts";

const MB = 1_000_000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Limits may be read again while the edge runs. */
type CurrentLimits = () => Limits;

/** Of one tunnel, by its name. */
export class TunnelUse {
  readonly places = new Places();
  inFlight = 0;
  /** Today, both ways. */
  bytes = 0;
  /** In memory, for readers that are slow. */
  buffered = 0;
}

/** One request's place. */
export interface Place {
  use: TunnelUse;
  /** Idempotent. */
  leave(): void;
}

export class Usage {
  readonly #limits: CurrentLimits;
  readonly #refusals: Refusals;
  readonly #uses = new Map<string, TunnelUse>();
  readonly #rates = new Rates(1_000, 2);
  #day = 0;

  constructor(limits: CurrentLimits, refusals: Refusals) {
    this.#limits = limits;
    this.#refusals = refusals;
  }

  /** A place for a request of this sender at this tunnel, or the code of the refusal. */
  enter(name: string, address: string): Place | AnswerCode {
    const refused = this.admit(name);
    if (refused) return refused;
    const limits = this.#limits();
    const use = this.of(name);
    if (use.buffered > limits["buffered-megabytes"] * MB) return this.#refuse("buffered-megabytes", "TUNNEL_BUSY");
    if (use.inFlight >= limits["requests-in-flight"]) return this.#refuse("requests-in-flight", "TOO_MANY_REQUESTS");
    const network = networkOf(address);
    if (!use.places.take(network, limits["requests-in-flight-per-network"])) {
      return this.#refuse("requests-in-flight-per-network", "SENDER_BUSY");
    }
    use.inFlight += 1;
    let left = false;
    return {
      use,
      leave: () => {
        if (left) return;
        left = true;
        use.inFlight -= 1;
        use.places.give(network);
      },
    };
  }

  /** The limits that hold for a webhook on a held path as well, which takes no place. Null: it may pass. */
  admit(name: string): AnswerCode | null {
    const limits = this.#limits();
    if (!this.#rates.take(name, limits["requests-per-second"])) return this.#refuse("requests-per-second", "RATE_LIMITED");
    return this.of(name).bytes >= limits["megabytes-per-day"] * MB ? this.#refuse("megabytes-per-day", "BYTES_USED_UP") : null;
  }

  #refuse(limit: LimitName, code: AnswerCode): AnswerCode {
    this.#refusals.add(limit);
    return code;
  }

  of(name: string): TunnelUse {
    const day = Math.floor(Date.now() / DAY_MS);
    if (day !== this.#day) this.#newDay(day);
    let use = this.#uses.get(name);
    if (!use) {
      use = new TunnelUse();
      this.#uses.set(name, use);
    }
    return use;
  }

  #newDay(day: number): void {
    this.#day = day;
    for (const [name, use] of this.#uses) {
      use.bytes = 0;
      if (use.inFlight === 0) this.#uses.delete(name);
    }
  }
}
