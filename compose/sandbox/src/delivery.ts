/**
 * Sends bodies to callbacks as Meta does: escaped JSON, both signatures, 5 seconds to answer 200, repeats at once and then ever more
 * seldom, an alert after 15 minutes of failure, and after an hour the app is unsubscribed.
 */
import { randomUUID } from "node:crypto";
import { signatureHeaders } from "../../facebook/contract.ts";
import type { FacebookSandboxConfig } from "./config.ts";
import type { Installation, Pending } from "./model.ts";
import { subscriptionOf } from "./routing.ts";
import type { Store } from "./store.ts";

/** What becomes of one delivery to one app, as far as it is known after the attempts that are made at once. */
export interface Delivery {
  appId: string;
  mids: string[];
  /** What the webhook answered last; 0 when nothing answered. */
  status: number;
  /** Acknowledged by an edge that keeps it until it can be delivered. */
  held: boolean;
  attempts: number;
  /** All attempts together, milliseconds. */
  durationMs: number;
  /** Further attempts follow. */
  waiting: boolean;
}

export interface Outgoing {
  appId: string;
  object: string;
  accountId: string;
  phoneId?: string | null;
  fields: string[];
  mids: string[];
  /** The exact bytes, as latin1 text: they are ASCII. */
  body: string;
}

type OnOutcome = (mids: string[], outcome: "acknowledged" | "held" | "dropped") => void;

/** What waits for a later attempt; beyond this the oldest goes, and is said. */
const MOST_PENDING = 2_000;
const MOST_PENDING_BYTES = 32 * 1024 * 1024;

/** Later attempts under way at the same time. */
const CONCURRENCY = 8;

export class Deliveries {
  readonly #config: FacebookSandboxConfig;
  readonly #store: Store;
  readonly #underWay = new Set<string>();
  #bytes = 0;
  closing = false;

  readonly #onOutcome: OnOutcome;

  /** @param onOutcome hears of deliveries that end later than {@link send}. */
  constructor(config: FacebookSandboxConfig, store: Store, onOutcome: OnOutcome) {
    this.#config = config;
    this.#store = store;
    this.#onOutcome = onOutcome;
    for (const { body } of store.pending.values()) this.#bytes += body.length;
  }

  /** Takes up what an earlier run left. */
  start(): void {
    this.#schedule();
  }

  /** Makes the attempts that are made at once; what fails is tried again later. Never throws. */
  async send(outgoing: Outgoing): Promise<Delivery> {
    const { immediateAttempts, duplicates } = this.#store.settings;
    const started = performance.now();
    const { appId, mids } = outgoing;
    const delivery: Delivery = { appId, mids, status: 0, held: false, attempts: 0, durationMs: 0, waiting: false };
    const callbackUrl = this.#callbackOf(outgoing);
    let reason = "";
    const most = callbackUrl === null ? 0 : immediateAttempts;
    while (delivery.status !== 200 && delivery.attempts < most && !this.closing) {
      delivery.attempts += 1;
      const answer = await this.#post(outgoing, callbackUrl ?? "");
      delivery.status = answer.status;
      delivery.held = answer.held;
      reason = answer.reason;
    }
    const again = delivery.status === 200 ? duplicates : 0;
    for (let n = 0; n < again; n += 1) await this.#post(outgoing, callbackUrl ?? "");
    delivery.durationMs = Math.round((performance.now() - started) * 10) / 10;
    const outcome = delivery.status === 0 ? `no answer${reason}` : `answered ${delivery.status}${delivery.held ? ", held" : ""}`;
    const what = `${outgoing.fields.join("+")} ${(mids[0] ?? "").slice(0, 12)}${mids.length > 1 ? ` and ${mids.length - 1} more` : "..."}`;
    this.#config.log(`${what} to ${callbackUrl}: ${outcome}, attempt ${delivery.attempts}, ${delivery.durationMs} ms`);
    if (delivery.status === 200) this.#succeeded(outgoing);
    else delivery.waiting = this.#failed(outgoing, delivery);
    return delivery;
  }

