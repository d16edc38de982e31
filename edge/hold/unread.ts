/**
 * Answers to held webhooks whose head has come: nobody wants the rest. It is read until it ends, because a service may not like to be cut
 * off, but neither for ever nor of many at a time: one that never ends its answers must not use up the tunnel's streams and its own
 * connections.
 */
import type { Exchange } from "../tunnels/tunnel.ts";
import { ResetCode } from "../wire/frames.ts";

const AT_ONCE = 16;
const LONGEST_MS = 30_000;

export class UnreadAnswers {
  readonly #timers = new Map<Exchange, NodeJS.Timeout>();

  get size(): number {
    return this.#timers.size;
  }

  add(exchange: Exchange): void {
    this.#timers.set(
      exchange,
      setTimeout(() => this.#cut(exchange), LONGEST_MS),
    );
    const [oldest] = this.#timers.keys();
    if (oldest && this.#timers.size > AT_ONCE) this.#cut(oldest);
  }

  /** The answer, or its stream, is over. */
  ended(exchange: Exchange): void {
    clearTimeout(this.#timers.get(exchange));
    this.#timers.delete(exchange);
  }

  close(): void {
    for (const exchange of this.#timers.keys()) this.#cut(exchange);
  }

  #cut(exchange: Exchange): void {
    this.ended(exchange);
    exchange.reset(ResetCode.CANCEL);
  }
}
