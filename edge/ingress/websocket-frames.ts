/** Where frames of a WebSocket begin and end (RFC 6455 section 5.2), so that one of ours can be put between two of somebody else's. */

/** Close frames: opcode 8. */
const CLOSE = 8;

export class FrameScanner {
  #header = Buffer.alloc(0);
  /** Of the payload that is on its way. */
  #left = 0n;
  /** A close frame has gone by: nothing may come after it. */
  closed = false;

  /** Between two frames. */
  get atBoundary(): boolean {
    return this.#left === 0n && this.#header.length === 0;
  }

  /** Goes on through a piece; the offsets behind the frames that end in it. */
  scan(chunk: Buffer): number[] {
    const ends: number[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0n) {
        const take = this.#left < BigInt(chunk.length - at) ? Number(this.#left) : chunk.length - at;
        this.#left -= BigInt(take);
        at += take;
        if (this.#left === 0n) ends.push(at);
        continue;
      }
      this.#header = Buffer.concat([this.#header, chunk.subarray(at, at + 1)]);
      at += 1;
      if (!this.#beginFrame()) continue;
      this.#header = Buffer.alloc(0);
      if (this.#left === 0n) ends.push(at);
    }
    return ends;
  }

  /** True: the header is whole. */
  #beginFrame(): boolean {
    const [first = 0, second = 0] = this.#header;
    if (this.#header.length < 2) return false;
    const short = second & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    if (this.#header.length < 2 + extended + (second & 0x80 ? 4 : 0)) return false;
    this.#left = extended === 2 ? BigInt(this.#header.readUInt16BE(2)) : extended === 8 ? this.#header.readBigUInt64BE(2) : BigInt(short);
    if ((first & 0xf) === CLOSE) this.closed = true;
    return true;
  }
}

/** A server's close frame. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason);
  const frame = Buffer.alloc(4 + text.length);
  frame[0] = 0x80 | CLOSE;
  frame[1] = 2 + text.length;
  frame.writeUInt16BE(code, 2);
  text.copy(frame, 4);
  return frame;
}
