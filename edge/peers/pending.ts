/**
 * Connections that have not shown yet what they are for: no key proven, no TLS handshake done. A place among them is taken before anything
 * is awaited. When all places are taken, the one that has said nothing for the longest goes; where all say something, those that have not
 * got on for a while; and else the newcomer, because it has cost nothing so far, and those that are nearly done would have to begin anew.
 */
import type { Socket } from "node:net";
import { Places } from "./counts.ts";
import { networkOf } from "./network.ts";
import { addressOf } from "./trust.ts";

/** A step of a handshake takes a round trip, and a moment of a busy machine. */
const STEP_MS = 3_000;

export interface PendingLimits {
  /** In all, and from one network. */
  total: number;
  perNetwork: number;
  /** From the connection to the end of what it has to show. */
  graceMs: number;
}

interface Entry {
  network: string;
  deadline: NodeJS.Timeout;
  /** What it had sent when it was last looked at. */
  bytes: number;
  /** When it was last seen to get on, milliseconds. */
  at: number;
}

export class Pending {
  readonly #limits: () => PendingLimits;
  readonly #networks = new Places();
  /** Those that have said nothing, and those that have; the longest without news first. */
  readonly #silent = new Map<Socket, Entry>();
  readonly #speaking = new Map<Socket, Entry>();

  constructor(limits: () => PendingLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#silent.size + this.#speaking.size;
  }

  /** False: there is no place, in all or for its network. */
  begin(socket: Socket, now = performance.now()): boolean {
    const { total, perNetwork, graceMs } = this.#limits();
    const network = networkOf(addressOf(socket));
    if (!this.#networks.take(network, perNetwork)) return false;
    if (this.size >= total && !this.#makeRoom(now)) {
      this.#networks.give(network);
      return false;
    }
    const deadline = setTimeout(() => socket.destroy(), graceMs);
    this.#silent.set(socket, { network, deadline, bytes: socket.bytesRead, at: now });
    socket.once("close", () => this.end(socket));
    return true;
  }

  has(socket: Socket): boolean {
    return this.#silent.has(socket) || this.#speaking.has(socket);
  }

  /** It has got so far that it is worth waiting for. */
  extend(socket: Socket, ms: number): void {
    const entry = this.#silent.get(socket) ?? this.#speaking.get(socket);
    if (!entry) return;
    clearTimeout(entry.deadline);
    entry.deadline = setTimeout(() => socket.destroy(), ms);
  }

  /** It has shown what it had to, or is gone. */
  end(socket: Socket): void {
    const entry = this.#silent.get(socket) ?? this.#speaking.get(socket);
    if (!entry) return;
    this.#silent.delete(socket);
    this.#speaking.delete(socket);
    clearTimeout(entry.deadline);
    this.#networks.give(entry.network);
  }

  close(): void {
    for (const socket of [...this.#silent.keys(), ...this.#speaking.keys()]) socket.destroy();
  }

  #makeRoom(now: number): boolean {
    for (const [socket, entry] of this.#silent) {
      if (socket.bytesRead === entry.bytes) return this.#evict(socket);
      this.#silent.delete(socket);
      this.#speaking.set(socket, { ...entry, bytes: socket.bytesRead, at: now });
    }
    for (const [socket, entry] of this.#speaking) {
      if (socket.bytesRead === entry.bytes) return now - entry.at >= STEP_MS && this.#evict(socket);
      this.#speaking.delete(socket);
      this.#speaking.set(socket, { ...entry, bytes: socket.bytesRead, at: now });
    }
    return false;
  }

  #evict(socket: Socket): true {
    this.end(socket);
    socket.destroy();
    return true;
  }
}
