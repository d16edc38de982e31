/** Bodies that hardly move: each keeps a place at its tunnel, and a connection to the local service. */

const LOOK_EVERY_MS = 5_000;
/** A body may pause for so long altogether. */
const WINDOW_MS = 30_000;

export interface Receiving {
  /** Bytes of the body so far. */
  readonly received: number;
  /** The tunnel has no room, so nothing is read; or the answer has begun, and both go on as they like. */
  readonly excused: boolean;
  /** It has been too slow. */
  tooSlow(): void;
}

export class SlowBodies {
  readonly #minRate: () => number;
  readonly #since = new Map<Receiving, { at: number; received: number }>();
  readonly #timer: NodeJS.Timeout;

  /** @param minRate bytes per second. */
  constructor(minRate: () => number) {
    this.#minRate = minRate;
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  add(body: Receiving, now = performance.now()): void {
    this.#since.set(body, { at: now, received: body.received });
  }

  delete(body: Receiving): void {
    this.#since.delete(body);
  }

  look(now = performance.now()): void {
    const needed = (this.#minRate() * WINDOW_MS) / 1_000;
    for (const [body, since] of this.#since) {
      const isFast = body.excused || body.received - since.received >= needed;
      if (isFast) this.#since.set(body, { at: now, received: body.received });
      else if (now - since.at >= WINDOW_MS) body.tooSlow();
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
