/**
 * Delivers what is held for one tunnel, in order. Up to 64 entries are sent ahead, so that the round trip to the agent does not limit the
 * rate; the agent takes them to the local service one at a time, and gives back untried what stands behind one that was not accepted.
 *
 * The edge cannot tell a stranger's forgery from a webhook; the local service answers it with 401 or 403. Such an answer may also mean that
 * the service has the wrong secret. So the next one is tried as well: when that is accepted, the refused one is tried once more and set aside
 * if it is refused again; when none is accepted, they all stay where they are and are tried again, in order.
 */
import type { Exchange, Tunnel } from "../tunnels/tunnel.ts";
import { ResetCode } from "../wire/frames.ts";
import { decodeHead, deliveryHead } from "./head.ts";
import { backoff, classify, isRefusal } from "./policy.ts";
import type { HeldEntry, HoldStore } from "./store.ts";

const AHEAD = 64;
/** So many refused entries in a row are passed by before the queue waits. */
const BYPASS = 64;
/** The local service may take this long for one entry. */
const ATTEMPT_MS = 30_000;

interface Attempt {
  entry: HeldEntry;
  tunnel: Tunnel;
  exchange: Exchange | null;
}

export interface DrainerOptions {
  name: string;
  store: HoldStore;
  /** The edge is about to end: what has not been sent is its successor's to deliver. */
  stopping: () => boolean;
  /** Something was delivered or set aside. */
  onChange: () => void;
  log: (line: string) => void;
}

export class Drainer {
  readonly #options: DrainerOptions;
  #tunnel: Tunnel | null = null;
  /** Sent ahead, in order; the first one is at the local service. */
  #attempts: Attempt[] = [];
  #cursor: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #deadline: NodeJS.Timeout | null = null;
  /** Live requests that were stored while the local service still had them. */
  #live = 0;
  /** Since when an entry has been answered with nothing but 401, 403 or 500. */
  readonly #refusedSince = new Map<string, number>();
  /** Passed by in this round, in order. */
  #bypassed: HeldEntry[] = [];
  /** Ids of those that were passed by when another one was accepted. */
  readonly #suspects = new Set<string>();
  #closed = false;

  constructor(options: DrainerOptions) {
    this.#options = options;
  }

  setTunnel(tunnel: Tunnel | null): void {
    this.#tunnel = tunnel;
    if (tunnel) this.#wakeAfter(0);
  }

