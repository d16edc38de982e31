/** Facebook as a source: registers the workspace's callback for pages and Instagram, keeps it registered, and can give it back. */
import { z } from "zod";
import { retry } from "../../io/retry.ts";
import type { Emit, WebhookStatus } from "../../events.ts";
import { AiryError, asAiryError, fail, whyOf } from "../../errors.ts";
import type { Lease, Previous, RegisterOptions, Repaired, Restored, Source, SourceTarget } from "../source.ts";
import { noLease } from "../lease.ts";
import { inertLine } from "./answers.ts";
import { probeCallback } from "./callback.ts";
import { explainUnknownApp, requireHttps, requirePossible } from "./credentials.ts";
import { Graph, type GraphConfig, requireSafeUrl } from "./graph.ts";
import {
  FIELDS,
  deleteRow,
  missingOf,
  readRows,
  sameUrl,
  stateOf,
  statusOf,
  writeRow,
  type FacebookObject,
  type Row,
} from "./subscriptions.ts";

export interface FacebookSourceConfig extends GraphConfig {
  /** Where it is written down what was there before; default: nowhere. */
  lease?: Lease;
}

const OBJECTS: readonly FacebookObject[] = ["page", "instagram"];

const READBACK_DELAYS_MS = [250, 500, 1_000, 2_000];

const appAnswer = z.object({ id: z.coerce.string(), name: z.string().catch("") });

/** Reads and writes nothing until it is asked to. */
export function createFacebookSource({ lease = noLease, ...config }: FacebookSourceConfig): Source {
  return new FacebookSource(new Graph(config), lease);
}

class FacebookSource implements Source {
  readonly name = "facebook";
  readonly #graph: Graph;
  readonly #lease: Lease;

  constructor(graph: Graph, lease: Lease) {
    this.#graph = graph;
    this.#lease = lease;
  }

  get busy(): boolean {
    return this.#graph.busy;
  }

  require(callbackUrl: string): void {
    const { config } = this.#graph;
    requireSafeUrl(config.graphUrl);
    requirePossible(config);
    requireHttps(config.graphUrl, callbackUrl);
  }

