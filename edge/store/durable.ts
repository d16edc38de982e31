/**
 * Bytes under keys whose writes say the truth: a promise that resolves means that they are synced, one that rejects means that the change
 * is not there and will not come back. Writes that are under way at the same time share one sync.
 */
import { chmodSync } from "node:fs";
import { EdgeError, type FailureCode } from "../errors.ts";
import { makeFolder } from "./folder.ts";
import { Log } from "./log/log.ts";
import { Damage } from "./log/replay.ts";
import { inspect, repair, type Damaged } from "./log/salvage.ts";

/** `value` null removes. */
export interface Change {
  key: string;
  value: Buffer | null;
}

export interface DurableOptions {
  /** Made with mode 0700 when missing; belongs to this store alone. */
  dir: string;
  /** Code for a store that cannot be read. */
  corrupt: FailureCode;
  /** Code for a write that failed. */
  failed: FailureCode;
  /** A write that is not durable after so many milliseconds is rejected. */
  deadlineMs: number;
  /** Given: damage costs what is damaged, and is reported here. Otherwise a damaged store is not opened. */
  onDamage?: (damaged: Damaged[]) => void;
}

interface Job {
  changes: Change[];
  /**
   * Given: written when the promise has rejected for being late, and the changes were written after all. Null: tried again until it is
   * done.
   */
  undo: Change[] | null;
  timer: NodeJS.Timeout | null;
  resolve: () => void;
  reject: (error: EdgeError) => void;
  /** The promise has rejected already. */
  rejected: boolean;
}

/** After a failure the next attempt waits so long. */
const RETRY_MS = 500;
const BATCH_JOBS = 2048;
const BATCH_BYTES = 16 * 1024 * 1024;

/**
 * Opens or makes the store in `options.dir`, which nobody else may have open (lock.ts). Throws EDGE_DATA (the folder cannot be used) or the
 * code for a corrupt store; what is there is never emptied.
 */
export function openDurable(options: DurableOptions): Durable {
  prepareFolder(options.dir);
  try {
    return new Durable(options, openLog(options));
  } catch (cause) {
    const { message } = cause as Error;
    throw cause instanceof Damage ? new EdgeError(options.corrupt, `${message}.`) : new EdgeError("EDGE_DATA", message, { cause });
  }
}

function openLog({ dir, onDamage }: DurableOptions): Log {
  try {
    return new Log(dir);
  } catch (error) {
    if (!(error instanceof Damage) || !onDamage) throw error;
    const salvage = inspect(dir);
    repair(dir, salvage);
    const log = new Log(dir);
    onDamage(salvage.damaged);
    return log;
  }
}

export class Durable {
  readonly #options: DurableOptions;
  readonly #log: Log;
  readonly #waiting: Job[] = [];
  #committing: Promise<void> | null = null;
  #retry: NodeJS.Timeout | null = null;
  #closing = false;

