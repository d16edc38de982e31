/**
 * Acknowledged webhooks that wait for their tunnel: one first-in-first-out queue a tunnel, and dead letters beside it. Memory holds the
 * small record of every entry and decides; bodies are on disk only. What a promise says is on disk.
 */
import path from "node:path";
import { EdgeError } from "../errors.ts";
import { steadyClock } from "../store/clock.ts";
import { deliveryIds } from "./delivery-id.ts";
import { openDurable, type Change, type Durable } from "../store/durable.ts";
import {
  bytesKey,
  decodeBytes,
  decodeRecord,
  encodeBytes,
  encodeRecord,
  ENTRY_OVERHEAD,
  isRecordKey,
  recordKey,
  type EntryRecord,
} from "./entry.ts";
import { MAX_BODY_BYTES } from "./policy.ts";
import { Queues, type Held } from "./queues.ts";

const HOUR = 60 * 60 * 1000;
const MIB = 1024 * 1024;

/** More is not read into memory at a time. */
const PEEK_BYTES = 4 * MIB;

/** An answer has to be given within 3 s (Meta gives up after 5); a sync that takes longer than this counts as failed. */
const DEADLINE_MS = 2000;

export interface HoldStoreOptions {
  /** The edge's data folder; the store lives in `hold` inside it. */
  dataDir: string;
  /** What the entries of one tunnel may take, dead letters and {@link ENTRY_OVERHEAD} included; one source network gets a quarter of it. */
  maxBytesPerTunnel?: number;
  /** What the entries of all tunnels may take; one source network gets a sixteenth of it. */
  maxBytes?: number;
  /** So long an entry waits for delivery; then it becomes a dead letter. */
  maxAgeMs?: number;
  /** So long a dead letter is kept. */
  deadAgeMs?: number;
  /** Milliseconds since 1970, for ages. Default: a clock that does not jump. */
  now?: () => number;
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
  /** Grows along the queue; the cursor of {@link HoldStore.peek}. */
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
  identifier: string;
  /** Entries that have become dead letters. */
  expired: number;
  /** Dead letters that are gone now. */
  deleted: number;
}

/**
 * Opens the store in `dataDir`. Throws EDGE_DATA_LOCKED while another edge has it open, EDGE_DATA when the folder cannot be used, and
 * HOLD_CORRUPT when what is there cannot be read; then nothing is changed.
 */
export function openHoldStore(options: HoldStoreOptions): HoldStore {
  const durable = openDurable({
    dir: path.join(options.dataDir, "hold"),
    corrupt: "HOLD_CORRUPT",
    failed: "HOLD_IO",
    deadlineMs: DEADLINE_MS,
  });
  try {
    return new HoldStore(durable, options);
  } catch (error) {
    void durable.close();
    throw error;
  }
}

export class HoldStore {
  /** A fresh delivery id, known before anything is stored. */
  readonly newDeliveryId: () => string;
  private readonly durable: Durable;
  private readonly queues: Queues;
  private readonly maxAgeMs: number;
  private readonly deadAgeMs: number;
  private readonly now: () => number;

  constructor(durable: Durable, options: HoldStoreOptions) {
    this.durable = durable;
    this.queues = new Queues(options.maxBytesPerTunnel ?? 64 * MIB, options.maxBytes ?? 8 * 1024 * MIB);
    this.maxAgeMs = options.maxAgeMs ?? 36 * HOUR;
    this.deadAgeMs = options.deadAgeMs ?? 7 * 24 * HOUR;
    this.now = options.now ?? steadyClock();
    this.newDeliveryId = deliveryIds(this.now);
    this.load();
  }

