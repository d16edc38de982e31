/** Which tunnel serves which name right now. The newest authenticated connection of a key wins. */
import type { Tunnel } from "./tunnel.ts";

/** How long a connection that was replaced may finish what it is doing. */
const REPLACED_GRACE_MS = 30_000;

export class Routes {
  readonly #current = new Map<string, Tunnel>();
  readonly #waiting = new Map<string, Set<(tunnel: Tunnel | null) => void>>();
  readonly #listeners: ((name: string, tunnel: Tunnel | null) => void)[] = [];

  get(name: string): Tunnel | undefined {
    return this.#current.get(name);
  }

  all(): Iterable<Tunnel> {
    return this.#current.values();
  }

  get size(): number {
    return this.#current.size;
  }

  /** Called with every tunnel that comes (or null when a name has none any more). */
  onChange(listener: (name: string, tunnel: Tunnel | null) => void): void {
    this.#listeners.push(listener);
  }

  attach(tunnel: Tunnel): void {
    const old = this.#current.get(tunnel.name);
    this.#current.set(tunnel.name, tunnel);
    // The same process came back: its old connection is dead, whether we have noticed or not.
    if (old) old.drain("TAKEN_OVER", 0, old.instance === tunnel.instance ? 0 : REPLACED_GRACE_MS);
    const waiting = this.#waiting.get(tunnel.name);
    this.#waiting.delete(tunnel.name);
    for (const listener of this.#listeners) listener(tunnel.name, tunnel);
    for (const resume of waiting ?? []) resume(tunnel);
  }

  /** Forgets a tunnel, unless its name has gone to a newer one. */
  detach(tunnel: Tunnel): void {
    if (this.#current.get(tunnel.name) !== tunnel) return;
    this.#current.delete(tunnel.name);
    for (const listener of this.#listeners) listener(tunnel.name, null);
  }

  /** The next tunnel of this name; null after `timeoutMs`. Returns a function that gives up waiting. */
  wait(name: string, timeoutMs: number, done: (tunnel: Tunnel | null) => void): () => void {
    const waiting = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, waiting);
    const cancel = () => {
      clearTimeout(timer);
      waiting.delete(resume);
      if (waiting.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
    };
    const resume = (tunnel: Tunnel | null) => {
      cancel();
      done(tunnel);
    };
    const timer = setTimeout(() => resume(null), timeoutMs);
    waiting.add(resume);
    return cancel;
  }
}
