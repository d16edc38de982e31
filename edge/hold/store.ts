/**
 * Acknowledged webhooks on the local disk: one first-in-first-out queue a tunnel, and dead letters beside it. Memory holds the small
 * record of every entry and decides; bodies are on disk only. What a promise says is on disk.
 */
import path from "node:path";
import { getHeapStatistics } from "node:v8";
import { EdgeError } from "../errors.ts";
import { steadyClock } from "../store/clock.ts";
import { openDurable, type Change, type Durable } from "../store/durable.ts";
import type { Damaged } from "../store/log/salvage.ts";
import { deliveryIds } from "./delivery-id.ts";
import {
  bytesKey,
  decodeBytes,
  decodeRecord,
  encodeBytes,
  encodeRecord,
  ENTRY_OVERHEAD,
  HEAP_PER_ENTRY,
  isRecordKey,
  recordKey,
  type EntryRecord,
} from "./entry.ts";
import type { DeadLetter, Expiry, HeldEntry, HoldStats, HoldStore, Webhook } from "./hold-store.ts";
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
  /** So many entries of all tunnels, likewise. Default: as many as half of the heap can hold the records of. */
  maxEntries?: number;
  /** So long an entry waits for delivery; then it becomes a dead letter. */
  maxAgeMs?: number;
  /** So long a dead letter is kept. */
  deadAgeMs?: number;
  /** Milliseconds since 1970, for ages. Default: a clock that does not jump. */
  now?: () => number;
  /** What was found damaged on disk. It costs the webhooks that it touches: they are dead letters, or gone where not even that is left. */
  onDamage?: (damaged: Damaged[]) => void;
}

function entriesInHeap(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / 2 / HEAP_PER_ENTRY);
}

/**
 * Opens the store in `dataDir`, which nobody else may have open. Throws EDGE_DATA when the folder cannot be used, and HOLD_CORRUPT when
 * what is there cannot be read at all.
 */
export function openHoldStore(options: HoldStoreOptions): LocalHoldStore {
  const durable = openDurable({
    dir: path.join(options.dataDir, "hold"),
    corrupt: "HOLD_CORRUPT",
    failed: "HOLD_IO",
    deadlineMs: DEADLINE_MS,
    onDamage: options.onDamage ?? (() => {}),
  });
  try {
    return new LocalHoldStore(durable, options);
  } catch (error) {
    void durable.close();
    throw error;
  }
}

export class LocalHoldStore implements HoldStore {
  readonly newDeliveryId: () => string;
  readonly #durable: Durable;
  readonly #queues: Queues;
  readonly #maxAgeMs: number;
  readonly #deadAgeMs: number;
  readonly #now: () => number;

