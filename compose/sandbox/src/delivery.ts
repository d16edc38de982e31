/** Sends events to the subscribed callback as Meta does: escaped JSON, both signatures, 5 seconds to answer 200, immediate repeats. */
import { type MessagingItem, type WebhookBody, metaJson, signatureHeaders } from "../../facebook/contract.ts";
import type { MissingLayer } from "./errors.ts";
import type { FacebookSandboxConfig } from "./config.ts";
import type { SandboxState } from "./state.ts";

const TIMEOUT_MS = 5_000;

/** Meta repeats "immediately a few more times"; how many is an assumption. */
const ATTEMPTS = 3;

export interface Delivery {
  mid: string;
  /** What the webhook answered last; 0 when nothing answered. */
  status: number;
  attempts: number;
  /** All attempts together, milliseconds. */
  durationMs: number;
}

/** Which layer keeps a page event of this field from being delivered; null when none does. */
function missingLayer(state: SandboxState, field: string): MissingLayer | null {
  const row = state.subscriptions.get("page");
  if (!row) return "app";
  if (!row.active) return "app-inactive";
  if (!row.fields.has(field)) return "app-field";
  if (state.pageFields === null) return "page";
  if (!state.pageFields.includes(field)) return "page-field";
  return null;
}

/** Delivers one event of the page to its callback, or says which layer is missing. Never throws. */
export async function deliverPageEvent(
  config: FacebookSandboxConfig,
  state: SandboxState,
  event: { field: string; mid: string; item: MessagingItem },
): Promise<Delivery | { missing: MissingLayer }> {
  const missing = missingLayer(state, event.field);
  if (missing) return { missing };
  const callbackUrl = state.subscriptions.get("page")?.callbackUrl ?? "";
  const payload: WebhookBody = { object: "page", entry: [{ id: config.page.id, time: Date.now(), messaging: [event.item] }] };
  const body = metaJson(payload);
  const headers = {
    "content-type": "application/json",
    "user-agent": "facebookexternalua",
    accept: "*/*",
    ...signatureHeaders(config.app.secret, body),
  };

  const started = performance.now();
  const delivery: Delivery = { mid: event.mid, status: 0, attempts: 0, durationMs: 0 };
  let reason = "";
  while (delivery.status !== 200 && delivery.attempts < ATTEMPTS && !state.closing) {
    delivery.attempts += 1;
    try {
      delivery.status = (await config.http({ method: "POST", url: callbackUrl, headers, body, timeoutMs: TIMEOUT_MS })).status;
    } catch (error) {
      delivery.status = 0;
      reason = error instanceof Error ? `: ${error.message}` : "";
    }
  }
  delivery.durationMs = Math.round((performance.now() - started) * 10) / 10;
  const outcome = delivery.status === 0 ? `no answer${reason}` : `answered ${delivery.status}`;
  config.log(
    `${event.field} ${event.mid.slice(0, 12)}... to ${callbackUrl}: ${outcome}, attempt ${delivery.attempts}, ${delivery.durationMs} ms`,
  );
  return delivery;
}
