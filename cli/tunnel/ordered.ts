/** The order in which held webhooks are taken to the local service. */

/** One of them. */
export interface OrderedExchange {
  /** Called once, with whether the local service answered 2xx. */
  onFinished: ((accepted: boolean) => void) | null;
  /** Gives it back to the edge untried. */
  giveBack(): void;
}

interface Ordered {
  exchange: OrderedExchange;
  start: () => void;
  run: number;
}

/**
 * Held webhooks on their way to the local service: one at a time, and none past one that was not accepted. Those that the edge sent before it
 * knew of that one, and that may arrive only now, belong to the same run and are given back as well.
 */
export class OrderedQueue {
  readonly #waiting: Ordered[] = [];
  #busy = false;
  #run = 0;
  /** In this run one was not accepted. */
  #failedRun = -1;

  add(exchange: OrderedExchange, first: boolean, start: () => void): void {
    if (first) this.#run += 1;
    if (this.#run === this.#failedRun) {
      exchange.giveBack();
      return;
    }
    const ordered = { exchange, start, run: this.#run };
    exchange.onFinished = (accepted) => this.#finished(ordered, accepted);
    this.#waiting.push(ordered);
    this.#next();
  }

  #next(): void {
    if (this.#busy) return;
    const first = this.#waiting[0];
    if (!first) return;
    this.#busy = true;
    first.start();
  }

  #finished(ordered: Ordered, accepted: boolean): void {
    const index = this.#waiting.indexOf(ordered);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    // One that was taken back while it waited changes nothing for the one that is under way.
    if (index > 0) return;
    this.#busy = false;
    if (!accepted) this.#fail(ordered.run);
    this.#next();
  }

  #fail(run: number): void {
    this.#failedRun = run;
    const later = this.#waiting.findIndex((ordered) => ordered.run !== run);
    const behind = this.#waiting.splice(0, later < 0 ? this.#waiting.length : later);
    for (const { exchange } of behind) exchange.giveBack();
  }
}
