/**
 * Connections that have not proven a key yet. A place among them is taken before anything is awaited. When all places are taken the oldest
 * goes: a login takes a moment, and those that stay are there to keep others out.
 */
import type { Socket } from "node:net";
import { networkOf } from "../network.ts";
import type { SshLimits } from "./options.ts";

/** From the first byte to a proven key. */
const LOGIN_GRACE_MS = 10_000;
/** A client whose key would do gets this long to prove it: somebody may be typing a passphrase. */
const TYPING_GRACE_MS = 60_000;

export class Logins {
  readonly #limits: SshLimits;
  readonly #perNetwork = new Map<string, number>();
  /** Oldest first. */
  readonly #pending = new Map<Socket, { network: string; deadline: NodeJS.Timeout }>();

  constructor(limits: SshLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** False: its network has too many. */
  begin(socket: Socket): boolean {
    const network = networkOf(socket.remoteAddress ?? "");
    const count = this.#perNetwork.get(network) ?? 0;
    if (count >= this.#limits.unauthenticatedPerNetwork) return false;
    this.#perNetwork.set(network, count + 1);
    const [oldest] = this.#pending.keys();
    this.#pending.set(socket, { network, deadline: setTimeout(() => socket.destroy(), LOGIN_GRACE_MS) });
    socket.once("close", () => this.end(socket));
    if (this.#pending.size > this.#limits.unauthenticated && oldest) {
      this.end(oldest);
      oldest.destroy();
    }
    return true;
  }

  /** The client has offered a key that would do. */
  offered(socket: Socket): void {
    const login = this.#pending.get(socket);
    if (!login) return;
    clearTimeout(login.deadline);
    login.deadline = setTimeout(() => socket.destroy(), TYPING_GRACE_MS);
  }

  /** It has logged in, or is gone. */
  end(socket: Socket): void {
    const login = this.#pending.get(socket);
    if (!login) return;
    this.#pending.delete(socket);
    clearTimeout(login.deadline);
    const left = (this.#perNetwork.get(login.network) ?? 1) - 1;
    if (left > 0) this.#perNetwork.set(login.network, left);
    else this.#perNetwork.delete(login.network);
  }
}