  stop(): void {
    this.closing = true;
    this.#store.clock.stop();
  }

  /** The first pause is counted from now, the next ones from each attempt. */
  #failed(outgoing: Outgoing, delivery: Delivery): boolean {
    if (!this.#noteFailure(outgoing)) return false;
    const now = this.#store.clock.now();
    const pending: Pending = {
      ...outgoing,
      phoneId: outgoing.phoneId ?? null,
      id: randomUUID(),
      firstAt: now,
      nextAt: now + (this.#store.settings.retryMinutes[0] ?? 1) * 60_000,
      attempts: delivery.attempts,
      status: delivery.status,
    };
    this.#store.pending.set(pending.id, pending);
    this.#bytes += pending.body.length;
    for (const [id, oldest] of this.#store.pending) {
      if (this.#store.pending.size <= MOST_PENDING && this.#bytes <= MOST_PENDING_BYTES) break;
      this.#drop(this.#store.pending.get(id) ?? oldest, "too many deliveries wait");
    }
    this.#store.changed();
    this.#schedule();
    return this.#store.pending.has(pending.id);
  }

  #schedule(): void {
    if (this.closing) return;
    let next: number | null = null;
    for (const { id, nextAt } of this.#store.pending.values()) {
      if (!this.#underWay.has(id) && (next === null || nextAt < next)) next = nextAt;
    }
    if (this.#underWay.size >= CONCURRENCY) next = null;
    this.#store.clock.wakeAt(next, () => this.#wake());
  }

  #wake(): void {
    const now = this.#store.clock.now();
    for (const pending of this.#store.pending.values()) {
      if (this.#underWay.size >= CONCURRENCY) break;
      if (pending.nextAt > now || this.#underWay.has(pending.id)) continue;
      this.#underWay.add(pending.id);
      void this.#again(pending).finally(() => {
        this.#underWay.delete(pending.id);
        this.#schedule();
      });
    }
    this.#schedule();
  }

  /** To the callback that is registered now: it may be another one than at first. */
  async #again(pending: Pending): Promise<void> {
    const { retryMinutes, dropAfterHours, immediateAttempts } = this.#store.settings;
    const callbackUrl = this.#callbackOf(pending);
    const answer = callbackUrl === null ? { status: 0, held: false, reason: "" } : await this.#post(pending, callbackUrl);
    if (this.closing || !this.#store.pending.has(pending.id)) return;
    pending.attempts += 1;
    pending.status = answer.status;
    const now = this.#store.clock.now();
    if (answer.status === 200) {
      this.#forget(pending);
      this.#succeeded(pending);
      this.#config.log(`${pending.fields.join("+")} delivered after ${minutesOf(now - pending.firstAt)}, attempt ${pending.attempts}`);
      return this.#onOutcome(pending.mids, answer.held ? "held" : "acknowledged");
    }
    if (!this.#noteFailure(pending)) return;
    if (now - pending.firstAt >= dropAfterHours * 3_600_000) return this.#drop(pending, `undelivered after ${dropAfterHours} h`);
    const later = pending.attempts - immediateAttempts;
    pending.nextAt = now + (retryMinutes[Math.min(Math.max(later, 0), retryMinutes.length - 1)] ?? 1) * 60_000;
    this.#store.changed();
  }

  async #post(outgoing: Outgoing, url: string): Promise<{ status: number; held: boolean; reason: string }> {
    const app = this.#store.apps.get(outgoing.appId);
    if (!app) return { status: 0, held: false, reason: ": the app is gone" };
    const body = Buffer.from(outgoing.body, "latin1");
    const headers = {
      "content-type": "application/json",
      "user-agent": "facebookexternalua",
      accept: "*/*",
      ...signatureHeaders(app.secret, body),
    };
    try {
      const answer = await this.#config.http({ method: "POST", url, headers, body, timeoutMs: this.#store.settings.answerTimeoutMs });
      // An edge that keeps what it cannot deliver names the delivery in its own answer.
      return { status: answer.status, held: answer.status === 200 && answer.headers?.["airy-delivery"] !== undefined, reason: "" };
    } catch (error) {
      return { status: 0, held: false, reason: error instanceof Error ? `: ${error.message}` : "" };
    }
  }

  /** WhatsApp: the number's callback before the account's before the app's. */
  #callbackOf({ appId, object, accountId, phoneId }: Pick<Outgoing, "appId" | "object" | "accountId" | "phoneId">): string | null {
    const app = this.#store.apps.get(appId);
    const row = app && subscriptionOf(app, object);
    if (!app || !row?.active) return null;
    const account = this.#store.whatsapp.get(accountId);
    const phone = account?.phones.find(({ id }) => id === phoneId);
    const own = account?.installed.find((each) => each.appId === appId);
    return phone?.override?.callbackUrl ?? own?.override?.callbackUrl ?? row.callbackUrl;
  }

  #succeeded(outgoing: Pick<Outgoing, "appId" | "accountId">): void {
    const installation = this.#installation(outgoing);
    if (!installation?.failingSince) return;
    installation.failingSince = null;
    installation.alerted = false;
    this.#store.changed();
  }

