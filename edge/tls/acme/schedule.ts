/** When a certificate is ordered, and when not: renewals, failures, and what the authority and its other customers may expect of us. */
import type { AcmeStore, Ledger } from "./store.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const WEEK = 7 * 24 * HOUR;
/**
 * After a failure of one host: 1, 3, 9, 27 minutes ... 12 hours. Let's Encrypt allows five failed validations of a host an hour.
 * https://letsencrypt.org/docs/rate-limits/
 */
const FIRST_RETRY_MS = MINUTE;
const LAST_RETRY_MS = 12 * HOUR;
/** After a refusal that does not say how long it lasts. */
const PAUSE_MS = HOUR;
/** Of the orders an hour so many are for names that have a certificate: strangers who claim names do not keep it from being renewed. */
const FOR_RENEWALS = 1 / 4;

export interface OrderLimits {
  ordersPerHour: number;
  /** Certificates for names that had none. */
  firstsPerWeek: number;
}

/** At two thirds of the lifetime, some earlier: certificates that were ordered together are not all renewed together. */
export function renewAt({ notBefore, notAfter }: { notBefore: number; notAfter: number }, random = Math.random()): number {
  const lifetime = notAfter - notBefore;
  return notBefore + lifetime * (2 / 3 - random / 30);
}

/** How long a host waits after so many failures in a row. */
export function retryAfter(failures: number, random = Math.random()): number {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 3 ** (failures - 1)) * (0.9 + random / 5);
}

/** What may be ordered, over restarts. */
export class OrderBudget {
  readonly #store: AcmeStore;
  readonly #limits: () => OrderLimits;
  readonly #now: () => number;
  #ledger: Ledger;
  /** Failures of the authority as such, in a row. */
  #failures = 0;

  constructor(store: AcmeStore, limits: () => OrderLimits, now: () => number = () => Date.now()) {
    this.#store = store;
    this.#limits = limits;
    this.#now = now;
    this.#ledger = store.ledger();
  }

  /** 0: now. Otherwise for how many milliseconds nothing is ordered, and why. */
  wait(first: boolean): { ms: number; reason: string; limit?: keyof OrderLimits } {
    const now = this.#now();
    const { ordersPerHour, firstsPerWeek } = this.#limits();
    const orders = this.#ledger.orders.filter((at) => at > now - HOUR && at <= now);
    const firsts = this.#ledger.firsts.filter((at) => at > now - WEEK && at <= now);
    const most = first ? Math.max(1, Math.floor(ordersPerHour * (1 - FOR_RENEWALS))) : ordersPerHour;
    const pause = this.#ledger.pausedUntil - now;
    if (pause > 0) return { ms: pause, reason: "the authority has asked for patience" };
    if (orders.length >= most)
      return { ms: (orders.at(-most) ?? now) + HOUR - now, reason: `${orders.length} orders in an hour`, limit: "ordersPerHour" };
    if (!first || firsts.length < firstsPerWeek) return { ms: 0, reason: "" };
    return {
      ms: (firsts.at(-firstsPerWeek) ?? now) + WEEK - now,
      reason: `${firsts.length} certificates for new names in a week`,
      limit: "firstsPerWeek",
    };
  }

  /** Before an order leaves: a process that is killed has ordered all the same. */
  take(first: boolean): void {
    const now = this.#now();
    const { orders, firsts, pausedUntil } = this.#ledger;
    this.#ledger = {
      orders: [...orders.filter((at) => at > now - HOUR && at <= now), now],
      firsts: [...firsts.filter((at) => at > now - WEEK && at <= now), ...(first ? [now] : [])],
      pausedUntil,
    };
    this.#store.saveLedger(this.#ledger);
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** The authority is away, or does not want more of us. Returns for how long it is left alone. */
  pause(retryAfterMs: number | null): number {
    this.#failures += 1;
    const ms = Math.max(retryAfterMs ?? 0, Math.min(PAUSE_MS, retryAfter(this.#failures)));
    this.#ledger = { ...this.#ledger, pausedUntil: this.#now() + ms };
    this.#store.saveLedger(this.#ledger);
    return ms;
  }
}
