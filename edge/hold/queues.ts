/** Which entries are held, in memory: the queue and the dead letters of every tunnel, and what they take from the quotas. */
import { EdgeError } from "../errors.ts";
import { networkOf } from "../network.ts";
import type { EntryRecord } from "./entry.ts";

export interface Held {
  record: EntryRecord;
  /** Settles when it is durable or will not be; null once it is. */
  pending: Promise<void> | null;
}

export interface Tunnel {
  /** By id, in the order of positions. */
  queue: Map<string, Held>;
  dead: Map<string, Held>;
  bytes: number;
  bytesOfNetwork: Map<string, number>;
}

export class Queues {
  readonly #tunnels = new Map<string, Tunnel>();
  readonly #quota: number;
  readonly #capacity: number;
  #lastPosition = 0;
  /** Of all tunnels. */
  #bytes = 0;
  readonly #bytesOfNetwork = new Map<string, number>();

  /** @param capacity bytes of all tunnels together: keys cost nothing, and so neither do tunnels. */
  constructor(bytesPerTunnel: number, capacity: number) {
    this.#quota = bytesPerTunnel;
    this.#capacity = capacity;
  }

  nextPosition(): number {
    return ++this.#lastPosition;
  }

  /** What waits behind a position, in order. */
  *waitingAfter(identifier: string, position: number): Iterable<Held> {
    for (const held of this.#tunnels.get(identifier)?.queue.values() ?? []) if (held.record.position > position) yield held;
  }

  all(): Iterable<[string, Tunnel]> {
    return this.#tunnels;
  }

  of(identifier: string): Tunnel | undefined {
    return this.#tunnels.get(identifier);
  }

  find(identifier: string, id: string): Held | undefined {
    const tunnel = this.#tunnels.get(identifier);
    return tunnel?.queue.get(id) ?? tunnel?.dead.get(id);
  }

  /**
   * Throws HOLD_FULL when the tunnel's quota, or the quarter of it that the network of `source` may take, has no room for `bytes`, and likewise
   * for all tunnels together, of which a network may take a sixteenth.
   */
  checkQuota(identifier: string, bytes: number, source: string): void {
    const tunnel = this.#tunnels.get(identifier);
    const whole = tunnel?.bytes ?? 0;
    if (whole + bytes > this.#quota) throw new EdgeError("HOLD_FULL", `${whole} bytes wait.`);
    const network = networkOf(source);
    const part = tunnel?.bytesOfNetwork.get(network) ?? 0;
    if (part + bytes > this.#quota / 4) throw new EdgeError("HOLD_FULL", `${part} bytes from the network ${network} wait.`);
    if (this.#bytes + bytes > this.#capacity) throw new EdgeError("HOLD_FULL", `${this.#bytes} bytes of all tunnels wait.`);
    const all = this.#bytesOfNetwork.get(network) ?? 0;
    if (all + bytes > this.#capacity / 16)
      throw new EdgeError("HOLD_FULL", `${all} bytes from the network ${network} wait for all tunnels.`);
  }

  /** At the end of the queue, or of the dead letters when it is one. */
  add(held: Held): void {
    const { identifier, id, position, bytes, source, dead } = held.record;
    const tunnel = this.#tunnels.get(identifier) ?? { queue: new Map(), dead: new Map(), bytes: 0, bytesOfNetwork: new Map() };
    this.#tunnels.set(identifier, tunnel);
    (dead ? tunnel.dead : tunnel.queue).set(id, held);
    this.#lastPosition = Math.max(this.#lastPosition, position);
    tunnel.bytes += bytes;
    this.#bytes += bytes;
    const network = networkOf(source);
    change(tunnel.bytesOfNetwork, network, bytes);
    change(this.#bytesOfNetwork, network, bytes);
  }

  remove(held: Held): void {
    const { identifier, id, bytes, source } = held.record;
    const tunnel = this.#tunnels.get(identifier);
    if (!tunnel || this.find(identifier, id) !== held) return;
    tunnel.queue.delete(id);
    tunnel.dead.delete(id);
    tunnel.bytes -= bytes;
    this.#bytes -= bytes;
    const network = networkOf(source);
    change(tunnel.bytesOfNetwork, network, -bytes);
    change(this.#bytesOfNetwork, network, -bytes);
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
}

function change(bytesOf: Map<string, number>, network: string, by: number): void {
  const bytes = (bytesOf.get(network) ?? 0) + by;
  if (bytes > 0) bytesOf.set(network, bytes);
  else bytesOf.delete(network);
}
