/** The stand-in's time: the machine's, unless it is moved forward or sped up to see hours of retries in seconds. */

/** A timer cannot wait longer (2^31-1 ms). */
const LONGEST_MS = 2 ** 31 - 1;

export class Clock {
  readonly #real: () => number;
  #base: number;
  #since: number;
  #rate = 1;
  #wake: ReturnType<typeof setTimeout> | null = null;
  #due: number | null = null;
  #onDue: () => void = () => {};

  /** @param ahead milliseconds that this clock is ahead of the machine's, from an earlier run. */
  constructor(ahead = 0, real: () => number = Date.now) {
    this.#real = real;
    this.#since = real();
    this.#base = this.#since + ahead;
  }

  /** Milliseconds since 1970, whole. */
  now(): number {
    return Math.floor(this.#base + (this.#real() - this.#since) * this.#rate);
  }

  get rate(): number {
    return this.#rate;
  }

  /** Milliseconds ahead of the machine's clock. */
  get ahead(): number {
    return this.now() - this.#real();
  }

  /** Jumps forward; never backward, because what happened stays in order. */
  advance(ms: number): void {
    this.#base += Math.max(0, ms);
    this.#arm();
  }

  /** @param rate 1 is the machine's speed, 60 an hour in a minute. */
  setRate(rate: number): void {
    this.#base = this.now();
    this.#since = this.#real();
    this.#rate = rate;
    this.#arm();
  }

  /** Calls back once at `due` (of this clock), in place of what was asked for before; null: never. */
  wakeAt(due: number | null, onDue: () => void): void {
    this.#due = due;
    this.#onDue = onDue;
    this.#arm();
  }

  stop(): void {
    this.#due = null;
    this.#arm();
  }

  #arm(): void {
    if (this.#wake) clearTimeout(this.#wake);
    this.#wake = null;
    if (this.#due === null) return;
    const wait = Math.max(0, Math.ceil((this.#due - this.now()) / this.#rate));
    this.#wake = setTimeout(() => this.#onTimer(), Math.min(wait, LONGEST_MS));
    this.#wake.unref();
  }

  #onTimer(): void {
    if (this.#due === null) return;
    if (this.now() < this.#due) return this.#arm();
    this.#due = null;
    this.#onDue();
  }
}
