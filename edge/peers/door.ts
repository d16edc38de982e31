/** How many connections one network has, and how fast it opens them. */
import type { Duplex } from "node:stream";
import type { LimitName, Limits } from "../limits.ts";
import { Places, Rates } from "./counts.ts";
import { networkOf } from "./network.ts";
import { addressOf, type Trust } from "./trust.ts";

export class Door {
  readonly #limits: () => Limits;
  readonly #trust: Trust;
  readonly #onRefused: (limit: LimitName) => void;
  readonly #places = new Places();
  readonly #rates = new Rates(1_000, 2);

  constructor(limits: () => Limits, trust: Trust, onRefused: (limit: LimitName) => void) {
    this.#limits = limits;
    this.#trust = trust;
    this.#onRefused = onRefused;
  }

  /** Whether a connection may stay, until it closes. */
  enter(socket: Duplex): boolean {
    const exceeded = this.#exceeds(socket);
    if (exceeded) this.#onRefused(exceeded);
    return exceeded === null;
  }

  #exceeds(socket: Duplex): LimitName | null {
    const address = addressOf(socket);
    // A trusted proxy has one connection for many senders, who are counted by request.
    if (this.#trust.has(address)) return null;
    const limits = this.#limits();
    const network = networkOf(address);
    if (!this.#rates.take(network, limits["new-connections-per-second"])) return "new-connections-per-second";
    if (!this.#places.take(network, limits["connections-per-network"])) return "connections-per-network";
    socket.once("close", () => this.#places.give(network));
    return null;
  }
}
