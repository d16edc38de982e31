/**
 * A small LMDB store whose writes say the truth: a promise that resolves means fdatasync has returned, one that rejects means the change
 * is not there and will not come back. Writes that are under way at the same time share one sync.
 *
 * What was seen of lmdb 3.5 and why it is used this way: with `overlappingSync: false` a commit syncs the data and then writes the head
 * through an O_DSYNC descriptor before its promise resolves (strace); with `eventTurnBatching` a failed commit leaves a rejection that
 * nobody can catch; after a failed write of the head every later commit hangs forever, until the environment is opened anew.
 */
import type { Database } from "lmdb";
import { EdgeError, type FailureCode } from "../errors.ts";
import { closeEnvironment, openAgain, openChecked, prepareFolder, type Environment, type Place } from "./environment.ts";
import type { Room } from "./room.ts";
import { lockFolder, type FolderLock } from "./lock.ts";

/** `value` null removes. Tables are the names given at opening. */
export interface Change {
  table: string;
  key: string;
  value: Buffer | null;
}

export interface DurableOptions extends Place {
  /** Code for a write that failed. */
  failed: FailureCode;
  /** A write that is not durable after so many milliseconds is rejected. */
  deadlineMs: number;
}

interface Job {
  changes: Change[];
  /** Given: when the promise rejects, this is written as soon as anything can be. Null: the job itself is tried again until it is done. */
  undo: Change[] | null;
  timer: NodeJS.Timeout | null;
  resolve: () => void;
  reject: (error: EdgeError) => void;
  /** The promise has rejected already. */
  given: boolean;
}

/** After a failure the next attempt waits so long. */
const RETRY_MS = 500;
const MAX_KEY = 500;
/** The most changes in one write; so few fit even when the disk is full. */
export const CHANGES_A_WRITE = 64;
const BATCH_CHANGES = 512;
const BATCH_BYTES = 16 * 1024 * 1024;

/**
 * Opens or makes the store in `options.dir`. Throws EDGE_DATA_LOCKED, EDGE_DATA (the folder cannot be used) or the code for a corrupt
 * store; what is there is never emptied.
 */
export function openDurable(options: DurableOptions): Durable {
  prepareFolder(options.dir);
  const lock = lockFolder(options.dir);
  try {
    return new Durable(options, lock, openChecked(options));
  } catch (error) {
    void lock.release();
    throw error;
  }
}

export class Durable {
  private readonly options: DurableOptions;
  private readonly lock: FolderLock;
  /** Null while it is opened anew after a failure. */
  private environment: Environment | null;
  private readonly waiting: Job[] = [];
  private underWay: Promise<void> | null = null;
  private retry: NodeJS.Timeout | null = null;
  private closing = false;

  constructor(options: DurableOptions, lock: FolderLock, environment: Environment) {
    this.options = options;
    this.lock = lock;
    this.environment = environment;
  }

  /** A copy of a durable value. Throws the `failed` code while the store is being opened anew. */
  get(table: string, key: string): Buffer | undefined {
    return this.table(table).getBinary(key);
  }

  /** Every durable key and value of a table, in the order of keys. */
  *entries(table: string): Iterable<{ key: string; value: Buffer }> {
    for (const { key, value } of this.table(table).getRange({})) yield { key, value };
  }

  /** How many keys a table has. */
  count(table: string): number {
    return this.table(table).getKeysCount();
  }

  /**
   * Writes all changes (at most {@link CHANGES_A_WRITE}) or none, after everything that was written before. Rejects with the `failed` code when they are not durable in
   * time. With `undo`, a rejected write leaves nothing behind: what it may have written is taken back by `undo` as soon as possible.
   * Without, the changes are tried again until they are written, also after the rejection.
   */
  write(changes: Change[], undo: Change[] | null = null): Promise<void> {
    return new Promise((resolve, reject) => {
      // lmdb would throw in the middle of a batch, and commit the half of it.
      if (changes.length > CHANGES_A_WRITE) return reject(new RangeError(`${changes.length} changes in one write.`));
      if (changes.some(({ key }) => key === "" || key.length > MAX_KEY)) return reject(new RangeError("A key is empty or too long."));
      if (this.closing) return reject(new EdgeError(this.options.failed, "The store is closed."));
      const job: Job = { changes, undo, timer: null, resolve, reject, given: false };
      job.timer = setTimeout(() => this.giveUp(job), this.options.deadlineMs);
      this.waiting.push(job);
      if (!this.underWay && !this.retry) queueMicrotask(() => this.start());
    });
  }

