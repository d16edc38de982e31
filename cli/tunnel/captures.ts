/** Whole requests and answers, kept in memory for whoever wants to look: the newest ones, and no more of them than fits. */
import type { RequestRecord } from "../events.ts";

const KEPT = 500;
/** Of each body. */
const BODY_BYTES = 256 * 1024;
/** Of all bodies together, also of those that are under way. */
const ALL_BYTES = 32 * 1024 * 1024;

/** A message as far as it is kept. */
export interface Kept {
  /** Name, value, name, value, as they came. */
  headers: string[];
  body: Buffer;
  /** Bytes of the body that were not kept. */
  cut: number;
}

export interface Exchange {
  record: RequestRecord;
  /** Path and query as they came; secrets may be in it. */
  target: string;
  request: Kept;
  /** null: there was none. */
  response: Kept | null;
}

/** One exchange while it takes place. */
export class Capture {
  readonly #captures: Captures;
  readonly #target: string;
  readonly #parts: Record<"request" | "response", { headers: string[]; chunks: Buffer[]; size: number; cut: number }>;
  #answered = false;

  constructor(captures: Captures, target: string, headers: string[]) {
    this.#captures = captures;
    this.#target = target;
    this.#parts = { request: { headers, chunks: [], size: 0, cut: 0 }, response: { headers: [], chunks: [], size: 0, cut: 0 } };
  }

  answered(headers: string[]): void {
    this.#answered = true;
    this.#parts.response.headers = headers;
  }

  data(side: "request" | "response", chunk: Buffer): void {
    const part = this.#parts[side];
    const wanted = Math.min(chunk.length, BODY_BYTES - part.size);
    const taken = wanted > 0 && this.#captures.take(wanted) ? wanted : 0;
    part.cut += chunk.length - taken;
    if (taken === 0) return;
    part.size += taken;
    // A copy: the chunk is a view of a larger packet.
    part.chunks.push(Buffer.from(chunk.subarray(0, taken)));
  }

  /** Nothing took place. */
  drop(): void {
    this.#captures.release(this.#parts.request.size + this.#parts.response.size);
  }

  finish(record: RequestRecord): void {
    const kept = (side: "request" | "response"): Kept => {
      const { headers, chunks, cut } = this.#parts[side];
      return { headers, body: Buffer.concat(chunks), cut };
    };
    this.#captures.add({ record, target: this.#target, request: kept("request"), response: this.#answered ? kept("response") : null });
  }
}

export class Captures {
  readonly #kept: Exchange[] = [];
  /** Of kept exchanges and of those under way. */
  #bytes = 0;

  begin(target: string, headers: string[]): Capture {
    return new Capture(this, target, headers);
  }

  find(id: string): Exchange | null {
    return this.#kept.find(({ record }) => record.id === id) ?? null;
  }

  /** Makes room by forgetting the oldest; false: all of it is under way. */
  take(bytes: number): boolean {
    while (this.#bytes + bytes > ALL_BYTES && this.#kept.length > 0) this.#forget();
    if (this.#bytes + bytes > ALL_BYTES) return false;
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }

  add(exchange: Exchange): void {
    this.#kept.push(exchange);
    if (this.#kept.length > KEPT) this.#forget();
  }

  #forget(): void {
    const oldest = this.#kept.shift();
    if (oldest) this.release(oldest.request.body.length + (oldest.response?.body.length ?? 0));
  }
}
