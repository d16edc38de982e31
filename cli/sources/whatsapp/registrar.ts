/**
 * WhatsApp Cloud as a source: a callback of its own for one business account or one number, which leaves the app's as it is and has a defined
 * undo. Source: Meta's WhatsApp "webhooks, override" page, 28 Jun 2026.
 */
import { z } from "zod";
import { fail, asAiryError, whyOf } from "../../errors.ts";
import type { Emit, WebhookState, WebhookStatus } from "../../events.ts";
import { probeCallback } from "../facebook/callback.ts";
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
const accountApps = z.object({
  data: z.array(
    z.object({ whatsapp_business_api_data: z.object({ id: z.coerce.string() }), override_callback_uri: z.string().optional() }),
  ),
});
const numberConfiguration = z.object({ webhook_configuration: z.object({ phone_number: z.string().optional() }).optional() });

export function createWhatsAppSource({ token, owner, lease, ...config }: WhatsAppSourceConfig): Source {
  const graph = new Graph(config);
  const bearer = { kind: "user" as const, value: token };
  const object = OBJECTS[owner.kind];
  const node = `/${encodeURIComponent(owner.id)}`;
  const status = (state: WebhookState, callbackUrl: string | null): WebhookStatus => ({ source: "whatsapp", object, state, callbackUrl });

  /** The present override; null: the app's callback counts. */
  async function read(signal?: AbortSignal): Promise<string | null> {
    if (owner.kind === "number") {
      const params = { fields: "webhook_configuration" };
      const found = await graph.call({ method: "GET", path: node, params, token: bearer, signal }, numberConfiguration);
      return found.webhook_configuration?.phone_number || null;
    }
    const { data } = await graph.call({ method: "GET", path: `${node}/subscribed_apps`, token: bearer, signal }, accountApps);
    return data.find((one) => one.whatsapp_business_api_data.id === config.appId)?.override_callback_uri || null;
  }

  /** @param override null takes it away. */
  async function write(override: { callbackUrl: string; verifyToken: string } | null, signal?: AbortSignal): Promise<void> {
    const value = { override_callback_uri: override?.callbackUrl ?? "", ...(override && { verify_token: override.verifyToken }) };
    const secrets = override ? [override.verifyToken] : [];
    const call =
      owner.kind === "number" ? { path: node, params: { webhook_configuration: JSON.stringify(value) } } : accountCall(override && value);
    await graph.call({ method: "POST", ...call, token: bearer, secrets, signal }, success);
  }

  function accountCall(value: Record<string, string> | null): { path: string; params?: Record<string, string> } {
    // Without a body it is back to the app's callback.
    return { path: `${node}/subscribed_apps`, ...(value && { params: value }) };
  }

  function stateOf(current: string | null, { callbackUrl, previousUrls }: SourceTarget): WebhookState {
    if (current === null) return "pending";
    if (sameUrl(current, callbackUrl)) return "active";
    return previousUrls.some((url) => sameUrl(url, current)) ? "inactive" : "foreign";
  }

  function require(callbackUrl: string): void {
    requireSafeUrl(config.graphUrl);
    if (callbackUrl.length <= MOST_URL) return;
    fail("PROBE_FAILED", { url: callbackUrl, reason: `WhatsApp takes callback addresses of up to ${MOST_URL} characters.` });
  }

  async function register(target: SourceTarget, options: RegisterOptions, emit: Emit, signal?: AbortSignal): Promise<WebhookStatus[]> {
    const { callbackUrl, verifyToken, refuse } = target;
    require(callbackUrl);
    const { http, retryDelaysMs = [250, 500, 1_000] } = config;
    if (!options.reached) await probeCallback({ http, callbackUrl, verifyToken, refuse, retryDelaysMs, signal });
    const before = await read(signal);
    const state = stateOf(before, target);
    if (state === "foreign" && !options.replaceWebhook) {
      fail("WEBHOOK_FOREIGN", { appId: config.appId, object, current: before, callbackUrl });
    }
    if (state === "foreign" || state === "pending") {
      await lease.record({ object: `${object} ${owner.id}`, callbackUrl: before, fields: [], at: new Date().toISOString() });
    }
    await write({ callbackUrl, verifyToken }, signal);
    const after = await read(signal);
    if (stateOf(after, target) !== "active") fail("FB_READBACK", { callbackUrl, current: after, active: null, missing: [] });
    const webhook = status("active", after);
    emit({ type: "webhook", webhook, ...(before && !sameUrl(before, callbackUrl) && { previousUrl: before }) });
    return [webhook];
  }

  return {
    name: "whatsapp",
    get busy() {
      return graph.busy;
    },
    require,
    register,

    async check(signal) {
      const fields = owner.kind === "number" ? "verified_name" : "name";
      const found = await graph.call({ method: "GET", path: node, params: { fields }, token: bearer, signal }, named);
      return { account: found.verified_name ?? found.name ?? owner.id };
    },

    async inspect(target, signal) {
      const current = await read(signal);
      return [status(stateOf(current, target), current)];
    },

    async repair(target, options, emit, signal): Promise<Repaired> {
      const current = await read(signal);
      const state = stateOf(current, target);
      if (state === "active" || (state === "foreign" && !options.replaceWebhook))
        return { webhooks: [status(state, current)], repairs: [] };
      const webhooks = await register(target, options, emit, signal);
      return {
        webhooks,
        repairs: [`The callback of the WhatsApp ${owner.kind} ${owner.id} was not this workspace's any more, and is again.`],
      };
    },

    async restore(target, oldToken, signal): Promise<Restored[]> {
      const key = `${object} ${owner.id}`;
      const current = await read(signal);
      const before = (await lease.previous()).find((each) => each.object === key);
      if (current === null || !before) return [{ object, outcome: "absent", callbackUrl: current }];
      if (stateOf(current, target) === "foreign") fail("WEBHOOK_NOT_OURS", { object, current });
      const { callbackUrl } = before;
      if (callbackUrl === null) await write(null, signal);
      else {
        const verifyToken = oldToken ?? fail("WEBHOOK_TOKEN_NEEDED", { object, previous: callbackUrl });
        await probeCallback({ http: config.http, callbackUrl, verifyToken, retryDelaysMs: [], signal }).catch((error: unknown) => {
          signal?.throwIfAborted();
          return fail("WEBHOOK_OLD_DEAD", { object, previous: callbackUrl, reason: whyOf(asAiryError(error)) }, { cause: error });
        });
        await write({ callbackUrl, verifyToken }, signal);
      }
      await lease.forget(key);
      return [{ object, outcome: callbackUrl === null ? "removed" : "restored", callbackUrl }];
    },
  };
}
