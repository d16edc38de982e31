/** How many connections one network has, and how fast it opens them. */
import type { Duplex } from "node:stream";
import type { Limits } from "../limits.ts";
import { Places, Rates } from "./counts.ts";
import { networkOf } from "./network.ts";
import { addressOf, type Trust } from "./trust.ts";

export class Door {
  readonly #limits: () => Limits;
  readonly #trust: () => Trust;
  readonly #places = new Places();
  readonly #rates = new Rates(1_000, 2);

  constructor(limits: () => Limits, trust: () => Trust) {
    this.#limits = limits;
    this.#trust = trust;
  }

  /** Null: it may stay, until it closes. Else the limit that it exceeds. */
  enter(socket: Duplex): "connections-per-network" | "new-connections-per-second" | null {
    const address = addressOf(socket);
    // A trusted proxy has one connection for many senders, who are counted by request.
    if (this.#trust().has(address)) return null;
    const limits = this.#limits();
    const network = networkOf(address);
    if (!this.#rates.take(network, limits["new-connections-per-second"])) return "new-connections-per-second";
    if (!this.#places.take(network, limits["connections-per-network"])) return "connections-per-network";
    socket.once("close", () => this.#places.give(network));
    return null;
  }
}