  /** Writes what is waiting, as far as that works in time, and lets go of the folder. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    const end = Date.now() + this.options.deadlineMs;
    while ((this.waiting.length > 0 || this.underWay) && Date.now() < end) {
      this.start();
      await Promise.race([this.underWay, new Promise((done) => setTimeout(done, 100))]);
    }
    if (this.retry) clearTimeout(this.retry);
    for (const job of this.waiting.splice(0)) this.refuse(job, "The store was closed first.");
    // A commit that hangs in the kernel cannot be closed; the process can still end.
    if (!this.underWay && this.environment) await closeEnvironment(this.environment);
    await this.lock.release();
  }

  private table(name: string): Database<Buffer, string> {
    const table = this.environment?.tables.get(name);
    if (!table) throw new EdgeError(this.options.failed, "It is being opened anew after a failure.");
    return table;
  }

  /** The deadline of a job has passed. One that may leave nothing behind is dropped, unless its commit has begun. */
  private giveUp(job: Job): void {
    this.refuse(job, `No sync within ${this.options.deadlineMs} ms.`);
    const at = job.undo ? this.waiting.indexOf(job) : -1;
    if (at >= 0) this.waiting.splice(at, 1);
  }

  private refuse(job: Job, detail: string, cause?: unknown): void {
    if (job.timer) clearTimeout(job.timer);
    job.given = true;
    job.reject(new EdgeError(this.options.failed, detail, { cause }));
  }

  private start(): void {
    if (this.underWay || this.waiting.length === 0) return;
    if (this.retry) clearTimeout(this.retry);
    this.retry = null;
    this.underWay = this.commitAll().finally(() => {
      this.underWay = null;
      if (this.waiting.length > 0 && !this.retry && !this.closing) this.start();
    });
  }

  private async commitAll(): Promise<void> {
    while (this.waiting.length > 0) {
      let batch: Job[] = [];
      try {
        this.environment ??= openAgain(this.options);
        batch = this.takeBatch(this.environment.room);
        await commit(this.environment, batch);
        this.finish(batch);
      } catch (error) {
        await this.recover(batch, error as Error);
        return;
      }
    }
  }

  private takeBatch(room: Room): Job[] {
    let changes = 0;
    let bytes = 0;
    let jobs = 0;
    for (const job of this.waiting) {
      if (jobs > 0 && (changes >= BATCH_CHANGES || bytes >= BATCH_BYTES)) break;
      jobs++;
      changes += job.changes.length;
      bytes += sizeOf(job);
    }
    const batch = this.waiting.splice(0, jobs);
    try {
      room.extend(changes, bytes);
      return batch;
    } catch (error) {
      return this.takeFitting(room, batch, error as Error);
    }
  }

  /** On a full disk: what still fits is written, what may be refused is refused, the rest (mostly removing, which makes room) waits on. */
  private takeFitting(room: Room, batch: Job[], full: Error): Job[] {
    const fitting: Job[] = [];
    const later: Job[] = [];
    let changes = 0;
    let bytes = 0;
    for (const job of batch) {
      const fits = room.has(changes + job.changes.length, bytes + sizeOf(job), job.undo !== null);
      if (fits) {
        fitting.push(job);
        changes += job.changes.length;
        bytes += sizeOf(job);
      } else if (!job.undo) later.push(job);
      else if (!job.given) this.refuse(job, full.message, full);
    }
    this.waiting.unshift(...later);
    if (fitting.length === 0 && later.length > 0) throw full;
    return fitting;
  }

  private finish(batch: Job[]): void {
    const tooLate: Job[] = [];
    for (const job of batch) {
      if (job.timer) clearTimeout(job.timer);
      if (job.given && job.undo) tooLate.push(undoing(job.undo));
      else job.resolve();
    }
    this.waiting.unshift(...tooLate);
  }

  /**
   * Nothing of the batch counts as written; what must be undone or tried again goes before everything else, in the old order. Reading goes on
   * meanwhile, but for the turn in which the environment is opened anew.
   */
  private async recover(batch: Job[], error: Error): Promise<void> {
    const cause = await causeOf(error);
    const broken = this.environment;
    this.environment = null;
    if (broken) await closeEnvironment(broken);
    try {
      this.environment = openAgain(this.options);
    } catch {
      // Tried again before the next commit.
    }
    this.waiting.unshift(...batch.map((job) => (job.undo ? undoing(job.undo) : job)));
    for (const job of batch) if (job.undo && !job.given) this.refuse(job, cause.message, cause);
    if (!this.closing) this.retry = setTimeout(() => this.start(), RETRY_MS);
  }
}

function sizeOf(job: Job): number {
  return job.changes.reduce((sum, change) => sum + (change.value?.length ?? 0), 0);
}

function undoing(changes: Change[]): Job {
  return { changes, undo: null, timer: null, resolve: () => {}, reject: () => {}, given: true };
}

async function commit(environment: Environment, batch: Job[]): Promise<void> {
  if (batch.length === 0) return;
  await environment.root.batch(() => {
    for (const job of batch) {
      for (const change of job.changes) {
        const table = environment.tables.get(change.table);
        if (!table) continue;
        if (change.value) void table.put(change.key, change.value);
        else void table.remove(change.key);
      }
    }
  });
}

/** lmdb rejects with a general error that carries a promise of the reason; that one must be caught, or it ends the process. */
async function causeOf(failure: Error & { commitError?: Promise<never> }): Promise<Error> {
  try {
    await Promise.race([failure.commitError, new Promise((resolve) => setTimeout(resolve, 100))]);
    return failure;
  } catch (reason) {
    return reason as Error;
  }
}