  constructor(durable: Durable, options: HoldStoreOptions) {
    this.#durable = durable;
    this.#queues = new Queues(options.maxBytesPerTunnel ?? 64 * MIB, {
      bytes: options.maxBytes ?? 8 * 1024 * MIB,
      entries: options.maxEntries ?? entriesInHeap(),
    });
    this.#maxAgeMs = options.maxAgeMs ?? 36 * HOUR;
    this.#deadAgeMs = options.deadAgeMs ?? 7 * 24 * HOUR;
    this.#now = options.now ?? steadyClock();
    this.newDeliveryId = deliveryIds(this.#now);
    this.#load();
  }

  async append(name: string, deliveryId: string, webhook: Webhook, attempts = 0): Promise<{ deliveryId: string; position: number }> {
    if (webhook.body.length > MAX_BODY_BYTES) throw new EdgeError("HOLD_BODY_TOO_LARGE", `${webhook.body.length} bytes.`);
    const known = this.#queues.find(name, deliveryId);
    if (known) {
      await known.pending;
      return { deliveryId, position: known.record.position };
    }
    const bytes = webhook.rawHead.length + webhook.body.length + ENTRY_OVERHEAD;
    this.#queues.checkQuota(name, bytes, webhook.source);
    const { source, receivedAt } = webhook;
    const position = this.#queues.nextPosition();
    const record: EntryRecord = {
      identifier: name,
      id: deliveryId,
      position,
      bytes,
      source,
      receivedAt,
      queuedAt: this.#now(),
      attempts,
      dead: null,
    };
    const stored = this.#durable.write(
      [rewriting(record), { key: bytesKey(name, deliveryId), value: encodeBytes(webhook.rawHead, webhook.body) }],
      erasing(record),
    );
    const held: Held = { record, pending: stored };
    this.#queues.add(held);
    try {
      await stored;
      held.pending = null;
      return { deliveryId, position };
    } catch (error) {
      this.#queues.remove(held);
      throw error;
    }
  }

  async peek(name: string, after: number, limit: number): Promise<HeldEntry[]> {
    const found: HeldEntry[] = [];
    const damaged: string[] = [];
    let bytes = 0;
    for (const { record, pending } of this.#queues.waitingAfter(name, after)) {
      if (pending || found.length >= limit || bytes >= PEEK_BYTES) break;
      bytes += record.bytes;
      const stored = this.#durable.get(bytesKey(name, record.id));
      if (stored) found.push({ ...decodeBytes(stored), ...publicPart(record), position: record.position });
      else damaged.push(record.id);
    }
    for (const id of damaged) this.moveToDead(name, id, "DAMAGED").catch(() => {});
    return found;
  }

  waiting(name: string): boolean {
    return (this.#queues.of(name)?.queue.size ?? 0) > 0;
  }

  async remove(name: string, deliveryId: string): Promise<void> {
    await this.#change(name, deliveryId, (held) => {
      this.#queues.remove(held);
      return erasing(held.record);
    });
  }

  async moveToDead(name: string, deliveryId: string, reason: string): Promise<void> {
    await this.#change(name, deliveryId, (held) => {
      if (held.record.dead) return [];
      this.#queues.setAside(held, reason, this.#now());
      return [rewriting(held.record)];
    });
  }

  async recordAttempt(name: string, deliveryId: string): Promise<number> {
    let attempts = 0;
    await this.#change(name, deliveryId, (held) => {
      attempts = held.record.attempts + 1;
      held.record = { ...held.record, attempts };
      return [rewriting(held.record)];
    });
    return attempts;
  }

  async dead(name: string): Promise<DeadLetter[]> {
    const letters = [...(this.#queues.of(name)?.dead.values() ?? [])].map(({ record }) => ({
      ...publicPart(record),
      bytes: record.bytes - ENTRY_OVERHEAD,
      reason: record.dead?.reason ?? "",
      diedAt: record.dead?.at ?? 0,
    }));
    return letters.sort((a, b) => a.diedAt - b.diedAt);
  }

  async replayDead(name: string, which: readonly string[] | "all"): Promise<number> {
    const tunnel = this.#queues.of(name);
    if (!tunnel) return 0;
    const changes: Change[] = [];
    for (const id of which === "all" ? [...tunnel.dead.keys()] : which) {
      const held = tunnel.dead.get(id);
      if (!held) continue;
      this.#queues.requeue(held, this.#now());
      changes.push(rewriting(held.record));
    }
    if (changes.length > 0) await this.#durable.write(changes);
    return changes.length;
  }

  async purge(name: string): Promise<number> {
    const tunnel = this.#queues.of(name);
    const ids = tunnel ? [...tunnel.queue.keys(), ...tunnel.dead.keys()] : [];
    await Promise.all(ids.map((id) => this.remove(name, id)));
    return ids.length;
  }

  /** Takes no longer for a long queue. */
  stats(name: string): HoldStats {
    const tunnel = this.#queues.of(name);
    if (!tunnel) return { entries: 0, bytes: 0, dead: 0, oldest: null };
    const head = tunnel.queue.values().next().value;
    return { entries: tunnel.queue.size, bytes: tunnel.bytes, dead: tunnel.dead.size, oldest: head?.record.receivedAt ?? null };
  }

  names(): string[] {
    return [...this.#queues.all()].map(([name]) => name);
  }

  async expire(): Promise<Expiry[]> {
    const now = this.#now();
    const report: Expiry[] = [];
    for (const [name, tunnel] of this.#queues.all()) {
      const old = [...tunnel.dead.values()].filter(({ record }) => now - (record.dead?.at ?? now) >= this.#deadAgeMs);
      const late = [...tunnel.queue.values()].filter(({ record, pending }) => !pending && now - record.queuedAt >= this.#maxAgeMs);
      const changes: Change[] = [];
      for (const held of late) {
        this.#queues.setAside(held, "EXPIRED", now);
        changes.push(rewriting(held.record));
      }
      for (const held of old) {
        this.#queues.remove(held);
        changes.push(...erasing(held.record));
      }
      if (changes.length === 0) continue;
      // Tried again by itself when it fails.
      this.#durable.write(changes).catch(() => {});
      report.push({ name, expired: late.length, deleted: old.length });
    }
    return report;
  }

  async close(): Promise<void> {
    await this.#durable.close();
  }

  #load(): void {
    const records: EntryRecord[] = [];
    for (const key of this.#durable.keys()) {
      if (!isRecordKey(key)) continue;
      const value = this.#durable.get(key);
      const record = value ? decodeRecord(value) : null;
      if (!record || recordKey(record.identifier, record.id) !== key) throw new EdgeError("HOLD_CORRUPT", `${key} cannot be read.`);
      records.push(record);
    }
    const now = this.#now();
    for (const record of records.sort((a, b) => a.position - b.position)) {
      // Written under a clock that was ahead: it counts from now on.
      record.queuedAt = Math.min(record.queuedAt, now);
      if (record.dead) record.dead.at = Math.min(record.dead.at, now);
      this.#queues.add({ record, pending: null });
    }
    this.#setDamagedAside(now);
  }

  /**
   * A webhook of which one half is damaged: its owner sees it among the dead letters, and can send it again where that is the small
   * half.
   */
  #setDamagedAside(now: number): void {
    for (const [, { queue }] of this.#queues.all()) {
      for (const held of queue.values()) {
        const { identifier, id } = held.record;
        if (!this.#durable.has(bytesKey(identifier, id))) this.#queues.setAside(held, "DAMAGED", now);
      }
    }
    for (const key of this.#durable.keys()) {
      const [kind, identifier = "", id = ""] = key.split("/");
      if (kind !== "bytes" || this.#queues.find(identifier, id)) continue;
      const bytes = (this.#durable.get(key)?.length ?? 0) + ENTRY_OVERHEAD;
      const position = this.#queues.nextPosition();
      const dead = { reason: "DAMAGED", at: now };
      const known = { identifier, id, position, bytes, source: "", receivedAt: now, queuedAt: now, attempts: 0, dead };
      this.#queues.add({ record: known, pending: null });
      this.#durable.write([rewriting(known)]).catch(() => {});
    }
  }

  /**
   * Changes what is held under this id, once its storing has ended one way or the other, and writes that. The entry is looked up, changed
   * and handed to the disk without a pause in between, so that two changes of one entry never miss each other.
   */
  async #change(name: string, id: string, change: (held: Held) => Change[]): Promise<void> {
    const pending = this.#queues.find(name, id)?.pending;
    if (pending) await pending.catch(() => {});
    const held = this.#queues.find(name, id);
    const changes = held ? change(held) : [];
    if (changes.length > 0) await this.#durable.write(changes);
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
