/**
 * WhatsApp Cloud as a source: a callback of its own for one business account or one number, which leaves the app's as it is and has a
 * defined undo. Source: Meta's WhatsApp "webhooks, override" page, 28 Jun 2026.
 */
import { z } from "zod";
import { fail, asAiryError, whyOf } from "../../errors.ts";
import type { Emit, WebhookState, WebhookStatus } from "../../events.ts";
import { inertLine, inertUrl } from "../facebook/answers.ts";
import { probeCallback } from "../facebook/callback.ts";
import { requireHttps } from "../facebook/credentials.ts";
import { Graph, type GraphConfig, requireSafeUrl } from "../facebook/graph.ts";
import { sameUrl } from "../facebook/subscriptions.ts";
import type { Lease, RegisterOptions, Repaired, Restored, Source, SourceTarget } from "../source.ts";

export interface WhatsAppSourceConfig extends GraphConfig {
  /** Of a system user with whatsapp_business_management. */
  token: string;
  /** Whose callback it is. */
  owner: { kind: "account" | "number"; id: string };
  lease: Lease;
}

/** Documented for overrides. */
const MOST_URL = 200;

const OBJECTS = { account: "whatsapp_business_account", number: "phone_number" } as const;

const named = z.object({ name: z.string().optional(), verified_name: z.string().optional() });
const success = z.object({ success: z.union([z.literal(true), z.literal("true")]) });
const accountApps = z.object({ data: z.array(z.unknown()) });
// A row of another app may be as odd as it likes.
const accountApp = z.object({
  whatsapp_business_api_data: z.object({ id: z.coerce.string() }),
  override_callback_uri: z.string().nullish(),
});
const numberConfiguration = z.object({ webhook_configuration: z.object({ phone_number: z.string().nullish() }).nullish() });

export function createWhatsAppSource(config: WhatsAppSourceConfig): Source {
  return new WhatsAppSource(config);
}

class WhatsAppSource implements Source {
  readonly name = "whatsapp";
  readonly #config: WhatsAppSourceConfig;
  readonly #graph: Graph;
  readonly #token: { kind: "user"; value: string };
  readonly #object: (typeof OBJECTS)[keyof typeof OBJECTS];
  readonly #node: string;

  constructor(config: WhatsAppSourceConfig) {
    this.#config = config;
    this.#graph = new Graph(config);
    this.#token = { kind: "user", value: config.token };
    this.#object = OBJECTS[config.owner.kind];
    this.#node = `/${encodeURIComponent(config.owner.id)}`;
  }

  get busy() {
    return this.#graph.busy;
  }

