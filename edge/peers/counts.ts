/** How much of something each of many has taken, bounded: who has nothing is forgotten. */

/** Places: taken before anything is awaited, and given back. */
export class Places {
  readonly #taken = new Map<string, number>();

  get size(): number {
    return this.#taken.size;
  }

  take(who: string, limit: number): boolean {
    const count = this.#taken.get(who) ?? 0;
    if (count >= limit) return false;
    this.#taken.set(who, count + 1);
    return true;
  }

  give(who: string): void {
    const left = (this.#taken.get(who) ?? 1) - 1;
    if (left > 0) this.#taken.set(who, left);
    else this.#taken.delete(who);
  }
}

/** Those that are full again are looked for when there are so many. */
const SWEEP_AT = 10_000;

/** Tokens that come back at a steady rate (the generic cell rate algorithm: one time for each is enough). */
export class Rates {
  /** When each has all its tokens again, milliseconds. */
  readonly #fullAt = new Map<string, number>();
  readonly #perMs: number;
  readonly #burst: number;
  #sweepAt = SWEEP_AT;

  /**
   * @param perMs the time to which the counts of {@link take} belong.
   * @param burst how many such times' worth may be taken at once.
   */
  constructor(perMs: number, burst: number) {
    this.#perMs = perMs;
    this.#burst = burst;
  }

  take(who: string, count: number, now = performance.now()): boolean {
    const next = Math.max(now, this.#fullAt.get(who) ?? 0) + this.#perMs / count;
    // What a sum of steps leaves over is no token.
    if (next - now > this.#perMs * (this.#burst + 0.5 / count)) return false;
    this.#fullAt.set(who, next);
    if (this.#fullAt.size >= this.#sweepAt) this.#sweep(now);
    return true;
  }

  /** Nothing was done with the last one. */
  give(who: string, count: number): void {
    const fullAt = this.#fullAt.get(who);
    if (fullAt !== undefined) this.#fullAt.set(who, fullAt - this.#perMs / count);
  }

  #sweep(now: number): void {
    for (const [who, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(who);
    this.#sweepAt = Math.max(SWEEP_AT, 2 * this.#fullAt.size);
  }
}