  /**
   * Puts a webhook at the end of the tunnel's queue; the order is that of the calls. Resolves when it is on disk. Rejects with HOLD_FULL
   * (the quota of the tunnel, that of all tunnels, or the share of either that the sender's network may take), HOLD_BODY_TOO_LARGE, or HOLD_IO (disk full, failed or slow sync);
   * then nothing is held. An id that is held already is not stored twice.
   */
  async append(identifier: string, deliveryId: string, webhook: Webhook): Promise<{ deliveryId: string; position: number }> {
    if (webhook.body.length > MAX_BODY_BYTES) throw new EdgeError("HOLD_BODY_TOO_LARGE", `${webhook.body.length} bytes.`);
    const known = this.queues.find(identifier, deliveryId);
    if (known) {
      await known.pending;
      return { deliveryId, position: known.record.position };
    }
    const bytes = webhook.rawHead.length + webhook.body.length + ENTRY_OVERHEAD;
    this.queues.checkQuota(identifier, bytes, webhook.source);
    const { source, receivedAt } = webhook;
    const position = this.queues.nextPosition();
    const record = { identifier, id: deliveryId, position, bytes, source, receivedAt, queuedAt: this.now(), attempts: 0, dead: null };
    const stored = this.durable.write(
      [rewriting(record), { key: bytesKey(identifier, deliveryId), value: encodeBytes(webhook.rawHead, webhook.body) }],
      erasing(record),
    );
    const held: Held = { record, pending: stored };
    this.queues.enter(held);
    try {
      await stored;
      held.pending = null;
      return { deliveryId, position };
    } catch (error) {
      this.queues.leave(held);
      throw error;
    }
  }

  /**
   * Up to `limit` waiting entries with a position after `after` (null: from the head), in order; only such as are on disk, and no more than some
   * MB of them at a time. One whose bytes are damaged becomes a dead letter and is passed over. Throws HOLD_IO while the disk fails.
   */
  peek(identifier: string, after: number | null, limit: number): HeldEntry[] {
    const found: HeldEntry[] = [];
    const damaged: string[] = [];
    let bytes = 0;
    for (const { record, pending } of this.queues.of(identifier)?.queue.values() ?? []) {
      if (pending || found.length >= limit || bytes >= PEEK_BYTES) break;
      if (after !== null && record.position <= after) continue;
      bytes += record.bytes;
      const stored = this.durable.get(bytesKey(identifier, record.id));
      if (stored) found.push({ ...decodeBytes(stored), ...publicPart(record), position: record.position });
      else damaged.push(record.id);
    }
    for (const id of damaged) void this.moveToDead(identifier, id, "DAMAGED").catch(() => {});
    return found;
  }

  /**
   * Forgets an entry or a dead letter: at once for everybody who asks, and durably when it resolves. An entry whose storing is under way
   * is forgotten as soon as it is stored. After a rejection (HOLD_IO) it is tried again; a restart before that brings the entry back.
   */
  async remove(identifier: string, deliveryId: string): Promise<void> {
    const held = await this.settled(identifier, deliveryId);
    if (!held) return;
    this.queues.leave(held);
    await this.durable.write(erasing(held.record));
  }

  /** Takes an entry out of the queue and keeps it with the reason. */
  async moveToDead(identifier: string, deliveryId: string, reason: string): Promise<void> {
    const held = await this.settled(identifier, deliveryId);
    if (!held || held.record.dead) return;
    this.queues.bury(held, reason, this.now());
    await this.durable.write([rewriting(held.record)]);
  }

  /** The dead letters of a tunnel, oldest death first. */
  dead(identifier: string): DeadLetter[] {
    const letters = [...(this.queues.of(identifier)?.dead.values() ?? [])].map(({ record }) => ({
      ...publicPart(record),
      bytes: record.bytes - ENTRY_OVERHEAD,
      reason: record.dead?.reason ?? "",
      diedAt: record.dead?.at ?? 0,
    }));
    return letters.sort((a, b) => a.diedAt - b.diedAt);
  }

  /** Puts dead letters at the end of the queue, under their old ids and with their full time to live. Resolves with how many. */
  async replayDead(identifier: string, which: readonly string[] | "all"): Promise<number> {
    const tunnel = this.queues.of(identifier);
    if (!tunnel) return 0;
    const changes: Change[] = [];
    for (const id of which === "all" ? [...tunnel.dead.keys()] : which) {
      const held = tunnel.dead.get(id);
      if (!held) continue;
      this.queues.revive(held, this.now());
      changes.push(rewriting(held.record));
    }
    if (changes.length > 0) await this.durable.write(changes);
    return changes.length;
  }

