/**
 * What the edge asks of the place where acknowledged webhooks wait. Asynchronous, because that place need not be this process; what may be
 * known here is answered at once where `Promise` is one of two. `store.ts` keeps them on the local disk.
 */

export interface HoldStore {
  /** A fresh delivery id, known before anything is stored. */
  readonly newDeliveryId: () => string;

  /**
   * Puts a webhook at the end of the tunnel's queue; the order is that of the calls. Resolves when it is on disk. Rejects with HOLD_FULL
   * (the quota of the tunnel, that of all tunnels, or the share of either that the sender's network may take), HOLD_BODY_TOO_LARGE, or
   * HOLD_IO (disk full, failed or slow sync); then nothing is held. An id that is held already is not stored twice.
   * @param attempts deliveries tried so far.
   */
  append(name: string, deliveryId: string, webhook: Webhook, attempts?: number): Promise<{ deliveryId: string; position: number }>;

  /**
   * Up to `limit` waiting webhooks with a position after `after` (0: from the head), in order; only such as are on disk, and no more than
   * some MB of them at a time. One whose bytes are damaged is set aside and passed over. Rejects with HOLD_IO while the disk fails.
   */
  peek(name: string, after: number, limit: number): Promise<HeldEntry[]>;

  /** Whether anything waits for delivery. */
  waiting(name: string): boolean | Promise<boolean>;

  /**
   * Forgets a webhook or a dead letter: at once for everybody who asks, and durably when it resolves. One that is being stored is
   * forgotten as soon as it is stored. After a rejection (HOLD_IO) it is tried again; a restart before that brings it back.
   */
  remove(name: string, deliveryId: string): Promise<void>;

  /** Takes a webhook out of the queue and keeps it with the reason. */
  moveToDead(name: string, deliveryId: string, reason: string): Promise<void>;

  /** Counts an attempt to deliver; at once for everybody who asks, durably when it resolves, with the new count. */
  recordAttempt(name: string, deliveryId: string): Promise<number>;

  /** The dead letters of a tunnel, oldest death first. */
  dead(name: string): Promise<DeadLetter[]>;

  /** Puts dead letters at the end of the queue, under their old ids and with their full time to live. Resolves with how many. */
  replayDead(name: string, which: readonly string[] | "all"): Promise<number>;

  /** Forgets everything that is held for a tunnel. Resolves with how many webhooks and dead letters that were. */
  purge(name: string): Promise<number>;

  stats(name: string): HoldStats | Promise<HoldStats>;

  /** Tunnels for which anything is held. */
  names(): Iterable<string> | Promise<Iterable<string>>;

  /**
   * Sets webhooks aside that have waited too long (reason `EXPIRED`), and deletes dead letters that were kept long enough. The report is
   * for the operator and the owner: nothing disappears unsaid. On disk soon after.
   */
  expire(): Promise<Expiry[]>;

  /** Writes what is under way. */
  close(): Promise<void>;
}

export interface Webhook {
  /** Request line and headers as received. */
  rawHead: Buffer;
  body: Buffer;
  /** Address of the sender. */
  source: string;
  /** Milliseconds since 1970. */
  receivedAt: number;
}

export interface HeldEntry extends Webhook {
  deliveryId: string;
  /** From 1; grows along the queue. The cursor of {@link HoldStore.peek}. */
  position: number;
  /** Deliveries tried so far. */
  attempts: number;
}

export interface DeadLetter {
  deliveryId: string;
  /** Of head and body together. */
  bytes: number;
  source: string;
  receivedAt: number;
  attempts: number;
  /** `EXPIRED`, `DAMAGED`, or what {@link HoldStore.moveToDead} was told. */
  reason: string;
  /** When it was set aside, milliseconds since 1970. */
  diedAt: number;
}

export interface HoldStats {
  /** Waiting for delivery, without dead letters. */
  entries: number;
  /** Of the quota, dead letters included. */
  bytes: number;
  dead: number;
  /** When the head of the queue was received, milliseconds since 1970; null when nothing waits. */
  oldest: number | null;
}

export interface Expiry {
  name: string;
  /** Webhooks that have become dead letters. */
  expired: number;
  /** Dead letters that are gone now. */
  deleted: number;
}
