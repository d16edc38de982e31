/** The last requests that came through the tunnel. */
import type { RequestRecord } from "../events.ts";
import { type Capture, Captures, type Exchange } from "./captures.ts";

const KEPT = 500;
/** Events a second; a flood of requests is counted and the last ones are kept, but nobody reads a line for each. */
const EVENTS_PER_SECOND = 100;

/** Of all requests since the tunnel was started. */
export interface Counters {
  requests: number;
  /** No answer, or one of 500 and above. */
  failed: number;
  /** Answered 401 or 403: not silence, but a signature or a token that is not accepted. */
  refused: number;
  bytesIn: number;
  bytesOut: number;
}

export class Recorder {
  readonly #records: RequestRecord[] = [];
  readonly #onRequest: (request: RequestRecord) => void;
  #started = 0;
  readonly #counters: Counters = { requests: 0, failed: 0, refused: 0, bytesIn: 0, bytesOut: 0 };
  #second = 0;
  #eventsInSecond = 0;

  readonly #captures: Captures | null;

  /** @param inspect whether headers and bodies are kept as well. */
  constructor(onRequest: (request: RequestRecord) => void, inspect = false) {
    this.#onRequest = onRequest;
    this.#captures = inspect ? new Captures() : null;
  }

  /** null: nothing is kept of it. */
  capture(target: string, headers: string[]): Capture | null {
    return this.#captures?.begin(target, headers) ?? null;
  }

  /** null: it is not kept, or not any more. */
  exchange(id: string): Exchange | null {
    return this.#captures?.find(id) ?? null;
  }

  counters(): Counters {
    return { ...this.#counters };
  }

  /** Newest first. */
  list(): RequestRecord[] {
    return this.#records.toReversed();
  }

  nextId(): string {
    this.#started += 1;
    return String(this.#started);
  }

  add(record: RequestRecord): void {
    this.#counters.requests += 1;
    if (record.status === 0 || record.status >= 500) this.#counters.failed += 1;
    if (record.status === 401 || record.status === 403) this.#counters.refused += 1;
    this.#counters.bytesIn += record.bytesIn;
    this.#counters.bytesOut += record.bytesOut;
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
