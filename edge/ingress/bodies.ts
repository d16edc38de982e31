/**
 * The memory for bodies of held requests that wait for an answer. Strangers fill it as well, and slowly where they mean harm: when it is
 * used up, the body that has been on its way for the longest is evicted.
 */

export interface Reservation {
  /** False: there is no memory for so many more bytes, and none can be made. */
  grow(bytes: number): boolean;
  /** Nothing more comes: this body is not evicted any more. */
  complete(): void;
  /** Idempotent. */
  release(): void;
}

export class BodyBudget {
  readonly #limit: number;
  #bytes = 0;
  /** How to evict those that are on their way, oldest first. */
  readonly #incomplete = new Map<Reservation, () => void>();

  /** @param limit bytes of all bodies together. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param evict called when this body has to go; it has to release then. */
  reserve(evict: () => void): Reservation {
    let reserved = 0;
    const reservation: Reservation = {
      grow: (bytes) => {
        if (!this.#evictFor(bytes, reservation)) return false;
        reserved += bytes;
        this.#bytes += bytes;
        return true;
      },
      complete: () => this.#incomplete.delete(reservation),
      release: () => {
        this.#incomplete.delete(reservation);
        this.#bytes -= reserved;
        reserved = 0;
      },
    };
    this.#incomplete.set(reservation, evict);
    return reservation;
  }

  #evictFor(bytes: number, growing: Reservation): boolean {
    for (const [reservation, evict] of this.#incomplete) {
      if (this.#bytes + bytes <= this.#limit) break;
      if (reservation !== growing) evict();
    }
    return this.#bytes + bytes <= this.#limit;
  }
}
