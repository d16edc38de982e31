/** Delivers what is held for one tunnel: does what the tables in `drain.ts` say. */
import type { Exchange, Tunnel } from "../tunnels/tunnel.ts";
import { ResetCode } from "../wire/frames.ts";
import { receptionOf } from "../wire/reception.ts";
import { EMPTY_DRAIN, step, type Drain, type DrainAction, type DrainEvent, type Outcome } from "./drain.ts";
import { decodeHead, deliveryHead } from "./head.ts";
import type { HeldEntry, HoldStore } from "./hold-store.ts";
import { classify, isRefusal } from "./policy.ts";
import { UnreadAnswers } from "./unread.ts";

/**
 * So many are sent ahead, so that the round trip to the agent does not limit the rate. A plain `ssh -R` takes to the service whatever
 * it is sent.
 */
const AHEAD = { agent: 64, ssh: 1 };
/** The local service may take this long for the head of its answer. */
const ATTEMPT_MS = 30_000;

export interface DrainerOptions {
  name: string;
  store: HoldStore;
  /** The edge is about to end: what has not been sent is its successor's to deliver. */
  stopping: () => boolean;
  /** Something was delivered or set aside. */
  onChange: () => void;
  log: (line: string) => void;
}

interface Attempt {
  entry: HeldEntry;
  exchange: Exchange | null;
  /** Why it is set aside, if it is. */
  reason: string;
}

export class Drainer {
  readonly #options: DrainerOptions;
  readonly unreadAnswers = new UnreadAnswers();
  #drain: Drain = EMPTY_DRAIN;
  #tunnel: Tunnel | null = null;
  /** Read from the store and not settled yet, by delivery id. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #events: DrainEvent[] = [];
  #handling = false;
  #lines = 0;
  #pause: NodeJS.Timeout | null = null;
  #round: NodeJS.Timeout | null = null;
  #deadline: { id: string; timer: NodeJS.Timeout } | null = null;
  /** Since when a webhook has been answered with nothing but 401, 403 or 500. */
  readonly #refusedSince = new Map<string, number>();
  /** Set aside and not logged yet, by reason. */
  readonly #setAside = new Map<string, string[]>();

  constructor(options: DrainerOptions) {
    this.#options = options;
  }

  /** Without a tunnel, and with nothing under way: a drainer that is made anew would do the same. */
  get idle(): boolean {
    const { line, window, live } = this.#drain;
    return line === null && window.length === 0 && live === 0 && this.unreadAnswers.size === 0;
  }

  setTunnel(tunnel: Tunnel | null): void {
    this.#tunnel = tunnel;
    this.#on(tunnel ? { type: "connected", line: { id: ++this.#lines, ahead: AHEAD[tunnel.kind] } } : { type: "disconnected" });
  }

  /** Something was stored. */
  wake(): void {
    this.#on({ type: "stored" });
  }

  /** A live request was stored but may still be accepted: until that is known nothing is sent. */
  liveStarted(): void {
    this.#on({ type: "liveStarted" });
  }

  liveEnded(): void {
    this.#on({ type: "liveEnded" });
  }