  /** Forgets everything that is held for a tunnel. Resolves with how many entries and dead letters that were. */
  async purge(identifier: string): Promise<number> {
    const tunnel = this.queues.of(identifier);
    const ids = tunnel ? [...tunnel.queue.keys(), ...tunnel.dead.keys()] : [];
    await Promise.all(ids.map((id) => this.remove(identifier, id)));
    return ids.length;
  }

  /** Counts an attempt to deliver; at once in memory, durably when it resolves, with the new count. */
  async recordAttempt(identifier: string, deliveryId: string): Promise<number> {
    const held = await this.settled(identifier, deliveryId);
    if (!held) return 0;
    held.record = { ...held.record, attempts: held.record.attempts + 1 };
    const { attempts } = held.record;
    await this.durable.write([rewriting(held.record)]);
    return attempts;
  }

  /** Takes no longer for a long queue. */
  stats(identifier: string): HoldStats {
    const tunnel = this.queues.of(identifier);
    if (!tunnel) return { entries: 0, bytes: 0, dead: 0, oldest: null };
    const head = tunnel.queue.values().next().value;
    return { entries: tunnel.queue.size, bytes: tunnel.bytes, dead: tunnel.dead.size, oldest: head?.record.receivedAt ?? null };
  }

  /** Tunnels for which anything is held. */
  identifiers(): string[] {
    return [...this.queues.all()].map(([identifier]) => identifier);
  }

  /**
   * Sets entries aside that have waited too long (reason `EXPIRED`), and deletes dead letters that were kept long enough. The report is
   * for the operator and the owner: nothing disappears unsaid. Takes effect at once; on disk soon after.
   */
  expire(now = this.now()): Expiry[] {
    const report: Expiry[] = [];
    for (const [identifier, tunnel] of this.queues.all()) {
      const old = [...tunnel.dead.values()].filter(({ record }) => now - (record.dead?.at ?? now) >= this.deadAgeMs);
      const late = [...tunnel.queue.values()].filter(({ record, pending }) => !pending && now - record.queuedAt >= this.maxAgeMs);
      const changes: Change[] = [];
      for (const held of late) {
        this.queues.bury(held, "EXPIRED", now);
        changes.push(rewriting(held.record));
      }
      for (const held of old) {
        this.queues.leave(held);
        changes.push(...erasing(held.record));
      }
      if (changes.length === 0) continue;
      // Tried again by itself when it fails.
      this.durable.write(changes).catch(() => {});
      report.push({ identifier, expired: late.length, deleted: old.length });
    }
    return report;
  }

  /** Writes what is under way and lets go of the folder. */
  async close(): Promise<void> {
    await this.durable.close();
  }

  private load(): void {
    const records: EntryRecord[] = [];
    for (const key of this.durable.keys()) {
      if (!isRecordKey(key)) continue;
      const value = this.durable.get(key);
      const record = value ? decodeRecord(value) : null;
      if (!record || recordKey(record.identifier, record.id) !== key) throw new EdgeError("HOLD_CORRUPT", `${key} cannot be read.`);
      records.push(record);
    }
    const now = this.now();
    for (const record of records.sort((a, b) => a.position - b.position)) {
      // Written under a clock that was ahead: it counts from now on.
      record.queuedAt = Math.min(record.queuedAt, now);
      if (record.dead) record.dead.at = Math.min(record.dead.at, now);
      this.queues.enter({ record, pending: null });
    }
  }

  /** What is held under this id, once its storing has ended one way or the other. */
  private async settled(identifier: string, id: string): Promise<Held | undefined> {
    await this.queues.find(identifier, id)?.pending?.catch(() => {});
    return this.queues.find(identifier, id);
  }
}

function publicPart(record: EntryRecord) {
  return { deliveryId: record.id, source: record.source, receivedAt: record.receivedAt, attempts: record.attempts };
}

function rewriting(record: EntryRecord): Change {
  return { key: recordKey(record.identifier, record.id), value: encodeRecord(record) };
}

function erasing({ identifier, id }: EntryRecord): Change[] {
  return [
    { key: recordKey(identifier, id), value: null },
    { key: bytesKey(identifier, id), value: null },
  ];
}
