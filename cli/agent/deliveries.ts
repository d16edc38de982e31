/** Says by itself what `airy doctor` would say of webhooks that are refused, or that nobody is there for. */
import { setTimeout as sleep } from "node:timers/promises";
import { deliveriesOf, explainDeliveries, type Health } from "../checks/deliveries.ts";
import type { Emit, RequestRecord } from "../events.ts";

/** The platform counts a request a moment after it has answered. */
const AFTER_MS = 500;
const EVERY_MS = 15_000;

export interface DeliveryWatchContext {
  /** What the platform has counted; null: it does not say. */
  health: () => Promise<Health | null>;
  /** Requests that were answered 401 or 403. */
  refused: () => number;
  sandbox: boolean;
  emit: Emit;
  signal: AbortSignal;
  /** Between two looks, milliseconds. */
  everyMs?: number;
}

export class DeliveryWatch {
  readonly #context: DeliveryWatchContext;
  readonly #said = new Set<string>();
  #shown = "";
  #looking = false;
  #again = false;

  constructor(context: DeliveryWatchContext) {
    this.#context = context;
  }

  /** After each request from outside; it is not looked more often than every 15 seconds. Never throws. */
  seen({ method, status }: Pick<RequestRecord, "method" | "status">): void {
    if (method !== "POST" && status !== 401 && status !== 403) return;
    if (this.#looking) this.#again = true;
    else void this.#look();
  }

  async #look(): Promise<void> {
    const { signal, everyMs = EVERY_MS } = this.#context;
    this.#looking = true;
    try {
      do {
        this.#again = false;
        await sleep(Math.min(AFTER_MS, everyMs), undefined, { signal, ref: false });
        this.#tell(await this.#context.health());
        await sleep(everyMs, undefined, { signal, ref: false });
      } while (this.#again);
    } catch {
      // The end of the process.
    } finally {
      this.#looking = false;
    }
  }

  /** Each kind of trouble is said once, and once more when it comes back after it was gone. */
  #tell(health: Health | null): void {
    if (!health) return;
    const { refused, sandbox, emit } = this.#context;
    const deliveries = deliveriesOf(health);
    const { arrived: _, ...news } = deliveries;
    const text = JSON.stringify(news);
    const nothing = deliveries.waiting.length === 0 && Object.keys(deliveries.kinds).length === 0;
    if (text !== this.#shown && !(nothing && this.#shown === "")) emit({ type: "deliveries", deliveries });
    this.#shown = text;
    const now = new Set<string>();
    for (const { code, about, message, action } of explainDeliveries(health, refused(), sandbox)) {
      // Broken pages are told of where pages are looked at; silence is none after a request.
      if (code === "DELIVERIES_OK" || code === "PAGE_BROKEN" || code === "NOTHING_ARRIVED") continue;
      const key = `${code} ${about ?? ""}`;
      now.add(key);
      if (!this.#said.has(key)) emit({ type: "warning", code, message, ...(action && { action }) });
    }
    this.#said.clear();
    for (const key of now) this.#said.add(key);
  }
}
