/** Tells open chat pages what changed, one JSON line each. They read again what they show. */
import type { ServerResponse } from "node:http";

export interface Change {
  type: "conversation" | "people" | "setup" | "alive";
  customerId?: string;
}

const MOST_STREAMS = 20;

/** A page that does not read is let go; it comes back and asks for everything. */
const MOST_UNREAD_BYTES = 256 * 1024;

const ALIVE_MS = 15_000;

export class Streams {
  readonly #open = new Set<ServerResponse>();
  readonly #timer = setInterval(() => this.tell({ type: "alive" }), ALIVE_MS).unref();

  /** Keeps the response open. The oldest goes when there are too many. */
  add(res: ServerResponse): void {
    for (const oldest of this.#open) {
      if (this.#open.size < MOST_STREAMS) break;
      this.#open.delete(oldest);
      oldest.end();
    }
    this.#open.add(res);
    res.once("close", () => this.#open.delete(res));
    res.write(`${JSON.stringify({ type: "alive" })}\n`);
  }

  tell(change: Change): void {
    const line = `${JSON.stringify(change)}\n`;
    for (const res of this.#open) {
      if (res.writableLength > MOST_UNREAD_BYTES) res.destroy();
      else res.write(line);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const res of this.#open) res.end();
    this.#open.clear();
  }
}
