/** Bytes from a tunnel to a reader that may be slow: the tunnel gets credit for what has left memory, and for nothing else. */
import type { Writable } from "node:stream";

export class Outflow {
  readonly #reader: Writable;
  readonly #onLeft: (bytes: number) => void;
  #buffered = 0;

  /** @param onLeft called with every byte once, when the reader has taken it. */
  constructor(reader: Writable, onLeft: (bytes: number) => void) {
    this.#reader = reader;
    this.#onLeft = onLeft;
  }

  write(chunk: Buffer): void {
    if (this.#reader.write(chunk)) {
      this.#onLeft(chunk.length);
      return;
    }
    if (this.#buffered === 0) this.#reader.once("drain", () => this.#onDrain());
    this.#buffered += chunk.length;
  }

  #onDrain(): void {
    const bytes = this.#buffered;
    this.#buffered = 0;
    this.#onLeft(bytes);
  }
}
