/** The last requests that came through the tunnel. */
import type { RequestRecord } from "../launch/events.ts";

const KEPT = 20;

export class Recorder {
  readonly #records: RequestRecord[] = [];
  readonly #onRequest: (request: RequestRecord) => void;
  #count = 0;

  constructor(onRequest: (request: RequestRecord) => void) {
    this.#onRequest = onRequest;
  }

  /** How many requests there have been. */
  get count(): number {
    return this.#count;
  }

  /** Newest first. */
  list(): RequestRecord[] {
    return this.#records.toReversed();
  }

  nextId(): string {
    this.#count += 1;
    return String(this.#count);
  }

  add(record: RequestRecord): void {
    this.#records.push(record);
    if (this.#records.length > KEPT) this.#records.shift();
    this.#onRequest(record);
  }
}