  constructor(options: DurableOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  keys(): Iterable<string> {
    return this.#log.keys();
  }

  /** Every key and value, to be taken in right after opening. */
  *entries(): Iterable<{ key: string; value: Buffer }> {
    for (const key of this.keys()) {
      const value = this.get(key);
      if (!value) throw new EdgeError(this.#options.corrupt, `${key} cannot be read.`);
      yield { key, value };
    }
  }

  /** Whether there is a durable value. */
  has(key: string): boolean {
    return this.#log.has(key);
  }

  /** A durable value; undefined when there is none, or when it is damaged. Throws the `failed` code when it cannot be read. */
  get(key: string): Buffer | undefined {
    try {
      return this.#log.get(key);
    } catch (cause) {
      throw new EdgeError(this.#options.failed, (cause as Error).message, { cause });
    }
  }

  /**
   * Writes all changes or none, after everything that was written before. Rejects with the `failed` code when they are not durable in
   * time. With `undo`, a rejected write leaves nothing behind: what it may have written is taken back by `undo` as soon as possible.
   * Without, the changes are tried again until they are written, also after the rejection.
   */
  write(changes: Change[], undo: Change[] | null = null): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closing) return reject(new EdgeError(this.#options.failed, "The store is closed."));
      const job: Job = { changes, undo, timer: null, resolve, reject, rejected: false };
      job.timer = setTimeout(() => this.#onDeadline(job), this.#options.deadlineMs);
      this.#waiting.push(job);
      if (!this.#committing && !this.#retry) queueMicrotask(() => this.#start());
    });
  }

  /** Writes what is waiting, as far as that works in time, and lets go of the folder. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const end = Date.now() + this.#options.deadlineMs;
    while ((this.#waiting.length > 0 || this.#committing) && Date.now() < end) {
      this.#start();
      await Promise.race([this.#committing, new Promise((done) => setTimeout(done, 100))]);
    }
    if (this.#retry) clearTimeout(this.#retry);
    for (const job of this.#waiting.splice(0)) this.#refuse(job, "The store was closed first.");
    // A sync that hangs in the kernel cannot be waited for.
    if (!this.#committing) await this.#log.close();
  }

  /** The deadline of a job has passed. One that may leave nothing behind is dropped, unless its commit has begun. */
  #onDeadline(job: Job): void {
    this.#refuse(job, `No sync within ${this.#options.deadlineMs} ms.`);
    const at = job.undo ? this.#waiting.indexOf(job) : -1;
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  #refuse(job: Job, detail: string, cause?: unknown): void {
    if (job.timer) clearTimeout(job.timer);
    job.rejected = true;
    job.reject(new EdgeError(this.#options.failed, detail, { cause }));
  }

  #start(): void {
    if (this.#committing || this.#waiting.length === 0) return;
    if (this.#retry) clearTimeout(this.#retry);
    this.#retry = null;
    this.#committing = this.#commitAll().finally(() => {
      this.#committing = null;
      if (this.#waiting.length > 0 && !this.#retry && !this.#closing) this.#start();
    });
  }

  async #commitAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      let batch = this.#takeBatch();
      try {
        batch = await this.#admit(batch);
        if (batch.length > 0) await this.#log.commit(batch.flatMap((job) => job.changes));
        this.#finish(batch);
      } catch (error) {
        this.#fail(batch, error as Error);
        return;
      }
      await this.#compact();
    }
  }

  /** Never in the way of what waits; a failure shows at the next write. */
  async #compact(): Promise<void> {
    try {
      while (await this.#log.compact(this.#waiting.length === 0)) if (this.#waiting.length > 0) return;
    } catch {
      return;
    }
  }

  #takeBatch(): Job[] {
    let bytes = 0;
    let jobs = 0;
    for (const job of this.#waiting) {
      if (jobs > 0 && (jobs >= BATCH_JOBS || bytes >= BATCH_BYTES)) break;
      jobs++;
      bytes += Log.sizeOf(job.changes);
    }
    return this.#waiting.splice(0, jobs);
  }

  async #admit(batch: Job[]): Promise<Job[]> {
    try {
      await this.#log.preallocate(batch.reduce((sum, job) => sum + Log.sizeOf(job.changes), 0));
      return batch;
    } catch (error) {
      const admitted = this.#admitIntoReserve(batch, error as Error);
      if (admitted.length === 0 && this.#waiting.length > 0) throw error;
      return admitted;
    }
  }

  /**
   * On a full disk: what still fits is written, what may be refused is refused, and the rest (mostly removing, which makes room) waits on.
   */
  #admitIntoReserve(batch: Job[], full: Error): Job[] {
    const admitted: Job[] = [];
    const later: Job[] = [];
    let bytes = 0;
    for (const job of batch.splice(0)) {
      const size = Log.sizeOf(job.changes);
      // Nothing overtakes what has to wait: it may be of the same key.
      if (later.length === 0 && this.#log.fits(bytes + size, job.undo !== null)) {
        admitted.push(job);
        bytes += size;
      } else if (!job.undo) later.push(job);
      else if (!job.rejected) this.#refuse(job, full.message, full);
    }
    this.#waiting.unshift(...later);
    return admitted;
  }

  #finish(batch: Job[]): void {
    const tooLate: Job[] = [];
    for (const job of batch) {
      if (job.timer) clearTimeout(job.timer);
      if (job.rejected && job.undo) tooLate.push(undoing(job.undo));
      else job.resolve();
    }
    this.#waiting.unshift(...tooLate);
  }

  /** Nothing of the batch counts; what has to be written in any case goes before everything else, in the old order. */
  #fail(batch: Job[], error: Error): void {
    for (const job of batch) if (job.undo && !job.rejected) this.#refuse(job, error.message, error);
    this.#waiting.unshift(...batch.filter((job) => !job.undo));
    if (!this.#closing) this.#retry = setTimeout(() => this.#start(), RETRY_MS);
  }
}

function undoing(changes: Change[]): Job {
  return { changes, undo: null, timer: null, resolve: () => {}, reject: () => {}, rejected: true };
}

function prepareFolder(dir: string): void {
  try {
    makeFolder(dir);
    chmodSync(dir, 0o700);
  } catch (cause) {
    throw new EdgeError("EDGE_DATA", (cause as Error).message, { cause });
  }
}
