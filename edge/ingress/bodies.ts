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
  /**
   * Before the oldest and after the newest of those that are on their way. A list and no Map, for the reason that `StreamTable` in
   * edge/transport gives; who leaves it keeps no pointer to anybody.
   */
  readonly #ends: Links = { before: null, after: null, evict: null };

  /** @param limit bytes of all bodies together. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#ends.before = this.#ends.after = this.#ends;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param evict called when this body has to go; it has to release then. */
  reserve(evict: () => void): Reservation {
    let reserved = 0;
    const newest = this.#ends.before ?? this.#ends;
    const links: Links = { before: newest, after: this.#ends, evict };
    newest.after = this.#ends.before = links;
    return {
      grow: (bytes) => {
        if (!this.#evictFor(bytes, links)) return false;
        reserved += bytes;
        this.#bytes += bytes;
        return true;
      },
      complete: () => unlink(links),
      release: () => {
        unlink(links);
        this.#bytes -= reserved;
        reserved = 0;
      },
    };
  }

  #evictFor(bytes: number, growing: Links): boolean {
    for (let oldest = this.#ends.after; this.#bytes + bytes > this.#limit && oldest?.evict;) {
      const next: Links | null = oldest.after;
      if (oldest !== growing) oldest.evict();
      oldest = next;
    }
    return this.#bytes + bytes <= this.#limit;
  }
}

interface Links {
  before: Links | null;
  after: Links | null;
  /** Null in the ends. */
  readonly evict: (() => void) | null;
}

function unlink(links: Links): void {
  if (!links.before || !links.after) return;
  links.before.after = links.after;
  links.after.before = links.before;
  links.before = links.after = null;
}
