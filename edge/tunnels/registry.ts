/** Every tunnel that is open, with the key that opened it: who may stay, which names are in use, what is said when one comes or goes. */
import type { LocalPresence } from "./presence.ts";
import type { Tunnel } from "./tunnel.ts";

const SWEEP_MS = 3_000;

/** Who is at the other end of a connection. */
export interface Client {
  /** SSH key blob. */
  key: Buffer;
  /** Address it came from. */
  address: string;
}

export interface RegistryOptions {
  presence: LocalPresence;
  /** Whether this client may still be connected. */
  allowed: (client: Client) => boolean;
  /** The name is in use now. */
  touch: (name: string) => void;
  onOpen: (tunnel: Tunnel) => void;
  log: (line: string) => void;
}

export class TunnelRegistry {
  readonly #options: RegistryOptions;
  readonly #clients = new Map<Tunnel, Client>();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.#look(), SWEEP_MS);
    this.#sweep.unref();
  }

  opened(tunnel: Tunnel, client: Client): void {
    const { presence, onOpen, log } = this.#options;
    this.#clients.set(tunnel, client);
    log(`tunnel ${tunnel.name} open (${tunnel.client})`);
    presence.attach(tunnel);
    onOpen(tunnel);
  }

  /** `lost`: the connection broke, so the client may come back at once. Only the first of several goodbyes counts. */
  closed(tunnel: Tunnel, lost: boolean): void {
    if (!this.#clients.delete(tunnel)) return;
    const { presence, touch, log } = this.#options;
    log(`tunnel ${tunnel.name} ${lost ? "lost" : "closed"}`);
    touch(tunnel.name);
    presence.detach(tunnel, lost);
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  #look(): void {
    const { presence, allowed, touch } = this.#options;
    presence.forgetLosses();
    // A name whose tunnel stays open for months is in use all the time, and nobody else's after a crash.
    for (const { name } of presence.all()) touch(name);
    // A key that was taken off the list loses the tunnels it has, too.
    for (const [tunnel, client] of this.#clients) if (!allowed(client)) tunnel.destroy();
  }
}
