/**
 * A world in memory for the held way: the edge's own parts and the agent's own queue, with a store, lines and a local service that can be
 * slow, gone, wrong and back again. Time is vitest's; nothing here asks the real one.
 */
import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { OrderedQueue, type OrderedExchange } from "../../../cli/tunnel/ordered.ts";
import { EdgeError } from "../../../edge/errors.ts";
import { Drainer } from "../../../edge/hold/drainer.ts";
import type { DeadLetter, HeldEntry, HoldStore, Webhook } from "../../../edge/hold/hold-store.ts";
import { BodyBudget } from "../../../edge/ingress/bodies.ts";
import { HeldRequest } from "../../../edge/ingress/held-request.ts";
import type { StreamHandler } from "../../../edge/transport/stream.ts";
import type { Exchange, Tunnel } from "../../../edge/tunnels/tunnel.ts";
import { ResetCode, type RequestHead } from "../../../edge/wire/frames.ts";
import { receptionOf, type Reception } from "../../../edge/wire/reception.ts";

export type Chance = (below: number) => number;

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Kept extends HeldEntry {
  dead: string | null;
  stored: boolean;
}

/** What is on the disk outlives the edge; a removal that has not got there yet does not. */
export class MemoryStore implements HoldStore {
  readonly newDeliveryId: () => string;
  failing = false;
  /** Bodies; the edge may be killed before it is on the disk that they were. */
  readonly everSetAside = new Set<string>();
  readonly #chance: Chance;
  #kept: Kept[] = [];
  #disk = new Map<string, Kept>();
  #epoch = 0;
  #position = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
    let ids = 0;
    this.newDeliveryId = () => `id${++ids}`;
  }

  async append(_name: string, deliveryId: string, webhook: Webhook, attempts = 0): Promise<{ deliveryId: string; position: number }> {
    const entry: Kept = { ...webhook, deliveryId, position: ++this.#position, attempts, dead: null, stored: false };
    this.#kept.push(entry);
    const epoch = this.#epoch;
    await later(this.#chance(8) === 0 ? 400 + this.#chance(2_000) : this.#chance(20));
    if (epoch !== this.#epoch) return new Promise(() => {});
    if (this.failing) {
      this.#kept = this.#kept.filter((each) => each !== entry);
      throw new EdgeError("HOLD_IO", "failing");
    }
    entry.stored = true;
    this.#disk.set(deliveryId, { ...entry });
    return { deliveryId, position: entry.position };
  }

  async peek(_name: string, after: number, limit: number): Promise<HeldEntry[]> {
    if (this.#chance(3) === 0) await later(this.#chance(300));
    if (this.failing && this.#chance(2) === 0) throw new EdgeError("HOLD_IO", "failing");
    const found: HeldEntry[] = [];
    for (const entry of this.#queue()) {
      if (!entry.stored || found.length >= limit) break;
      if (entry.position > after) found.push({ ...entry });
    }
    return found;
  }

  waiting(): boolean | Promise<boolean> {
    const some = this.#queue().length > 0;
    return this.#chance(4) === 0 ? later(this.#chance(50)).then(() => this.#queue().length > 0) : some;
  }

  async remove(_name: string, deliveryId: string): Promise<void> {
    await this.#change(deliveryId, (entry) => {
      this.#kept = this.#kept.filter((each) => each !== entry);
      return () => void this.#disk.delete(deliveryId);
    });
  }

  async moveToDead(_name: string, deliveryId: string, reason: string): Promise<void> {
    await this.#change(deliveryId, (entry) => {
      entry.dead ??= reason;
      this.everSetAside.add(entry.body.toString());
      return () => this.#disk.set(deliveryId, { ...entry });
    });
  }

  async recordAttempt(_name: string, deliveryId: string): Promise<number> {
    let attempts = 0;
    await this.#change(deliveryId, (entry) => {
      attempts = entry.attempts += 1;
      return () => this.#disk.set(deliveryId, { ...entry });
    });
    return attempts;
  }

  async dead(): Promise<DeadLetter[]> {
    const dead = this.#kept.filter((entry) => entry.dead !== null);
    return dead.map((entry) => ({ ...entry, bytes: 0, reason: entry.dead ?? "", diedAt: 0 }));
  }

  bodies(which: "waiting" | "dead"): string[] {
    return this.#kept.filter((entry) => (entry.dead !== null) === (which === "dead")).map((entry) => entry.body.toString());
  }

  /** The head of the queue has waited too long. */
  async expire(): Promise<[]> {
    const head = this.#queue().find((entry) => entry.stored);
    if (head) await this.moveToDead("", head.deliveryId, "EXPIRED");
    return [];
  }

  crash(): void {
    this.#epoch += 1;
    this.#kept = [...this.#disk.values()].map((entry) => ({ ...entry })).sort((a, b) => a.position - b.position);
  }

  replayDead = async () => 0;
  purge = async () => 0;
  stats = () => ({ entries: 0, bytes: 0, dead: 0, oldest: null });
  names = () => [];
  close = async () => {};

  #queue(): Kept[] {
    return this.#kept.filter((entry) => entry.dead === null);
  }

  async #change(deliveryId: string, change: (entry: Kept) => () => void): Promise<void> {
    const find = () => this.#kept.find((each) => each.deliveryId === deliveryId);
    while (find()?.stored === false) await later(5);
    const entry = find();
    if (!entry) return;
    const write = change(entry);
    const epoch = this.#epoch;
    await later(this.#chance(30));
    while (this.failing && epoch === this.#epoch) await later(100);
    if (epoch === this.#epoch) write();
  }
}

/** What the local service does with a webhook. */
export type Mood = "good" | "wrongSecret" | "500" | "502" | "slow" | "endless" | "silent" | "breaking";

export class Service {
  mood: Mood = "good";
  /** Bodies that were accepted, in order, repeats included. */
  readonly accepted: string[] = [];
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** @param aborted whether nobody waits any more. Calls back with a status, or null where the connection broke. */
  async take(body: string, aborted: () => boolean): Promise<{ status: number | null; ends: boolean }> {
    const mood = this.mood;
    await later(mood === "slow" ? 1_500 + this.#chance(40_000) : this.#chance(15));
    if (mood === "silent") await later(60_000);
    // Some services stop when the client hangs up, others do not.
    if (aborted() && this.#chance(2) === 0) return { status: null, ends: true };
    if (mood === "breaking" && this.#chance(2) === 0) {
      if (this.#chance(2) === 0 && !body.startsWith("forged")) this.accepted.push(body);
      return { status: null, ends: true };
    }
    if (mood === "500" || mood === "502") return { status: Number(mood), ends: true };
    if (mood === "wrongSecret" || body.startsWith("forged")) return { status: 401, ends: true };
    this.accepted.push(body);
    return { status: 200, ends: mood !== "endless" };
  }
}

/** One connection of the tunnel, to an agent process with its queue. Both ends hear of its loss in their own time. */
export class Line implements Tunnel {
  readonly name = "n";
  readonly kind: "agent" | "ssh";
  readonly instance = "";
  readonly client = "";
  readonly since = 0;
  readonly inFlight = 0;
  readonly #latency: number;
  readonly #queue: OrderedQueue;
  readonly #service: Service;
  readonly #edgeSide = new Set<StreamHandler>();
  readonly #agentSide = new Set<() => void>();
  #cut = false;
  #edgeKnows = false;

  constructor(service: Service, queue: OrderedQueue, kind: "agent" | "ssh", latency: number) {
    this.kind = kind;
    this.#service = service;
    this.#queue = queue;
    this.#latency = latency;
  }

  exchange(head: RequestHead, handler: StreamHandler): Exchange {
    const chunks: Buffer[] = [];
    let ended = false;
    let aborted = false;
    let answered: ((reception: Reception | "none") => void) | null = null;
    const toEdge = (what: () => void) => this.#send(() => this.#edgeSide.has(handler) && what());
    const over = (how: () => void) => {
      this.#edgeSide.delete(handler);
      how();
    };
    const finish = (reception: Reception | "none") => {
      this.#agentSide.delete(abort);
      answered?.(reception);
    };
    const abort = () => {
      aborted = true;
      finish("none");
    };
    const start = async () => {
      const { status, ends } = await this.#service.take(Buffer.concat(chunks).toString(), () => aborted);
      if (aborted) return;
      if (status === null) {
        toEdge(() => over(() => handler.onReset(ResetCode.FAILED, false)));
        finish("none");
        return;
      }
      toEdge(() => handler.onHead?.({ status, reason: "", headers: [], end: false, upgrade: false }));
      if (!ends) return answered?.(receptionOf(status));
      toEdge(() => over(() => handler.onEnd()));
      finish(receptionOf(status));
    };
    const exchange: OrderedExchange = {
      onAnswered: null,
      start: () => void start(),
      giveBack: () => {
        this.#agentSide.delete(abort);
        toEdge(() => over(() => handler.onReset(ResetCode.ORDER, false)));
      },
    };
    answered = (reception) => exchange.onAnswered?.(reception);
    this.#edgeSide.add(handler);
    if (this.#edgeKnows) queueMicrotask(() => this.#edgeSide.has(handler) && over(() => handler.onReset(ResetCode.FAILED, true)));
    // The whole request arrives in one piece, as its frames do.
    setTimeout(() => {
      this.#send(() => {
        this.#agentSide.add(abort);
        if (ended && aborted) return;
        if (head.ordered && this.kind === "agent") this.#queue.add(exchange, head.first ?? false);
        else exchange.start();
      });
    });
    return {
      write: (chunk) => chunks.push(chunk) > 0,
      end: () => void (ended = true),
      consumed: () => {},
      reset: () => {
        this.#edgeSide.delete(handler);
        setTimeout(() => this.#send(abort));
      },
    };
  }

  /** @param edgeMs, agentMs until either end hears of it. */
  cut(edgeMs: number, agentMs: number): void {
    if (this.#cut) return;
    this.#cut = true;
    setTimeout(() => {
      this.#edgeKnows = true;
      for (const handler of this.#edgeSide) {
        this.#edgeSide.delete(handler);
        handler.onReset(ResetCode.FAILED, true);
      }
    }, edgeMs);
    setTimeout(() => {
      for (const abort of this.#agentSide) abort();
    }, agentMs);
  }

  drain(): void {}
  destroy(): void {}

  #send(what: () => void): void {
    if (this.#cut) return;
    setTimeout(() => {
      if (!this.#cut) what();
    }, this.#latency);
  }
}

/** The edge: everything of one name that ends with its process. */
export class Edge {
  readonly drainer: Drainer;
  readonly bodies = new BodyBudget(20_000);
  readonly #store: HoldStore;
  readonly #requests = new Set<EventEmitter>();
  tunnel: Line | null = null;
  dead = false;

  constructor(store: HoldStore) {
    this.#store = store;
    this.drainer = new Drainer({ name: "n", store, stopping: () => this.dead, onChange: () => {}, log: () => {} });
  }

  connect(tunnel: Line | null): void {
    this.tunnel = tunnel;
    this.drainer.setTunnel(tunnel);
  }

  /** Resolves with the status, or null when the sender has hung up or was cut off. */
  async post(body: string, chance: Chance): Promise<number | null> {
    const [request, response] = [new FakeRequest(), new FakeResponse()];
    const head: RequestHead = { method: "POST", target: "/", headers: [], end: false, upgrade: false, ordered: false };
    this.#requests.add(response);
    const { drainer } = this;
    void new HeldRequest(request as unknown as IncomingMessage, response as unknown as ServerResponse, head, {
      name: "n",
      address: "192.0.2.1",
      id: "id",
      use: { bytes: 0, buffered: 0 },
      bodies: this.bodies,
      hold: {
        store: this.#store,
        liveTunnel: () => {
          const live = (some: boolean) => (some || this.dead ? null : this.tunnel);
          const waiting = this.#store.waiting("n");
          return typeof waiting === "boolean" ? live(waiting) : waiting.then(live);
        },
        onStored: () => drainer.wake(),
        blockQueue: () => drainer.liveStarted(),
        unblockQueue: () => drainer.liveEnded(),
        unreadAnswers: () => drainer.unreadAnswers,
      },
      onTooLarge: ({ release }) => {
        release();
        response.writeHead(503).end();
      },
      onDone: () => {},
      log: () => {},
    });
    const patience = setTimeout(() => response.destroy(), 5_000);
    const half = Math.floor(body.length / 2);
    request.emit("data", Buffer.from(body.slice(0, half)));
    if (chance(4) === 0) await later(chance(1_000));
    request.emit("data", Buffer.from(body.slice(half)));
    // Some hang up at any moment.
    if (chance(15) === 0) setTimeout(() => response.destroy(), chance(4_000));
    request.emit("end");
    const status = await response.done;
    clearTimeout(patience);
    this.#requests.delete(response);
    return status;
  }

  /** kill -9: nothing that it would do later happens. */
  kill(): void {
    this.dead = true;
    this.drainer.close();
    for (const response of this.#requests) response.emit("close");
    for (const response of this.#requests) (response as FakeResponse).cutOff();
  }
}

class FakeRequest extends EventEmitter {
  pause(): void {}
  resume(): void {}
}

class FakeResponse extends EventEmitter {
  readonly req = { headers: {} };
  headersSent = false;
  destroyed = false;
  #status = 0;
  #resolve: (status: number | null) => void = () => {};
  readonly done = new Promise<number | null>((resolve) => (this.#resolve = resolve));

  setHeader(): void {}

  writeHead(status: number): this {
    this.headersSent = true;
    this.#status = status;
    return this;
  }

  write(): boolean {
    return true;
  }

  end(): void {
    if (this.destroyed) return;
    this.#resolve(this.#status);
    this.#close();
  }

  destroy(): void {
    if (this.destroyed) return;
    // A head that says 200 is an answer for most senders, whatever becomes of the body.
    this.#resolve(null);
    this.#close();
  }

  cutOff(): void {
    this.#resolve(null);
  }

  #close(): void {
    this.destroyed = true;
    this.emit("close");
  }
}
