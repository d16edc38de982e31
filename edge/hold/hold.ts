/** Holding as the rest of the edge sees it: which requests it takes over, which tunnels drain, what is waiting. */
import type { IncomingMessage } from "node:http";
import path from "node:path";
import type { Presence } from "../tunnels/presence.ts";
import type { Tunnel } from "../tunnels/tunnel.ts";
import type { Status } from "../wire/messages.ts";
import { Drainer } from "./drainer.ts";
import type { DeadLetter, HoldStats, HoldStore } from "./hold-store.ts";
import { holdable, type HoldRules } from "./policy.ts";
import { damageText, type Damaged } from "../store/log/salvage.ts";
import { openRules, type Rules } from "./rules.ts";
import { openHoldStore } from "./store.ts";
import type { UnreadAnswers } from "./unread.ts";

/** Webhooks that expire, and what nobody needs any more. */
const SWEEP_EVERY_MS = 60_000;
/** The owner hears of changes at most this often. */
const STATUS_EVERY_MS = 1_000;

/** Dead letters in one answer: some 200 bytes each have to fit into a frame of 256 KiB. */
const LISTED = 1_000;

export interface HoldOptions {
  dataDir: string;
  presence: Presence;
  stopping: () => boolean;
  log: (line: string) => void;
}

export interface HeldCounts {
  entries: number;
  bytes: number;
  dead: number;
  acknowledged: number;
}

/** What a request on a held path shares with the others of its tunnel. */
export interface HoldContext {
  store: HoldStore;
  /** The tunnel that may take it live; null: none is open, it is about to leave, or earlier ones still wait. */
  liveTunnel: () => Tunnel | null | Promise<Tunnel | null>;
  /** It is on disk, and the sender has been told so. */
  onStored: () => void;
  /** It is being stored while the local service still has it: what comes behind it waits until it is known what became of it. */
  blockQueue: () => void;
  unblockQueue: () => void;
  /** For the rest of an answer that nobody waits for. */
  unreadAnswers: () => UnreadAnswers;
}

/** Throws EDGE_DATA or HOLD_CORRUPT. What is damaged is set aside, said in the log, and counted. */
export async function openHold(options: HoldOptions): Promise<Hold> {
  let damaged = 0;
  const report = (folder: string) => (found: Damaged[]) => {
    damaged += found.length;
    for (const each of found) options.log(`damage: ${damageText(folder, each)}`);
    options.log(`damage: the damaged files are kept in ${path.join(options.dataDir, folder, "damaged")}; everything else is in use`);
  };
  const store = openHoldStore({ dataDir: options.dataDir, onDamage: report("hold") });
  try {
    return new Hold(store, openRules(options.dataDir, undefined, report("rules")), options, damaged);
  } catch (error) {
    await store.close();
    throw error;
  }
}

export class Hold {
  readonly damaged: number;
  readonly #store: HoldStore;
  readonly #rules: Rules;
  readonly #options: HoldOptions;
  readonly #drainers = new Map<string, Drainer>();
  /** Made once for many requests: what each of them would make for itself cost a tenth of its time. */
  readonly #contexts = new Map<string, HoldContext>();
  readonly #announcing = new Map<string, NodeJS.Timeout>();
  readonly #sweeping: NodeJS.Timeout;
  #acknowledged = 0;

