/**
 * Bodies of held requests that are in memory, because an answer to them is being found. Strangers fill it as well, and slowly where they
 * mean harm: when there is no room, the one that has been on its way for the longest has to go.
 */

export interface Place {
  /** False: there is no room for so many more bytes, and none can be made. */
  add(bytes: number): boolean;
  /** Nothing more comes: this one is not let go any more. */
  complete(): void;
  /** Idempotent. */
  leave(): void;
}

export class Bodies {
  readonly #limit: number;
  #bytes = 0;
  /** What to do with those that are on their way, oldest first. */
  readonly #coming = new Map<Place, () => void>();

  /** @param limit bytes of all together. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param letGo called when this one has to go; it has to leave. */
  enter(letGo: () => void): Place {
    let taken = 0;
    const place: Place = {
      add: (bytes) => {
        if (!this.#makeRoom(bytes, place)) return false;
        taken += bytes;
        this.#bytes += bytes;
        return true;
      },
      complete: () => this.#coming.delete(place),
      leave: () => {
        this.#coming.delete(place);
        this.#bytes -= taken;
        taken = 0;
      },
    };
    this.#coming.set(place, letGo);
    return place;
  }

  #makeRoom(bytes: number, forPlace: Place): boolean {
    for (const [place, letGo] of this.#coming) {
      if (this.#bytes + bytes <= this.#limit) break;
      if (place !== forPlace) letGo();
    }
    return this.#bytes + bytes <= this.#limit;
  }
}