  require(callbackUrl: string): void {
    requireSafeUrl(this.#config.graphUrl);
    requireHttps(this.#config.graphUrl, callbackUrl);
    if (callbackUrl.length <= MOST_URL) return;
    fail("PROBE_FAILED", { url: callbackUrl, reason: `WhatsApp takes callback addresses of up to ${MOST_URL} characters.` });
  }

  async check(signal?: AbortSignal): Promise<{ account: string }> {
    const { kind, id } = this.#config.owner;
    const fields = kind === "number" ? "verified_name" : "name";
    const found = await this.#graph.call({ method: "GET", path: this.#node, params: { fields }, token: this.#token, signal }, named);
    return { account: inertLine(found.verified_name ?? found.name ?? id) };
  }

  async inspect(target: SourceTarget, signal?: AbortSignal): Promise<WebhookStatus[]> {
    const current = await this.#read(signal);
    return [this.#status(stateOf(current, target), current)];
  }

  async register(target: SourceTarget, options: RegisterOptions, emit: Emit, signal?: AbortSignal): Promise<WebhookStatus[]> {
    const { callbackUrl, verifyToken, refuse } = target;
    const { appId, http, lease, retryDelaysMs = [250, 500, 1_000] } = this.#config;
    const object = this.#object;
    this.require(callbackUrl);
    if (!options.reached) await probeCallback({ http, callbackUrl, verifyToken, refuse, retryDelaysMs, signal });
    const before = await this.#read(signal);
    const state = stateOf(before, target);
    if (state === "foreign" && !options.replaceWebhook) fail("WEBHOOK_FOREIGN", { appId, object, current: before, callbackUrl });
    if (state === "foreign" || state === "pending") {
      await lease.record({ object: this.#leaseKey, callbackUrl: before, fields: [], at: new Date().toISOString() });
    }
    await this.#write({ callbackUrl, verifyToken }, signal);
    const after = await this.#read(signal);
    if (stateOf(after, target) !== "active") fail("FB_READBACK", { callbackUrl, current: after, active: null, missing: [] });
    const webhook = this.#status("active", after);
    emit({ type: "webhook", webhook, ...(before && !sameUrl(before, callbackUrl) && { previousUrl: before }) });
    return [webhook];
  }

  async repair(target: SourceTarget, options: RegisterOptions, emit: Emit, signal?: AbortSignal): Promise<Repaired> {
    const { kind, id } = this.#config.owner;
    const current = await this.#read(signal);
    const state = stateOf(current, target);
    if (state === "active" || (state === "foreign" && !options.replaceWebhook))
      return { webhooks: [this.#status(state, current)], repairs: [] };
    const webhooks = await this.register(target, options, emit, signal);
    return { webhooks, repairs: [`The callback of the WhatsApp ${kind} ${id} was not this workspace's any more, and is again.`] };
  }

  async restore(target: SourceTarget, oldToken: string | null, signal?: AbortSignal): Promise<Restored[]> {
    const { lease, http } = this.#config;
    const object = this.#object;
    const current = await this.#read(signal);
    const before = (await lease.previous()).find((each) => each.object === this.#leaseKey);
    if (current === null || !before) return [{ object, outcome: "absent", callbackUrl: current }];
    if (stateOf(current, target) === "foreign") fail("WEBHOOK_NOT_OURS", { object, current });
    const { callbackUrl } = before;
    if (callbackUrl === null) await this.#write(null, signal);
    else {
      const verifyToken = oldToken ?? fail("WEBHOOK_TOKEN_NEEDED", { object, previous: callbackUrl });
      await probeCallback({ http, callbackUrl, verifyToken, retryDelaysMs: [], signal }).catch((error: unknown) => {
        signal?.throwIfAborted();
        return fail("WEBHOOK_OLD_DEAD", { object, previous: callbackUrl, reason: whyOf(asAiryError(error)) }, { cause: error });
      });
      await this.#write({ callbackUrl, verifyToken }, signal);
    }
    await lease.forget(this.#leaseKey);
    return [{ object, outcome: callbackUrl === null ? "removed" : "restored", callbackUrl }];
  }

  get #leaseKey(): string {
    return `${this.#object} ${this.#config.owner.id}`;
  }

  #status(state: WebhookState, callbackUrl: string | null): WebhookStatus {
    return { source: "whatsapp", object: this.#object, state, callbackUrl };
  }

  /** The present override; null: the app's callback counts. */
  async #read(signal?: AbortSignal): Promise<string | null> {
    const { appId, owner } = this.#config;
    const call = { method: "GET", token: this.#token, signal } as const;
    if (owner.kind === "number") {
      const params = { fields: "webhook_configuration" };
      const found = await this.#graph.call({ ...call, path: this.#node, params }, numberConfiguration);
      return inertUrl(found.webhook_configuration?.phone_number ?? "") || null;
    }
    const { data } = await this.#graph.call({ ...call, path: `${this.#node}/subscribed_apps` }, accountApps);
    const rows = data.flatMap((row) => accountApp.safeParse(row).data ?? []);
    return inertUrl(rows.find((one) => one.whatsapp_business_api_data.id === appId)?.override_callback_uri ?? "") || null;
  }

  /** @param override null takes it away. */
  async #write(override: { callbackUrl: string; verifyToken: string } | null, signal?: AbortSignal): Promise<void> {
    const value = { override_callback_uri: override?.callbackUrl ?? "", ...(override && { verify_token: override.verifyToken }) };
    const secrets = override ? [override.verifyToken] : [];
    // An account without a body is back to the app's callback.
    const call =
      this.#config.owner.kind === "number"
        ? { path: this.#node, params: { webhook_configuration: JSON.stringify(value) } }
        : { path: `${this.#node}/subscribed_apps`, ...(override && { params: value }) };
    await this.#graph.call({ method: "POST", ...call, token: this.#token, secrets, signal }, success);
  }
}

function stateOf(current: string | null, { callbackUrl, previousUrls }: SourceTarget): WebhookState {
  if (current === null) return "pending";
  if (sameUrl(current, callbackUrl)) return "active";
  return previousUrls.some((url) => sameUrl(url, current)) ? "inactive" : "foreign";
}