  async check(signal?: AbortSignal): Promise<{ account: string }> {
    const { appId } = this.#graph.config;
    requireSafeUrl(this.#graph.config.graphUrl);
    requirePossible(this.#graph.config);
    const app = await this.#graph.call({ method: "GET", path: "/app", signal }, appAnswer).catch(async (error: unknown) => {
      throw await explainUnknownApp(this.#graph.config, error, signal);
    });
    if (app.id !== appId) fail("FB_APP_REJECTED", { appId, otherApp: app.id });
    return { account: inertLine(app.name) };
  }

  async inspect(target: SourceTarget, signal?: AbortSignal): Promise<WebhookStatus[]> {
    const found = await readRows(this.#graph, signal);
    return OBJECTS.map((object) => statusNow(object, found.get(object), target));
  }

  async register(target: SourceTarget, options: RegisterOptions, emit: Emit, signal?: AbortSignal): Promise<WebhookStatus[]> {
    this.require(target.callbackUrl);
    try {
      if (!options.reached) await this.#reach(target, emit, signal);
      await this.#lease.release(false);
      const before = await readRows(this.#graph, signal);
      const page = await this.#registerObject("page", before.get("page"), { target, options, emit, signal });
      const instagram = await this.#registerInstagram(before.get("instagram"), { target, options, emit, signal });
      return [page, instagram];
    } catch (error) {
      if (!signal?.aborted) emit({ type: "webhook", webhook: statusAfter(error, target.callbackUrl) });
      throw error;
    }
  }

  async repair(target: SourceTarget, options: RegisterOptions, emit: Emit, signal?: AbortSignal): Promise<Repaired> {
    const found = await readRows(this.#graph, signal);
    const before = OBJECTS.map((object) => statusNow(object, found.get(object), target));
    const [page, instagram] = before as [WebhookStatus, WebhookStatus];
    if (options.asked ?? true) await this.#lease.release(false);
    else if (await this.#lease.released()) return { webhooks: before, repairs: [] };
    const repairs: string[] = [];
    const webhooks: WebhookStatus[] = [];
    const needs = ({ state }: WebhookStatus): boolean =>
      state === "pending" || state === "inactive" || (state === "foreign" && options.replaceWebhook);
    if (needs(page) || (needs(instagram) && !this.#givenUp)) {
      this.require(target.callbackUrl);
      if (!options.reached) await this.#reach(target, () => {}, signal);
    }
    const work = { target, options, emit: () => {}, signal };
    if (needs(page)) {
      webhooks.push(await this.#registerObject("page", found.get("page"), work));
      repairs.push(repairText("page", found.get("page"), target));
    } else webhooks.push(page);
    if (needs(instagram) && !this.#givenUp) {
      webhooks.push(await this.#registerInstagram(found.get("instagram"), { ...work, emit }));
      if (webhooks.at(-1)?.state === "active") repairs.push(repairText("instagram", found.get("instagram"), target));
    } else webhooks.push(this.#givenUp && instagram.state !== "active" ? { ...instagram, state: "error" } : instagram);
    return { webhooks, repairs };
  }

  async restore(target: SourceTarget, oldToken: string | null, signal?: AbortSignal): Promise<Restored[]> {
    const found = await readRows(this.#graph, signal);
    const previous = await this.#lease.previous();
    const restored: Restored[] = [];
    // Before anything is changed: what runs would take it for lost, and register again.
    await this.#lease.release(true);
    try {
      for (const object of OBJECTS) {
        const before = previous.find((each) => each.object === object);
        restored.push(await this.#restoreObject(object, before, found.get(object), { target, oldToken, signal }));
      }
    } finally {
      if (restored.every(({ outcome }) => outcome === "absent")) await this.#lease.release(false);
    }
    return restored;
  }

  /** Instagram was refused for what the app is; asking again every ten minutes would change nothing. */
  #givenUp = false;

  async #reach({ callbackUrl, verifyToken, refuse }: SourceTarget, emit: Emit, signal: AbortSignal | undefined): Promise<void> {
    const { http, retryDelaysMs = READBACK_DELAYS_MS } = this.#graph.config;
    emit({ type: "webhook", webhook: statusOf("page", "pending", callbackUrl), detail: "checking the address from outside" });
    await probeCallback({ http, callbackUrl, verifyToken, refuse, retryDelaysMs, signal });
  }

  async #registerObject(object: FacebookObject, before: Row | undefined, work: Work): Promise<WebhookStatus> {
    const { target, options, emit, signal } = work;
    const { callbackUrl, verifyToken } = target;
    const state = stateOf(before, object, target);
    const previousUrl = before && !sameUrl(before.callbackUrl, callbackUrl) ? before.callbackUrl : undefined;
    if (state === "foreign" && !options.replaceWebhook) {
      fail("WEBHOOK_FOREIGN", { appId: this.#graph.config.appId, object, current: previousUrl ?? null, callbackUrl });
    }
    emit({ type: "webhook", webhook: statusOf(object, "pending", callbackUrl), previousUrl, detail: "Facebook is verifying the address" });
    if (state === "foreign" || state === "pending") {
      const at = new Date().toISOString();
      await this.#lease.record({ object, callbackUrl: before?.callbackUrl ?? null, fields: before?.fields ?? [], at });
    }
    // Also when it is registered already: Facebook then verifies again, and the verify token it holds is surely the present one.
    await writeRow(this.#graph, { object, callbackUrl, verifyToken, fields: FIELDS[object] }, signal);
    const webhook = await this.#readBack(object, target, signal);
    emit({ type: "webhook", webhook, previousUrl });
    return webhook;
  }

  /** Meta's pages contradict each other on whether this can be done by API: where it cannot, the rest is as good as before. */
  async #registerInstagram(before: Row | undefined, work: Work): Promise<WebhookStatus> {
    const { target, emit, signal } = work;
    try {
      return await this.#registerObject("instagram", before, work);
    } catch (error) {
      signal?.throwIfAborted();
      const failure = asAiryError(error);
      if (failure.code === "INTERNAL") throw error;
      if (failure.code === "WEBHOOK_FOREIGN") {
        const webhook = statusOf("instagram", "foreign", before?.callbackUrl ?? null);
        const detail = "left alone; --replace-webhook takes it over";
        emit({ type: "webhook", webhook, detail });
        return webhook;
      }
      this.#givenUp = ["FB_PARAMETER", "FB_CAPABILITY", "FB_PERMISSION", "FB_READBACK", "FB_ERROR"].includes(failure.code);
      const webhook = statusOf("instagram", "error", null);
      emit({ type: "webhook", webhook, detail: this.#givenUp ? "not accepted by API" : failure.code });
      emit({ type: "warning", code: "INSTAGRAM_BY_HAND", message: byHand(failure), action: handSteps(target.callbackUrl) });
      return webhook;
    }
  }

  /** A confirmed registration may take a moment to show. */
  async #readBack(object: FacebookObject, target: SourceTarget, signal: AbortSignal | undefined): Promise<WebhookStatus> {
    const { callbackUrl } = target;
    const { retryDelaysMs: delaysMs = READBACK_DELAYS_MS } = this.#graph.config;
    const read = async (): Promise<Row | undefined> => (await readRows(this.#graph, signal)).get(object);
    const found = await retry(read, { delaysMs, again: (row) => stateOf(row, object, target) !== "active", signal });
    if (stateOf(found, object, target) === "active") return statusOf(object, "active", callbackUrl);
    return fail("FB_READBACK", {
      callbackUrl,
      current: found?.callbackUrl ?? null,
      active: found?.active ?? null,
      missing: found ? missingOf(found, object) : [],
    });
  }

  async #restoreObject(object: FacebookObject, before: Previous | undefined, now: Row | undefined, work: Returning): Promise<Restored> {
    if (!before || !now) return { object, outcome: "absent", callbackUrl: now?.callbackUrl ?? null };
    if (stateOf(now, object, work.target) === "foreign") fail("WEBHOOK_NOT_OURS", { object, current: now.callbackUrl });
    const { callbackUrl } = before;
    if (callbackUrl === null) await deleteRow(this.#graph, object, null, work.signal);
    else await this.#giveBack(object, { ...before, callbackUrl }, now, work);
    await this.#lease.forget(object);
    return { object, outcome: callbackUrl === null ? "removed" : "restored", callbackUrl };
  }

  async #giveBack(object: FacebookObject, before: { callbackUrl: string; fields: string[] }, now: Row, work: Returning): Promise<void> {
    const { target, oldToken, signal } = work;
    const { callbackUrl } = before;
    if (oldToken === null) return fail("WEBHOOK_TOKEN_NEEDED", { object, previous: callbackUrl });
    const { http } = this.#graph.config;
    await probeCallback({ http, callbackUrl, verifyToken: oldToken, refuse: target.refuse, retryDelaysMs: [], signal }).catch(
      (error: unknown) => {
        signal?.throwIfAborted();
        return fail("WEBHOOK_OLD_DEAD", { object, previous: callbackUrl, reason: whyOf(asAiryError(error)) }, { cause: error });
      },
    );
    await writeRow(this.#graph, { object, callbackUrl, verifyToken: oldToken, fields: before.fields }, signal);
    const added = now.fields.filter((name) => !before.fields.includes(name));
    if (added.length > 0) await deleteRow(this.#graph, object, added, signal);
  }
}

interface Work {
  target: SourceTarget;
  options: RegisterOptions;
  emit: Emit;
  signal: AbortSignal | undefined;
}

interface Returning {
  target: SourceTarget;
  oldToken: string | null;
  signal: AbortSignal | undefined;
}

function statusNow(object: FacebookObject, found: Row | undefined, target: SourceTarget): WebhookStatus {
  return statusOf(object, stateOf(found, object, target), found?.callbackUrl ?? null);
}

function repairText(object: FacebookObject, found: Row | undefined, target: SourceTarget): string {
  const what = object === "page" ? "The webhook" : "The webhook for Instagram";
  if (!found) return `${what} was gone at Facebook, and was registered again.`;
  if (!sameUrl(found.callbackUrl, target.callbackUrl)) return `${what} pointed to ${found.callbackUrl}, and points here again.`;
  if (!found.active) return `${what} was switched off at Facebook, and is active again.`;
  return `${what} lacked the fields ${missingOf(found, object).join(", ")}, which were added again.`;
}

function byHand(failure: AiryError): string {
  return `Facebook pages work; the webhook for Instagram was not accepted. ${failure.message} ${whyOf(failure)}`;
}

function handSteps(callbackUrl: string): string {
  return (
    "where Instagram is wanted: developers.facebook.com > your app > Webhooks > Instagram > Subscribe, Callback URL " +
    `${callbackUrl}, Verify token: webhookSecret of airy.yaml (set one of your own), then the fields ${FIELDS.instagram.join(", ")}`
  );
}

function statusAfter(error: unknown, callbackUrl: string): WebhookStatus {
  if (!(error instanceof AiryError) || error.code !== "WEBHOOK_FOREIGN") return statusOf("page", "error", callbackUrl);
  return statusOf("page", "foreign", typeof error.details.current === "string" ? error.details.current : null);
}