  /** @param damaged places on disk that were found damaged when the store was opened. */
  constructor(store: HoldStore, rules: Rules, options: HoldOptions, damaged: number) {
    this.damaged = damaged;
    this.#store = store;
    this.#rules = rules;
    this.#options = options;
    options.presence.onChange((name, tunnel) => this.#onRoute(name, tunnel));
    this.#sweeping = setInterval(() => void this.#sweep(), SWEEP_EVERY_MS);
    this.#sweeping.unref();
    void this.#sweep();
  }

  /** The owner of the name has said which paths are to be held; none ends it for what comes from now on. */
  setRules(name: string, rules: HoldRules): Promise<void> {
    return this.#rules.set(name, rules);
  }

  /** Whether this request gets an answer from here, whatever the tunnel does. */
  wants(name: string, request: IncomingMessage): boolean {
    const rules = this.#rules.of(name);
    if (!rules || request.method !== "POST") return false;
    const signatures = request.headersDistinct["x-hub-signature-256"] ?? [];
    const bodyBytes = Number(request.headers["content-length"] ?? 0);
    return holdable({ method: "POST", target: request.url ?? "", bodyBytes, signatures }, rules) === true;
  }

  /** What a request to this name needs while it is answered from here. */
  contextOf(name: string): HoldContext {
    const known = this.#contexts.get(name);
    if (known) return known;
    const context = this.#makeContext(name);
    this.#contexts.set(name, context);
    return context;
  }

  #makeContext(name: string): HoldContext {
    const liveTunnel = () => (this.#options.stopping() ? null : (this.#options.presence.get(name) ?? null));
    return {
      store: this.#store,
      liveTunnel: () => {
        // Earlier ones wait: this one goes behind them.
        const waiting = this.#store.waiting(name);
        if (typeof waiting === "boolean") return waiting ? null : liveTunnel();
        return waiting.then((some) => (some ? null : liveTunnel()));
      },
      onStored: () => {
        this.#acknowledged += 1;
        this.#announce(name);
        this.#drainerOf(name).wake();
      },
      blockQueue: () => this.#drainerOf(name).liveStarted(),
      unblockQueue: () => {
        this.#drainerOf(name).liveEnded();
        this.#announce(name);
      },
      unreadAnswers: () => this.#drainerOf(name).unreadAnswers,
    };
  }

  async statusOf(name: string): Promise<Status> {
    const { entries, bytes, dead, oldest } = await this.#store.stats(name);
    if (!this.#rules.of(name) && entries === 0 && dead === 0) return { held: null };
    return { held: { entries, bytes, dead, oldest: oldest === null ? null : new Date(oldest).toISOString() } };
  }

  /** The newest dead letters of a tunnel, oldest death first; {@link statusOf} says how many there are. */
  async deadOf(name: string): Promise<DeadLetter[]> {
    return (await this.#store.dead(name)).slice(-LISTED);
  }

  /** Sends all dead letters of a tunnel again; resolves with how many. */
  async replay(name: string): Promise<number> {
    const count = await this.#store.replayDead(name, "all");
    this.#drainerOf(name).wake();
    this.#announce(name);
    return count;
  }

  /** Forgets what is held for a tunnel, and holds nothing for it any more; resolves with how many webhooks that were. */
  async purge(name: string): Promise<number> {
    await this.#rules.set(name, { prefixes: [], requireSignature: true });
    const count = await this.#store.purge(name);
    this.#announce(name);
    return count;
  }

  async counts(): Promise<HeldCounts> {
    const total = { entries: 0, bytes: 0, dead: 0, acknowledged: this.#acknowledged };
    for (const name of await this.#store.names()) {
      const { entries, bytes, dead } = await this.#store.stats(name);
      total.entries += entries;
      total.bytes += bytes;
      total.dead += dead;
    }
    return total;
  }

  /** Names for which something is kept: held webhooks, or dead letters. */
  async names(): Promise<Set<string>> {
    return new Set(await this.#store.names());
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    for (const timer of this.#announcing.values()) clearTimeout(timer);
    for (const drainer of this.#drainers.values()) drainer.close();
    await this.#store.close();
    await this.#rules.close();
  }

  #drainerOf(name: string): Drainer {
    let drainer = this.#drainers.get(name);
    if (!drainer) {
      const { stopping, log } = this.#options;
      drainer = new Drainer({ name, store: this.#store, stopping, onChange: () => this.#announce(name), log });
      this.#drainers.set(name, drainer);
      const tunnel = this.#options.presence.get(name);
      if (tunnel) drainer.setTunnel(tunnel);
    }
    return drainer;
  }

  #onRoute(name: string, tunnel: Tunnel | null): void {
    const drainer = this.#drainers.get(name);
    drainer?.setTunnel(tunnel);
    if (!tunnel) return;
    void this.#statsOf(name).then((stats) => {
      if (!stats || stats.entries === 0 || this.#options.presence.get(name) !== tunnel) return;
      this.#options.log(`${name}: delivering ${stats.entries} held webhooks`);
      this.#drainerOf(name).wake();
    });
  }

  async #statsOf(name: string): Promise<HoldStats | null> {
    try {
      return await this.#store.stats(name);
    } catch (error) {
      this.#options.log(`${name}: ${(error as Error).message}`);
      return null;
    }
  }

  #announce(name: string): void {
    if (this.#announcing.has(name)) return;
    this.#announcing.set(
      name,
      setTimeout(() => {
        this.#announcing.delete(name);
        const tunnel = this.#options.presence.get(name);
        if (tunnel?.tellStatus) void this.statusOf(name).then((status) => tunnel.tellStatus?.(status));
      }, STATUS_EVERY_MS),
    );
  }

  /** Tells what has expired, and forgets what nobody needs: drainers without work, rules without a use. */
  async #sweep(): Promise<void> {
    const { log, presence } = this.#options;
    try {
      for (const { name, expired, deleted } of await this.#store.expire()) {
        log(`${name}: ${expired} held webhooks expired and were set aside, ${deleted} dead letters deleted`);
        this.#announce(name);
      }
      const holding = await this.names();
      // Made again when somebody asks.
      this.#contexts.clear();
      for (const [name, drainer] of this.#drainers) {
        if (!drainer.idle || holding.has(name)) continue;
        drainer.close();
        this.#drainers.delete(name);
      }
      for (const name of await this.#rules.sweep((each) => presence.get(each) !== undefined || holding.has(each)))
        log(`${name}: not used for 90 days, nothing is held for it any more`);
    } catch (error) {
      log(`held webhooks could not be looked through: ${(error as Error).message}`);
    }
  }
}
