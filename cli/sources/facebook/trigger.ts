/** Makes customers do something: through the command channel of a stand-in for Facebook, or signed and straight to a webhook. */
import { z } from "zod";
import { signatureHeaders } from "../../../compose/facebook/contract.ts";
import { type Filling, fill, readTemplate, wireText } from "../../../compose/facebook/fill.ts";
import type { HttpClient, HttpResponse } from "../../io/http.ts";
import { fail } from "../../errors.ts";
import { firstBytes, networkCode, parseJson } from "./answers.ts";

/** How a stand-in is spoken to. */
export interface StandIn {
  http: HttpClient;
  /** E.g. `http://127.0.0.1:4290`. */
  sandboxUrl: string;
  commandToken: string;
  signal?: AbortSignal | undefined;
}

/** What a customer does; see the stand-in's `POST /sandbox/events`. */
export interface TriggerEvent {
  kind: string;
  from?: string | undefined;
  page?: string | undefined;
  text?: string | undefined;
  payload?: string | undefined;
  mid?: string | undefined;
  /** null takes the reaction back. */
  emoji?: string | null | undefined;
  url?: string | undefined;
  count?: number | undefined;
}

const triggered = z.object({
  kind: z.string(),
  customerId: z.string(),
  customer: z.string(),
  pageId: z.string(),
  mid: z.string().nullable(),
  /** What the webhook answered; 0 when nothing answered. */
  status: z.number(),
  /** An edge keeps it until it can be delivered. */
  held: z.boolean(),
  deliveries: z.array(z.object({ status: z.number(), held: z.boolean(), attempts: z.number(), durationMs: z.number() })),
  /** Fields that Facebook would not have told about. */
  unsubscribed: z.array(z.string()).default([]),
});

export type Triggered = z.output<typeof triggered>;

const refused = z.object({ error: z.object({ message: z.string(), layer: z.string().nullish() }) });

/** The stand-in tries three times, 5 seconds each. */
const TIMEOUT_MS = 20_000;

/** As long as Facebook waits for a webhook. */
const VIA_TIMEOUT_MS = 5_000;

/**
 * Returns what became of the delivery, whatever the webhook answered. Throws TRIGGER_NOT_SUBSCRIBED, TRIGGER_REFUSED,
 * SANDBOX_UNREACHABLE.
 */
export function triggerEvent(standIn: StandIn, event: TriggerEvent): Promise<Triggered> {
  return ask(standIn, "/sandbox/events", event, TIMEOUT_MS);
}

/** Sends JSON texts as deliveries, one after the other; names in braces are filled in. Throws as {@link triggerEvent}. */
export function triggerTemplates(
  standIn: StandIn,
  given: { templates: string[]; from?: string | undefined; page?: string | undefined },
): Promise<Triggered> {
  return ask(standIn, "/sandbox/deliveries", given, TIMEOUT_MS * given.templates.length);
}

async function ask(standIn: StandIn, path: string, body: unknown, timeoutMs: number): Promise<Triggered> {
  const { http, sandboxUrl, commandToken, signal } = standIn;
  const { host } = new URL(sandboxUrl);
  let response: HttpResponse;
  try {
    response = await http({
      method: "POST",
      url: `${sandboxUrl.replace(/\/+$/, "")}${path}`,
      headers: { authorization: `Bearer ${commandToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      timeoutMs,
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    signal?.throwIfAborted();
    return fail("SANDBOX_UNREACHABLE", { host, cause: networkCode(error) }, { cause: error });
  }
  const value = parseJson(response.body);
  const answer = triggered.safeParse(value);
  if (response.status === 200 && answer.success) return answer.data;
  const refusal = refused.safeParse(value);
  if (!refusal.success) {
    return fail("SANDBOX_UNREACHABLE", { host, cause: "NOT_JSON", status: response.status, received: firstBytes(response.body) });
  }
  const { message, layer } = refusal.data.error;
  if (response.status === 409 && layer) fail("TRIGGER_NOT_SUBSCRIBED", { layer, message });
  return fail("TRIGGER_REFUSED", { status: response.status, message });
}

export interface Via {
  http: HttpClient;
  /** The webhook's address. */
  url: string;
  appSecret: string;
  templates: string[];
  filling: Filling;
  signal?: AbortSignal | undefined;
}

/**
 * Posts signed deliveries to a webhook, one after the other, each once. Throws TRIGGER_VIA_FAILED when nothing answers, SyntaxError for
 * what is no JSON.
 */
export async function triggerVia({ http, url, appSecret, templates, filling, signal }: Via): Promise<Triggered> {
  const mids = new Map<string, string>();
  const deliveries: Triggered["deliveries"] = [];
  for (const template of templates.flatMap((text) => readTemplate(text).bodies)) {
    const text = fill(template, filling, mids);
    JSON.parse(text);
    const body = Buffer.from(wireText(text), "latin1");
    const headers = {
      "content-type": "application/json",
      "user-agent": "facebookexternalua",
      accept: "*/*",
      ...signatureHeaders(appSecret, body),
    };
    const started = performance.now();
    try {
      const answer = await http({ method: "POST", url, headers, body, timeoutMs: VIA_TIMEOUT_MS, ...(signal ? { signal } : {}) });
      const durationMs = Math.round((performance.now() - started) * 10) / 10;
      // An edge that keeps what it cannot deliver names the delivery in its own answer.
      deliveries.push({
        status: answer.status,
        held: answer.status === 200 && answer.headers["airy-delivery"] !== undefined,
        attempts: 1,
        durationMs,
      });
    } catch (error) {
      signal?.throwIfAborted();
      return fail("TRIGGER_VIA_FAILED", { host: new URL(url).host, cause: networkCode(error) }, { cause: error });
    }
  }
  const status = (deliveries.find((each) => each.status !== 200) ?? deliveries.at(-1))?.status ?? 0;
  return {
    kind: "delivery",
    customerId: filling.customerId,
    customer: filling.customerId,
    pageId: filling.pageId,
    mid: [...mids.values()].at(-1) ?? null,
    status,
    held: deliveries.some(({ held }) => held),
    deliveries,
    unsubscribed: [],
  };
}
