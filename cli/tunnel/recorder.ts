/** The last requests that came through the tunnel. */
import type { RequestRecord } from "../launch/events.ts";

const KEPT = 20;
/** Events a second; a flood of requests is counted and the last ones are kept, but nobody reads a line for each. */
const EVENTS_PER_SECOND = 100;

export class Recorder {
  readonly #records: RequestRecord[] = [];
  readonly #onRequest: (request: RequestRecord) => void;
  #count = 0;
  #second = 0;
  #eventsInSecond = 0;

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
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#eventsInSecond = 0;
    }
    this.#eventsInSecond += 1;
    if (this.#eventsInSecond <= EVENTS_PER_SECOND) this.#onRequest(record);
  }
}
