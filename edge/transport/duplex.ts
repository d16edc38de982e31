/** An SSH channel as a stream that `node:http` takes for a socket. */
import { Duplex } from "node:stream";
import type { SshChannel } from "./channel.ts";

export class ChannelDuplex extends Duplex {
  readonly #channel: SshChannel;
  /** Bytes in the read buffer that the peer has not been given credit for. */
  #held = 0;
  #onWritable: ((error?: Error | null) => void) | null = null;
  #idle = false;
  #ended = false;

  constructor(channel: SshChannel) {
    super({ highWaterMark: 64 * 1024 });
    this.#channel = channel;
    channel.start({
      onData: (chunk) => {
        if (this.#idle) this.destroy();
        else if (this.push(chunk)) channel.consumed(chunk.length);
        else this.#held += chunk.length;
      },
      onEnd: () => {
        this.#ended = true;
        if (this.#idle) this.destroy();
        else this.push(null);
      },
      onClose: (error) => {
        if (error) this.destroy(error);
        else if (this.readableEnded) this.destroy();
        else this.once("end", () => this.destroy());
      },
      onDrain: () => {
        const done = this.#onWritable;
        this.#onWritable = null;
        done?.();
      },
    });
  }

  /**
   * Nobody waits for anything on this channel: whatever comes, the peer's end included, makes it useless. Nobody reads it either, so that
   * a stream alone would not notice. Returns false when something has come already.
   */
  rest(): boolean {
    if (this.#ended || this.readableLength > 0 || this.destroyed) return false;
    this.#idle = true;
    return true;
  }

  /** Used again. */
  wake(): void {
    this.#idle = false;
  }

  override _read(): void {
    if (this.#held === 0) return;
    this.#channel.consumed(this.#held);
    this.#held = 0;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#channel.closed) done(new Error("the channel is closed"));
    else if (this.#channel.write(chunk)) done();
    else this.#onWritable = done;
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error || !this.writableFinished) this.#channel.abort();
    else this.#channel.closeAfterFlush();
    // Whoever waits for room is not left waiting.
    const waiting = this.#onWritable;
    this.#onWritable = null;
    waiting?.(error ?? new Error("the channel is closed"));
    done(error);
  }

  // What `node:http` and `http.Agent` call on a socket; an SSH channel has nothing to set there.
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }
}