  /** Something was stored. */
  wake(): void {
    if (!this.#timer) this.pump();
  }

  /** A live request was stored but may still be accepted: until that is known it is not sent again. */
  liveStarted(): void {
    this.#live += 1;
  }

  liveEnded(): void {
    this.#live -= 1;
    this.wake();
  }

  close(): void {
    this.#closed = true;
    this.#tunnel = null;
    if (this.#timer) clearTimeout(this.#timer);
    if (this.#deadline) clearTimeout(this.#deadline);
    for (const { exchange } of this.#attempts.splice(0)) exchange?.reset(ResetCode.CANCEL);
  }

  pump(): void {
    const { name, store, stopping, log } = this.#options;
    if (this.#closed || !this.#tunnel || this.#timer || this.#live > 0 || stopping()) return;
    // What was sent ahead on an older connection comes first: it is answered there, or taken back when that connection ends.
    if (this.#attempts[0] && this.#attempts[0].tunnel !== this.#tunnel) return;
    // A plain `ssh -R` takes to the local service at once whatever it is sent. And when one is accepted after others were passed by, those
    // come next: whatever was under way behind it would be sent twice.
    const ahead = this.#tunnel.kind === "agent" && this.#bypassed.length === 0 ? AHEAD : 1;
    if (this.#attempts.length >= ahead) return;
    let entries: HeldEntry[];
    try {
      entries = store.peek(name, this.#cursor, ahead - this.#attempts.length);
    } catch (error) {
      log(`${name}: held webhooks cannot be read: ${(error as Error).message}`);
      this.#wakeAfter(1_000);
      return;
    }
    for (const entry of entries) this.#send(entry, this.#tunnel);
    this.#watch();
  }

  #send(entry: HeldEntry, tunnel: Tunnel): void {
    const attempt: Attempt = { entry, tunnel, exchange: null };
    const first = this.#attempts.push(attempt) === 1;
    this.#cursor = entry.position;
    const head = deliveryHead(decodeHead(entry.rawHead), {
      id: entry.deliveryId,
      attempt: entry.attempts + 1,
      heldForMs: Date.now() - entry.receivedAt,
      empty: entry.body.length === 0,
      first,
    });
    const exchange = tunnel.exchange(head, {
      onHead: ({ status }) => this.#onAnswer(attempt, status),
      onData: (chunk) => exchange.consumed(chunk.length),
      onEnd: () => {},
      onReset: (code, lost) => this.#onReset(attempt, code, lost),
      onDrain: () => {},
    });
    attempt.exchange = exchange;
    if (entry.body.length > 0) {
      exchange.write(entry.body);
      exchange.end();
    }
  }

  #onAnswer(attempt: Attempt, status: number): void {
    const { name, store, onChange, log } = this.#options;
    const { entry } = attempt;
    if (!this.#forget(attempt)) return;
    const verdict = classify({ status, refusedForMs: this.#refusedFor(entry, status) });
    if (verdict === "delivered") {
      // Gone for everybody who asks; should the edge die before that is on disk, the repeat carries the same id.
      store.remove(name, entry.deliveryId).catch((error: Error) => log(`${name}: ${error.message}`));
      this.#suspects.delete(entry.deliveryId);
      onChange();
      if (this.#bypassed.length === 0) {
        this.#next();
        return;
      }
      for (const { deliveryId } of this.#bypassed) this.#suspects.add(deliveryId);
      this.#startOver(0);
      return;
    }
    const refused = status === 401 || status === 403;
    if (verdict === "dead" || (refused && this.#suspects.has(entry.deliveryId))) {
      this.#setAside(entry, status);
      this.#startOver(0);
    } else if (refused && this.#bypassed.length < BYPASS && !this.#isLast(entry)) {
      this.#bypassed.push(entry);
      this.#startOver(0, entry, entry.position);
    } else this.#retry(entry);
  }

  #setAside(entry: HeldEntry, status: number): void {
    const { name, store, onChange, log } = this.#options;
    log(`${name}: ${entry.deliveryId} set aside, answered with ${status}`);
    this.#refusedSince.delete(entry.deliveryId);
    this.#suspects.delete(entry.deliveryId);
    store.moveToDead(name, entry.deliveryId, `STATUS_${status}`).catch((error: Error) => log(`${name}: ${error.message}`));
    onChange();
  }

  #isLast(entry: HeldEntry): boolean {
    return this.#options.store.peek(this.#options.name, entry.position, 1).length === 0;
  }

  #onReset(attempt: Attempt, code: ResetCode, lost: boolean): void {
    const first = this.#attempts[0] === attempt;
    if (!this.#forget(attempt)) return;
    // Only the first one can have reached the local service.
    if (code === ResetCode.ORDER || !first) this.#startOver(0);
    else if (lost) this.#startOver(0, attempt.entry);
    else this.#retry(attempt.entry);
  }

  #retry(entry: HeldEntry): void {
    this.#startOver(backoff(entry.attempts + 1), entry);
  }

  /**
   * Takes back what was sent ahead and begins again, at the head of the queue or behind what is passed by. The agent gives up what stands behind a failure by itself,
   * so none of it is under way at the local service.
   * @param tried an entry that reached, or may have reached, the local service.
   * @param behind position of the last entry that is passed by.
   */
  #startOver(delayMs: number, tried?: HeldEntry, behind: number | null = null): void {
    const { name, store, log } = this.#options;
    if (tried) store.recordAttempt(name, tried.deliveryId).catch((error: Error) => log(`${name}: ${error.message}`));
    const ahead = this.#attempts;
    this.#attempts = [];
    this.#cursor = behind;
    if (behind === null) this.#bypassed = [];
    for (const { exchange } of ahead) exchange?.reset(ResetCode.CANCEL);
    this.#watch();
    this.#wakeAfter(delayMs);
  }

  #next(): void {
    this.#watch();
    // In batches, so that reading from the store is not done entry by entry.
    if (this.#attempts.length <= AHEAD / 2) this.pump();
  }

  /** How long this entry has been answered with nothing but 401, 403 or 500, milliseconds. */
  #refusedFor(entry: HeldEntry, status: number): number {
    if (!isRefusal(status)) {
      this.#refusedSince.delete(entry.deliveryId);
      return 0;
    }
    const since = this.#refusedSince.get(entry.deliveryId) ?? Date.now();
    this.#refusedSince.set(entry.deliveryId, since);
    return Date.now() - since;
  }

  #forget(attempt: Attempt): boolean {
    const index = this.#attempts.indexOf(attempt);
    if (index < 0) return false;
    this.#attempts.splice(index, 1);
    return true;
  }

  /** The first of those sent ahead has a deadline; the others wait for it. */
  #watch(): void {
    if (this.#deadline) clearTimeout(this.#deadline);
    this.#deadline = null;
    const first = this.#attempts[0];
    if (!first) return;
    this.#deadline = setTimeout(() => {
      first.exchange?.reset(ResetCode.TIMEOUT);
      if (this.#forget(first)) this.#retry(first.entry);
    }, ATTEMPT_MS);
  }

  #wakeAfter(delayMs: number): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.pump();
    }, delayMs);
  }
}
