/**
 * Facebook as a source: registers the workspace's callback for the app's `page` object and keeps it registered.
 * Source: Meta's Graph API reference, app/subscriptions.
 */
import { z } from "zod";
import type { HttpClient } from "../../io/http.ts";
import { retry } from "../../io/retry.ts";
import type { Emit, WebhookState, WebhookStatus } from "../../events.ts";
import { AiryError, fail } from "../../errors.ts";
import type { RegisterOptions, Source, SourceTarget } from "../source.ts";
import { probeCallback } from "./callback.ts";
import { PAGE_FIELDS } from "../../../compose/facebook/contract.ts";
import { type GraphConfig, callGraph, isLocalHost } from "./graph.ts";

export interface FacebookSourceConfig {
  http: HttpClient;
  /** Base of the Graph API without version, e.g. `https://graph.facebook.com`. */
  graphUrl: string;
  appId: string;
  appSecret: string;
  /** Pauses before repeats of what may pass by itself, milliseconds. */
  retryDelaysMs?: readonly number[];
}

/** Instagram follows with its own object; fields and callback are independent rows at Facebook. */
const OBJECT = "page";

/** Together below 4 s: a tunnel that was just opened needs less, and nobody should wait longer for what is broken. */
const RETRY_DELAYS_MS = [250, 500, 1_000, 2_000];

const appAnswer = z.object({ id: z.string(), name: z.string().default("") });

const subscriptionsAnswer = z.object({
  data: z.array(
    z.object({
      object: z.string(),
      callback_url: z.string().default(""),
      active: z.boolean().default(false),
      // Older versions list bare names.
      fields: z.array(z.union([z.string(), z.object({ name: z.string() }).transform((field) => field.name)])).default([]),
    }),
  ),
});

// The guide prints the string "true", the API answers a boolean.
const successAnswer = z.object({ success: z.union([z.literal(true), z.literal("true")]) });

interface Registered {
  callbackUrl: string;
  active: boolean;
  missing: string[];
}

