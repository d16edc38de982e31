import type { MuxStream } from "./stream.ts";

const SLOTS = 256;

/**
 * The open streams of a connection by id. Not a `Map`: V8 leaves in each table that a Map outgrows a pointer to the next one, and under
 * constant traffic a Map is rebuilt every few dozen requests. One such table that reaches the old generation keeps all that follow it, with
 * the exchanges in them, alive until a full collection; that cost the edge a quarter of its CPU time.
 */
export class StreamTable {
  size = 0;
  readonly #slots = Array.from<unknown, MuxStream | null>({ length: SLOTS }, () => null);

  get(id: number): MuxStream | undefined {
    for (let stream = this.#slots[id % SLOTS] ?? null; stream; stream = stream.nextInSlot) if (stream.id === id) return stream;
    return undefined;
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** The id must be free. */
  add(stream: MuxStream): void {
    const slot = stream.id % SLOTS;
    stream.nextInSlot = this.#slots[slot] ?? null;
    this.#slots[slot] = stream;
    this.size++;
  }

  delete(stream: MuxStream): void {
    const slot = stream.id % SLOTS;
    let before: MuxStream | null = null;
    for (let at = this.#slots[slot] ?? null; at; before = at, at = at.nextInSlot) {
      if (at !== stream) continue;
      if (before) before.nextInSlot = at.nextInSlot;
      else this.#slots[slot] = at.nextInSlot;
      at.nextInSlot = null;
      this.size--;
      return;
    }
  }

  values(): MuxStream[] {
    return this.#slots.flatMap((first) => {
      const streams: MuxStream[] = [];
      for (let stream = first; stream; stream = stream.nextInSlot) streams.push(stream);
      return streams;
    });
  }
}