  /** False when this failure ended the subscription, and with it what waited. */
  #noteFailure(outgoing: Outgoing | Pending): boolean {
    const installation = this.#installation(outgoing);
    if (!installation) return true;
    const { alertAfterMinutes, disableAfterMinutes, disablingDrops } = this.#store.settings;
    const now = this.#store.clock.now();
    installation.failingSince ??= now;
    this.#store.changed();
    const minutes = (now - installation.failingSince) / 60_000;
    const { appId, accountId, object } = outgoing;
    if (minutes >= alertAfterMinutes && !installation.alerted) {
      installation.alerted = true;
      const text = `Webhooks of app ${appId} for ${object} ${accountId} have failed for ${minutesOf(now - installation.failingSince)}.`;
      this.#store.addAlert({ at: now, kind: "failing", appId, accountId, text });
    }
    if (minutes < disableAfterMinutes) return true;
    for (const { installed } of this.#accounts(accountId)) {
      const at = installed.indexOf(installation);
      if (at !== -1) installed.splice(at, 1);
    }
    const lasted = minutesOf(minutes * 60_000);
    const text = `Webhooks Disabled: app ${appId} is unsubscribed from ${object} ${accountId} after ${lasted} of failures.`;
    this.#store.addAlert({ at: now, kind: "disabled", appId, accountId, text });
    if (!disablingDrops) return true;
    for (const pending of this.#store.pending.values()) {
      if (pending.appId === appId && pending.accountId === accountId) this.#drop(pending, "the app was unsubscribed");
    }
    this.#onOutcome(outgoing.mids, "dropped");
    return false;
  }

  #installation({ appId, accountId }: { appId: string; accountId: string }): Installation | null {
    for (const { installed } of this.#accounts(accountId)) {
      const found = installed.find((each) => each.appId === appId);
      if (found) return found;
    }
    return null;
  }

  #accounts(accountId: string): { installed: Installation[] }[] {
    const { pages, whatsapp } = this.#store;
    const page = [...pages.values()].find(({ id, instagram }) => id === accountId || instagram?.id === accountId);
    const account = whatsapp.get(accountId);
    return [...(page ? [page] : []), ...(account ? [account] : [])];
  }

  #drop(pending: Pending, why: string): void {
    this.#forget(pending);
    const text = `A delivery of ${pending.fields.join("+")} to app ${pending.appId} was given up, attempts ${pending.attempts}: ${why}.`;
    this.#store.addAlert({ at: this.#store.clock.now(), kind: "dropped", appId: pending.appId, accountId: pending.accountId, text });
    this.#onOutcome(pending.mids, "dropped");
  }

  #forget(pending: Pending): void {
    if (this.#store.pending.delete(pending.id)) this.#bytes -= pending.body.length;
    this.#store.changed();
  }
}

function minutesOf(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 6) / 10} h`;
}
