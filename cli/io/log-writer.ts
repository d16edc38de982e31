/**
 * Lines of a service to a file descriptor that may be a full disk, a pipe that nobody reads, or one whose reader is gone. The service goes
 * on in all of these: what cannot be written is dropped and counted, and the number said as soon as something can be written again. Node's
 * own stderr writes synchronously, so that a reader that has stopped stops the process, and takes nothing any more after its first error.
 */
import { write } from "node:fs";

/** What may wait for a slow reader, characters. */
const WAITING = 1024 * 1024;
const RETRY_MS = 100;

export class LogWriter {
  readonly #fd: number;
  #waiting: string[] = [];
  #length = 0;
  #lost = 0;
  #writing = false;
  #idle: (() => void)[] = [];

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Whole lines, each with its end. */
  write(text: string): void {
    if (this.#length + text.length > WAITING) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(text);
    this.#length += text.length;
    if (!this.#writing) this.#next();
  }

  /** Resolves when nothing waits any more, or after `patienceMs`. */
  flush(patienceMs: number): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#writing) return resolve();
      this.#idle.push(resolve);
      setTimeout(resolve, patienceMs).unref();
    });
  }

  #next(): void {
    const lines = this.#waiting.splice(0);
    this.#length = 0;
    this.#writing = lines.length > 0;
    if (!this.#writing) {
      for (const done of this.#idle.splice(0)) done();
      return;
    }
    const note = this.#lost > 0 ? `${new Date().toISOString()} ${this.#lost} lines of this log could not be written and are lost\n` : "";
    this.#send(Buffer.from(note + lines.join("")), (failed) => {
      this.#lost = failed ? this.#lost + lines.length : 0;
      this.#next();
    });
  }

  #send(bytes: Buffer, done: (failed: boolean) => void): void {
    write(this.#fd, bytes, (error, written) => {
      // A pipe that somebody else has made non-blocking, and that is full.
      if (error?.code === "EAGAIN") setTimeout(() => this.#send(bytes, done), RETRY_MS);
      else if (error) done(true);
      else if (written < bytes.length) this.#send(bytes.subarray(written), done);
      else done(false);
    });
  }
}
