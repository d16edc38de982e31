/** Which entries are held, in memory: the queue and the dead letters of every tunnel, and what they take from the quotas. */
import { EdgeError } from "../errors.ts";
import { networkOf } from "../peers/network.ts";
import type { EntryRecord } from "./entry.ts";

export interface Held {
  record: EntryRecord;
  /** Settles when it is durable or will not be; null once it is. */
  pending: Promise<void> | null;
}

/** What entries take. */
interface Use {
  bytes: number;
  entries: number;
}

interface Tunnel {
  /** By id, in the order of positions. */
  queue: Map<string, Held>;
  dead: Map<string, Held>;
  bytes: number;
  useOfNetwork: Map<string, Use>;
}

/** One network may take so much of what all tunnels may take together, and so much of one tunnel's quota. */
const SHARE_OF_ALL = 1 / 16;
const SHARE_OF_TUNNEL = 1 / 4;

export class Queues {
  readonly #tunnels = new Map<string, Tunnel>();
  readonly #quota: number;
  readonly #capacity: Use;
  #lastPosition = 0;
  readonly #use: Use = { bytes: 0, entries: 0 };
  readonly #useOfNetwork = new Map<string, Use>();

  /** @param capacity of all tunnels together: keys cost nothing, and so neither do tunnels. */
  constructor(bytesPerTunnel: number, capacity: Use) {
    this.#quota = bytesPerTunnel;
    this.#capacity = capacity;
  }

  nextPosition(): number {
    return ++this.#lastPosition;
  }

  /** What waits behind a position, in order. */
  *waitingAfter(name: string, position: number): Iterable<Held> {
    for (const held of this.#tunnels.get(name)?.queue.values() ?? []) if (held.record.position > position) yield held;
  }

  all(): Iterable<[string, Tunnel]> {
    return this.#tunnels;
  }

  of(name: string): Tunnel | undefined {
    return this.#tunnels.get(name);
  }

  find(name: string, id: string): Held | undefined {
    const tunnel = this.#tunnels.get(name);
    return tunnel?.queue.get(id) ?? tunnel?.dead.get(id);
  }

  /**
   * Throws HOLD_FULL when there is no room for `bytes` of `source`: in the tunnel's quota, in that of all tunnels, or in the share of
   * either.
   */
  checkQuota(name: string, bytes: number, source: string): void {
    const tunnel = this.#tunnels.get(name);
    const network = networkOf(source);
    const ofTunnel = tunnel?.bytes ?? 0;
    if (ofTunnel + bytes > this.#quota) throw new EdgeError("HOLD_FULL", `${ofTunnel} bytes wait.`);
    const ofNetwork = tunnel?.useOfNetwork.get(network)?.bytes ?? 0;
    if (ofNetwork + bytes > this.#quota * SHARE_OF_TUNNEL)
      throw new EdgeError("HOLD_FULL", `${ofNetwork} bytes from the network ${network} wait.`);
    if (exceeds(this.#use, bytes, this.#capacity, 1))
      throw new EdgeError("HOLD_FULL", `${this.#use.entries} webhooks (${this.#use.bytes} bytes) of all tunnels wait.`);
    const all = this.#useOfNetwork.get(network) ?? { bytes: 0, entries: 0 };
    if (exceeds(all, bytes, this.#capacity, SHARE_OF_ALL))
      throw new EdgeError("HOLD_FULL", `${all.entries} webhooks (${all.bytes} bytes) from the network ${network} wait for all tunnels.`);
  }

  /** At the end of the queue, or of the dead letters when it is one. */
  add(held: Held): void {
    const { identifier, id, position, bytes, source, dead } = held.record;
    const tunnel = this.#tunnels.get(identifier) ?? { queue: new Map(), dead: new Map(), bytes: 0, useOfNetwork: new Map() };
    this.#tunnels.set(identifier, tunnel);
    (dead ? tunnel.dead : tunnel.queue).set(id, held);
    this.#lastPosition = Math.max(this.#lastPosition, position);
    this.#count(tunnel, networkOf(source), bytes, 1);
  }

  remove(held: Held): void {
    const { identifier, id, bytes, source } = held.record;
    const tunnel = this.#tunnels.get(identifier);
    if (!tunnel || this.find(identifier, id) !== held) return;
    tunnel.queue.delete(id);
    tunnel.dead.delete(id);
    this.#count(tunnel, networkOf(source), -bytes, -1);
    if (tunnel.queue.size === 0 && tunnel.dead.size === 0) this.#tunnels.delete(identifier);
  }

  /** From the queue to the dead letters; the quota stays as it is. */
  setAside(held: Held, reason: string, at: number): void {
    held.record = { ...held.record, dead: { reason, at } };
    const tunnel = this.#tunnels.get(held.record.identifier);
    tunnel?.queue.delete(held.record.id);
    tunnel?.dead.set(held.record.id, held);
  }

  /** From the dead letters to the end of the queue. */
  requeue(held: Held, at: number): void {
    held.record = { ...held.record, position: this.nextPosition(), queuedAt: at, dead: null };
    const tunnel = this.#tunnels.get(held.record.identifier);
    tunnel?.dead.delete(held.record.id);
    tunnel?.queue.set(held.record.id, held);
  }

  #count(tunnel: Tunnel, network: string, bytes: number, entries: number): void {
    tunnel.bytes += bytes;
    this.#use.bytes += bytes;
    this.#use.entries += entries;
    for (const useOf of [tunnel.useOfNetwork, this.#useOfNetwork]) {
      const use = useOf.get(network) ?? { bytes: 0, entries: 0 };
      use.bytes += bytes;
      use.entries += entries;
      if (use.entries > 0) useOf.set(network, use);
      else useOf.delete(network);
    }
  }
}

function exceeds(use: Use, bytes: number, limit: Use, share: number): boolean {
  return use.bytes + bytes > limit.bytes * share || use.entries + 1 > limit.entries * share;
}
