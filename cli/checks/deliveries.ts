/** What is likely wrong with webhooks that arrive, or do not: from what tunnel and platform have counted. */
import { z } from "zod";
import type { DeliveriesStatus } from "../events.ts";
import type { HttpClient } from "../io/http.ts";
import { inertLine } from "../sources/facebook/answers.ts";

/** What pages are called, and what Facebook says of them, is other people's text. */
const line = z.string().transform(inertLine);

const healthSchema = z.object({
  deliveries: z.number().catch(0),
  rejectedSignatures: z.number().catch(0),
  waiting: z.array(z.object({ source: z.string().nullable(), source_channel_id: z.string().nullable(), deliveries: z.number() })).catch([]),
  kinds: z.record(z.string(), z.number()).catch({}),
  lastTestAt: z.string().nullable().catch(null),
  broken: z.array(z.object({ source: z.string(), source_channel_id: z.string(), name: line.nullable(), reason: line })).catch([]),
});

export type Health = z.output<typeof healthSchema>;

/** Receipts: routine, and many. */
const quiet = new Set(["delivery", "read"]);

/** What of it is shown. */
export function deliveriesOf({ deliveries, waiting, kinds, lastTestAt }: Health): DeliveriesStatus {
  return {
    arrived: deliveries,
    waiting: waiting.map(({ source, source_channel_id: id, deliveries: count }) => ({ source, id, deliveries: count })),
    kinds: Object.fromEntries(Object.entries(kinds).filter(([kind]) => !quiet.has(kind))),
    lastTestAt,
  };
}

/** null where the platform does not say. */
export async function askHealth(http: HttpClient, platformUrl: string): Promise<Health | null> {
  const answer = await http({ url: `${platformUrl}/health`, timeoutMs: 3_000 }).catch(() => null);
  if (!answer) return null;
  try {
    return healthSchema.parse(JSON.parse(answer.body.toString("utf8")));
  } catch {
    return null;
  }
}

export interface Finding {
  status: "ok" | "warn";
  code:
    | "DELIVERIES_OK"
    | "PAGE_RESTRICTED"
    | "DELIVERIES_REFUSED"
    | "REQUESTS_REFUSED"
    | "PAGE_UNCONNECTED"
    | "PAGE_BROKEN"
    | "NOTHING_ARRIVED";
  /** The page or account that it is about. */
  about?: string;
  message: string;
  action?: string;
}

/** An account of Instagram comes along with the page that it belongs to. */
export function connectAction(source: string | null, id: string | null): string {
  const command = "FACEBOOK_USER_TOKEN=... airy webhook connect";
  return source === "instagram" ? `${command} (with the page that the account belongs to)` : `${command} --page ${id ?? "ID"}`;
}

/** Pure. `refused`: what the tunnel saw answered 401 or 403 since its start; null: it is not known. */
export function explainDeliveries(health: Health, refused: number | null, sandbox: boolean): Finding[] {
  const found: Finding[] = [];
  if (health.rejectedSignatures > 0) {
    found.push({
      status: "warn",
      code: "DELIVERIES_REFUSED",
      message: `${health.rejectedSignatures} webhooks were refused (401), because they are not signed with this app secret: it is another app's, or strangers sent them.`,
      action: "airy requests --failed shows them; compare the App Secret with App settings > Basic",
    });
  } else if ((refused ?? 0) > 0) {
    found.push({
      status: "warn",
      code: "REQUESTS_REFUSED",
      message: `${refused} requests were refused (401, 403): a verification with another verify token, or requests of strangers.`,
      action: "airy requests --failed",
    });
  }
  for (const { source, source_channel_id: id, deliveries } of health.waiting) {
    found.push({
      status: "warn",
      code: "PAGE_UNCONNECTED",
      about: id ?? "",
      message: `${deliveries} webhooks wait for ${source ?? "a page"} ${id ?? ""}, which is not connected.`,
      action: connectAction(source, id),
    });
  }
  const enforced = (health.kinds.policy_enforcement ?? 0) + (health.kinds["policy-enforcement"] ?? 0);
  if (enforced > 0) {
    found.push({
      status: "warn",
      code: "PAGE_RESTRICTED",
      message: "Facebook took action against a page, or lifted it (policy_enforcement).",
      action: "look at the Support Inbox of the page",
    });
  }
  for (const { source, source_channel_id: id, name, reason } of health.broken) {
    found.push({
      status: "warn",
      code: "PAGE_BROKEN",
      about: id,
      message: `Facebook refuses the token of ${source} ${name ?? id}: ${reason}`,
      action: connectAction(source, id),
    });
  }
  if (health.deliveries === 0 && found.length === 0 && !sandbox) {
    found.push({
      status: "warn",
      code: "NOTHING_ARRIVED",
      message:
        "No webhook has arrived since the start. Before the app is published only people with a role in it are heard, and Instagram sends nothing at all; a page has to be subscribed.",
      action: "airy webhook status; then write to the page as somebody with a role in the app",
    });
  }
  if (found.length === 0)
    found.push({
      status: "ok",
      code: "DELIVERIES_OK",
      message: `${health.deliveries} ${health.deliveries === 1 ? "webhook" : "webhooks"} arrived since the start, none was refused.`,
    });
  return found;
}
