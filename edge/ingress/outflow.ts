/** Bytes from a tunnel to a reader that may be slow: the tunnel gets credit for what has left memory, and for nothing else. */
import type { Writable } from "node:stream";

export class Outflow {
  readonly #reader: Writable;
  readonly #onLeft: (bytes: number) => void;
  readonly #use: { bytes: number; buffered: number };
  #buffered = 0;

  /**
   * @param onLeft called with every byte once, when the reader has taken it.
   * @param use of the tunnel, where bytes are counted.
   */
  constructor(reader: Writable, use: { bytes: number; buffered: number }, onLeft: (bytes: number) => void) {
    this.#reader = reader;
    this.#use = use;
    this.#onLeft = onLeft;
    reader.once("close", () => this.#forget());
  }

  write(chunk: Buffer): void {
    this.#use.bytes += chunk.length;
    if (this.#reader.write(chunk)) {
      this.#onLeft(chunk.length);
      return;
    }
    if (this.#buffered === 0) this.#reader.once("drain", () => this.#onDrain());
    this.#buffered += chunk.length;
    this.#use.buffered += chunk.length;
  }

  #onDrain(): void {
    const bytes = this.#forget();
    this.#onLeft(bytes);
  }

  #forget(): number {
    const bytes = this.#buffered;
    this.#buffered = 0;
    this.#use.buffered -= bytes;
    return bytes;
  }
}
