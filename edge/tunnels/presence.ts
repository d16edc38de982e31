/** Which tunnel serves which name right now. The newest authenticated connection of a key wins. */
import type { Tunnel } from "./tunnel.ts";

/** How long a connection that was replaced may finish what it is doing. */
const REPLACED_GRACE_MS = 30_000;
/** For so long after a loss it is worth waiting for a tunnel to come back. */
const RETURN_WITHIN_MS = 60_000;
/** A client that has logged in asks for its forward at once. */
const EXPECT_WITHIN_MS = 10_000;

/**
 * What an edge of several processes would keep in a place that they share. Looking up is local everywhere; announcing may take a moment.
 */
export interface Presence {
  readonly size: number;
  get(name: string): Tunnel | undefined;
  all(): Iterable<Tunnel>;
  /** Before a client is welcomed: resolves when no other process serves the name any more. */
  announce(tunnel: Tunnel): Promise<void>;
  /** From now on this tunnel serves its name; the one before it is asked to go. */
  attach(tunnel: Tunnel): void;
  /** Forgets a tunnel, unless its name has gone to a newer one. `lost`: the connection broke, so the client may come back at once. */
  detach(tunnel: Tunnel, lost: boolean): void;
  /** A tunnel of this name is about to open: its client has been told the URL. */
  expect(name: string): void;
  /** Whether a tunnel of this name is expected, or was lost so recently that it may well come back while a request waits. */
  mayReturn(name: string): boolean;
  /**
   * A tunnel of this name other than `lost`: the one that has taken its place already, or the next that comes; null after `timeoutMs`.
   * Calls back once, not before it has returned a function that gives up waiting.
   */
  wait(name: string, lost: Tunnel | null, timeoutMs: number, done: (tunnel: Tunnel | null) => void): () => void;
  /** Called with every tunnel that comes (or null when a name has none any more). */
  onChange(listener: (name: string, tunnel: Tunnel | null) => void): void;
}

/** The presence of an edge that is one process. */
export class LocalPresence implements Presence {
  readonly #current = new Map<string, Tunnel>();
  readonly #lostAt = new Map<string, number>();
  readonly #waiting = new Map<string, Set<(tunnel: Tunnel | null) => void>>();
  readonly #listeners: ((name: string, tunnel: Tunnel | null) => void)[] = [];

  get size(): number {
    return this.#current.size;
  }

  get(name: string): Tunnel | undefined {
    return this.#current.get(name);
  }

  all(): Iterable<Tunnel> {
    return this.#current.values();
  }

  onChange(listener: (name: string, tunnel: Tunnel | null) => void): void {
    this.#listeners.push(listener);
  }

  announce(_tunnel: Tunnel): Promise<void> {
    return Promise.resolve();
  }

  attach(tunnel: Tunnel): void {
    const old = this.#current.get(tunnel.name);
    this.#current.set(tunnel.name, tunnel);
    this.#lostAt.delete(tunnel.name);
    // The same process came back: its old connection is dead, whether we have noticed or not.
    if (old) old.drain("TAKEN_OVER", 0, old.instance === tunnel.instance ? 0 : REPLACED_GRACE_MS);
    const waiting = this.#waiting.get(tunnel.name);
    this.#waiting.delete(tunnel.name);
    for (const listener of this.#listeners) listener(tunnel.name, tunnel);
    for (const resume of waiting ?? []) resume(tunnel);
  }

  detach(tunnel: Tunnel, lost: boolean): void {
    if (this.#current.get(tunnel.name) !== tunnel) return;
    this.#current.delete(tunnel.name);
    if (lost) this.#lostAt.set(tunnel.name, Date.now());
    for (const listener of this.#listeners) listener(tunnel.name, null);
  }

  expect(name: string): void {
    if (!this.#current.has(name) && !this.mayReturn(name)) this.#lostAt.set(name, Date.now() - RETURN_WITHIN_MS + EXPECT_WITHIN_MS);
  }

  mayReturn(name: string): boolean {
    const at = this.#lostAt.get(name);
    return at !== undefined && Date.now() - at < RETURN_WITHIN_MS;
  }

  /** Losses that are too long ago to matter. */
  forgetLosses(): void {
    for (const name of this.#lostAt.keys()) if (!this.mayReturn(name)) this.#lostAt.delete(name);
  }

  wait(name: string, lost: Tunnel | null, timeoutMs: number, done: (tunnel: Tunnel | null) => void): () => void {
    const present = this.#current.get(name);
    if (present && present !== lost) {
      const soon = setImmediate(() => done(present));
      return () => clearImmediate(soon);
    }
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