  close(): void {
    this.#on({ type: "closed" });
    this.#tunnel = null;
    for (const timer of [this.#pause, this.#round]) if (timer) clearTimeout(timer);
    this.unreadAnswers.close();
  }

  /** Events that come while another one is dealt with wait for their turn. */
  #on(event: DrainEvent): void {
    this.#events.push(event);
    if (this.#handling) return;
    this.#handling = true;
    for (let next = this.#events.shift(); next; next = this.#events.shift()) {
      const { drain, actions } = step(this.#drain, next);
      this.#drain = drain;
      for (const action of actions) this.#perform(action);
    }
    this.#handling = false;
    this.#watch();
    if (this.#drain.window.length === 0) this.#rest();
  }

  #perform(action: DrainAction): void {
    const { name, store, onChange } = this.#options;
    switch (action.type) {
      case "read":
        // A stopping edge is left waiting for an answer.
        if (!this.#options.stopping()) this.#read(action);
        return;
      case "send":
        this.#send(action.id, action.first);
        return;
      case "count":
        this.#attempts.delete(action.id);
        this.#write(store.recordAttempt(name, action.id));
        return;
      case "takeBack":
        this.#attempts.get(action.id)?.exchange?.reset(ResetCode.CANCEL);
        this.#attempts.delete(action.id);
        return;
      case "deliver":
        // Gone for everybody who asks; should the edge die before that is on disk, the repeat carries the same id.
        this.#forget(action.id);
        this.#write(store.remove(name, action.id));
        onChange();
        return;
      case "setAside": {
        const reason = this.#attempts.get(action.id)?.reason ?? "";
        this.#forget(action.id);
        this.#setAside.set(reason, [...(this.#setAside.get(reason) ?? []), action.id]);
        this.#write(store.moveToDead(name, action.id, reason));
        onChange();
        return;
      }
      case "pause":
        if (this.#pause) clearTimeout(this.#pause);
        this.#pause = setTimeout(() => this.#on({ type: "pauseOver" }), action.ms);
        return;
      case "pauseRound":
        if (this.#round) clearTimeout(this.#round);
        this.#round = setTimeout(() => this.#on({ type: "roundOver" }), action.ms);
    }
  }

  #read({ read, after, limit }: { read: number; after: number; limit: number }): void {
    const { name, store, log } = this.#options;
    store.peek(name, after, limit).then(
      (entries) => {
        if (this.#drain.reading !== read) return;
        for (const entry of entries) this.#attempts.set(entry.deliveryId, { entry, exchange: null, reason: "" });
        this.#on({ type: "read", read, found: entries.map(({ deliveryId, position }) => ({ id: deliveryId, position })) });
        // Those of them that belong to another pass.
        const sent = new Set(this.#drain.window.map(({ id }) => id));
        for (const { deliveryId } of entries) if (!sent.has(deliveryId)) this.#attempts.delete(deliveryId);
      },
      (error: Error) => {
        log(`${name}: held webhooks cannot be read: ${error.message}`);
        this.#on({ type: "unreadable", read });
      },
    );
  }

  #send(id: string, first: boolean): void {
    const attempt = this.#attempts.get(id);
    if (!attempt || !this.#tunnel) return;
    try {
      attempt.exchange = this.#exchange(attempt, first, this.#tunnel);
    } catch (error) {
      this.#options.log(`${this.#options.name}: ${id} cannot be sent: ${(error as Error).message}`);
      attempt.reason = "DAMAGED";
      this.#on({ type: "settled", id, outcome: "unsendable" });
    }
  }

  #exchange(attempt: Attempt, first: boolean, tunnel: Tunnel): Exchange {
    const { entry } = attempt;
    const head = deliveryHead(decodeHead(entry.rawHead), {
      id: entry.deliveryId,
      attempt: entry.attempts + 1,
      heldForMs: Date.now() - entry.receivedAt,
      empty: entry.body.length === 0,
      first,
    });
    const exchange = tunnel.exchange(head, {
      onHead: ({ status }) => {
        this.unreadAnswers.add(exchange);
        this.#onAnswer(attempt, status);
      },
      onData: (chunk) => exchange.consumed(chunk.length),
      onEnd: () => this.unreadAnswers.ended(exchange),
      onReset: (code, lost) => {
        this.unreadAnswers.ended(exchange);
        this.#settle(attempt, code === ResetCode.ORDER ? "untried" : lost ? "lost" : "failed");
      },
      onDrain: () => {},
    });
    if (entry.body.length > 0) {
      exchange.write(entry.body);
      exchange.end();
    }
    return exchange;
  }

  #onAnswer(attempt: Attempt, status: number): void {
    attempt.reason = `STATUS_${status}`;
    const verdict = classify({ status, refusedForMs: this.#refusedFor(attempt.entry.deliveryId, status) });
    const refused = receptionOf(status) === "refused";
    if (verdict === "delivered") this.#settle(attempt, "accepted");
    else if (verdict === "dead") this.#settle(attempt, refused ? "outlasted" : "rejected");
    else this.#settle(attempt, refused ? "refused" : "failed");
  }

  /** Only the present attempt counts: an older one of the same webhook was taken back. */
  #settle(attempt: Attempt, outcome: Outcome): void {
    const id = attempt.entry.deliveryId;
    if (this.#attempts.get(id) === attempt) this.#on({ type: "settled", id, outcome });
  }

  #forget(id: string): void {
    this.#attempts.delete(id);
    this.#refusedSince.delete(id);
  }

  #write(written: Promise<unknown>): void {
    written.catch((error: Error) => this.#options.log(`${this.#options.name}: ${error.message}`));
  }

  /** How long this webhook has been answered with nothing but 401, 403 or 500, milliseconds. */
  #refusedFor(id: string, status: number): number {
    if (!isRefusal(status)) {
      this.#refusedSince.delete(id);
      return 0;
    }
    const since = this.#refusedSince.get(id) ?? Date.now();
    this.#refusedSince.set(id, since);
    return Date.now() - since;
  }

  /** The first of those sent ahead has a deadline; the others wait for it. */
  #watch(): void {
    const first = this.#drain.window[0];
    if (first?.id === this.#deadline?.id) return;
    if (this.#deadline) clearTimeout(this.#deadline.timer);
    this.#deadline = first ? { id: first.id, timer: setTimeout(() => this.#onOverdue(first.id), ATTEMPT_MS) } : null;
  }

  #onOverdue(id: string): void {
    this.#attempts.get(id)?.exchange?.reset(ResetCode.TIMEOUT);
    this.#on({ type: "settled", id, outcome: "failed" });
  }

  /** Nothing is under way. */
  #rest(): void {
    const { name, log } = this.#options;
    for (const [reason, ids] of this.#setAside) log(`${name}: set aside, ${reason}: ${namesOf(ids)}`);
    this.#setAside.clear();
    const { refused, paused } = this.#drain;
    // What went another way (expired, purged) is not remembered.
    if (!refused && !paused) this.#refusedSince.clear();
  }
}

function namesOf(ids: readonly string[]): string {
  const some = ids.slice(0, 3).join(", ");
  return ids.length > 3 ? `${some} and ${ids.length - 3} more` : some;
}