/** Reads and writes nothing until it is asked to. */
export function createFacebookSource(config: FacebookSourceConfig): Source {
  const graph: GraphConfig = { ...config, retryDelaysMs: config.retryDelaysMs ?? RETRY_DELAYS_MS };
  const subscriptions = `/${encodeURIComponent(config.appId)}/subscriptions`;

  async function read(signal: AbortSignal | undefined): Promise<Registered | null> {
    requireSafeGraphUrl(config.graphUrl);
    const { data } = await callGraph(graph, { method: "GET", path: subscriptions, signal }, subscriptionsAnswer);
    const row = data.find(({ object }) => object === OBJECT);
    if (!row || row.callback_url === "") return null;
    return { callbackUrl: row.callback_url, active: row.active, missing: PAGE_FIELDS.filter((field) => !row.fields.includes(field)) };
  }

  async function write(target: SourceTarget, signal: AbortSignal | undefined): Promise<void> {
    const params = {
      object: OBJECT,
      callback_url: target.callbackUrl,
      verify_token: target.verifyToken,
      fields: PAGE_FIELDS.join(","),
      include_values: "true",
    };
    await callGraph(graph, { method: "POST", path: subscriptions, params, secrets: [target.verifyToken], signal }, successAnswer);
  }

  /** A confirmed registration may take a moment to show. */
  async function readBack(target: SourceTarget, signal: AbortSignal | undefined): Promise<WebhookStatus> {
    const { callbackUrl } = target;
    const again = (row: Registered | null): boolean => stateOf(row, target) !== "active";
    const found = await retry(() => read(signal), { delaysMs: graph.retryDelaysMs, again, signal });
    if (stateOf(found, target) === "active") return statusOf("active", callbackUrl);
    const { callbackUrl: current = null, active = null, missing = [] } = found ?? {};
    return fail("FB_READBACK", { callbackUrl, current, active, missing });
  }

  async function register(target: SourceTarget, options: RegisterOptions, emit: Emit, signal?: AbortSignal): Promise<WebhookStatus[]> {
    requireSafeGraphUrl(config.graphUrl);
    requireHttps(config.graphUrl, target.callbackUrl);
    const { callbackUrl, verifyToken, refuse } = target;
    try {
      if (!options.reached) {
        emit({ type: "webhook", webhook: statusOf("pending", callbackUrl), detail: "checking the address from outside" });
        await probeCallback({ http: config.http, callbackUrl, verifyToken, refuse, retryDelaysMs: graph.retryDelaysMs, signal });
      }
      const before = await read(signal);
      const previousUrl = before && !sameUrl(before.callbackUrl, callbackUrl) ? before.callbackUrl : undefined;
      if (stateOf(before, target) === "foreign" && !options.replaceWebhook) {
        fail("WEBHOOK_FOREIGN", { appId: config.appId, object: OBJECT, current: previousUrl ?? null, callbackUrl });
      }
      emit({ type: "webhook", webhook: statusOf("pending", callbackUrl), previousUrl, detail: "Facebook is verifying the address" });
      // Also when it is registered already: Facebook then verifies again, and the verify token it holds is surely the present one.
      await write(target, signal);
      const webhook = await readBack(target, signal);
      emit({ type: "webhook", webhook, previousUrl });
      return [webhook];
    } catch (error) {
      if (!signal?.aborted) emit({ type: "webhook", webhook: statusAfter(error, callbackUrl) });
      throw error;
    }
  }

  return {
    name: "facebook",

    async check(signal) {
      requireSafeGraphUrl(config.graphUrl);
      const app = await callGraph(graph, { method: "GET", path: "/app", signal }, appAnswer);
      if (app.id !== config.appId) fail("FB_APP_REJECTED", { appId: config.appId, otherApp: app.id });
      return { account: app.name };
    },

    async inspect(target, signal) {
      const found = await read(signal);
      return [statusOf(stateOf(found, target), found?.callbackUrl ?? null)];
    },

    register,

    async repair(target, emit, signal) {
      const found = await read(signal);
      const state = stateOf(found, target);
      if (state === "active" || state === "foreign") return { webhooks: [statusOf(state, found?.callbackUrl ?? null)], repaired: false };
      return { webhooks: await register(target, { replaceWebhook: false }, emit, signal), repaired: true };
    },
  };
}

/** `pending`: nothing is registered; `inactive`: ours, but not able to receive what the platform needs. */
function stateOf(found: Registered | null, target: SourceTarget): WebhookState {
  if (found === null) return "pending";
  if (sameUrl(found.callbackUrl, target.callbackUrl)) return found.active && found.missing.length === 0 ? "active" : "inactive";
  return target.previousUrls.some((url) => sameUrl(url, found.callbackUrl)) ? "inactive" : "foreign";
}

function statusOf(state: WebhookState, callbackUrl: string | null): WebhookStatus {
  return { source: "facebook", object: OBJECT, state, callbackUrl };
}

function statusAfter(error: unknown, callbackUrl: string): WebhookStatus {
  if (!(error instanceof AiryError) || error.code !== "WEBHOOK_FOREIGN") return statusOf("error", callbackUrl);
  return statusOf("foreign", typeof error.details.current === "string" ? error.details.current : null);
}

/** The app secret goes over plain http to nobody but this machine (the stand-in). */
function requireSafeGraphUrl(graphUrl: string): void {
  const url = new URL(graphUrl);
  if (url.protocol !== "https:" && !isLocalHost(url.hostname)) fail("FB_GRAPH_URL_INSECURE", { graphHost: url.host });
}

/** Facebook itself delivers to https only; a stand-in beside us takes anything. */
function requireHttps(graphUrl: string, callbackUrl: string): void {
  const { hostname, host } = new URL(graphUrl);
  if (new URL(callbackUrl).protocol === "https:" || isLocalHost(hostname)) return;
  fail("FB_HTTPS_REQUIRED", { callbackUrl, graphHost: host });
}

function sameUrl(a: string, b: string): boolean {
  if (!URL.canParse(a) || !URL.canParse(b)) return a === b;
  return new URL(a).href === new URL(b).href;
}
