/** An app's webhooks at Facebook: one row for each object. Source: Meta's Graph API reference, app/subscriptions. */
import { z } from "zod";
import { INSTAGRAM_FIELDS, PAGE_FIELDS } from "../../../compose/facebook/contract.ts";
import type { WebhookState, WebhookStatus } from "../../events.ts";
import type { SourceTarget } from "../source.ts";
import { inertUrl } from "./answers.ts";
import type { Graph } from "./graph.ts";

export type FacebookObject = "page" | "instagram";

/** What the platform understands of each. */
export const FIELDS: Record<FacebookObject, readonly string[]> = { page: PAGE_FIELDS, instagram: INSTAGRAM_FIELDS };

export interface Row {
  callbackUrl: string;
  active: boolean;
  fields: string[];
}

// Older versions list bare names. A row of another object may be as odd as it likes.
const field = z.union([z.string(), z.object({ name: z.string() }).transform(({ name }) => name)]);
const row = z.object({
  object: z.string(),
  callback_url: z.string().nullish(),
  active: z.boolean().nullish(),
  fields: z.array(field).nullish().catch(null),
});
const rows = z.object({ data: z.array(z.unknown()) });

// The guide prints the string "true", the API answers a boolean.
const success = z.object({ success: z.union([z.literal(true), z.literal("true")]) });

function pathOf(graph: Graph): string {
  return `/${encodeURIComponent(graph.config.appId)}/subscriptions`;
}

/** By object; what has no callback is left out. */
export async function readRows(graph: Graph, signal: AbortSignal | undefined): Promise<Map<string, Row>> {
  const { data } = await graph.call({ method: "GET", path: pathOf(graph), signal }, rows);
  const found = new Map<string, Row>();
  for (const one of data) {
    const { data: known } = row.safeParse(one);
    if (!known?.callback_url) continue;
    found.set(known.object, { callbackUrl: inertUrl(known.callback_url), active: known.active ?? false, fields: known.fields ?? [] });
  }
  return found;
}

/** Callback and token are replaced, fields are added, an inactive row becomes active; Facebook verifies the callback first. */
export async function writeRow(
  graph: Graph,
  given: { object: string; callbackUrl: string; verifyToken: string; fields: readonly string[] },
  signal: AbortSignal | undefined,
): Promise<void> {
  const { object, callbackUrl, verifyToken, fields } = given;
  const params = {
    object,
    callback_url: callbackUrl,
    verify_token: verifyToken,
    fields: fields.join(","),
    include_values: "true",
  };
  await graph.call({ method: "POST", path: pathOf(graph), params, secrets: [verifyToken], signal }, success);
}

/** @param fields only these of the row; null: the whole row. */
export async function deleteRow(
  graph: Graph,
  object: string,
  fields: readonly string[] | null,
  signal: AbortSignal | undefined,
): Promise<void> {
  const params = { object, ...(fields && { fields: fields.join(",") }) };
  await graph.call({ method: "DELETE", path: pathOf(graph), params, signal }, success);
}

/** Fields that are wanted and not there. */
export function missingOf(found: Row | undefined, object: FacebookObject): string[] {
  return FIELDS[object].filter((name) => !found?.fields.includes(name));
}

/** `pending`: nothing is registered; `inactive`: ours, but not able to receive what the platform needs. */
export function stateOf(found: Row | undefined, object: FacebookObject, target: SourceTarget): WebhookState {
  if (!found) return "pending";
  if (sameUrl(found.callbackUrl, target.callbackUrl)) return found.active && missingOf(found, object).length === 0 ? "active" : "inactive";
  return target.previousUrls.some((url) => sameUrl(url, found.callbackUrl)) ? "inactive" : "foreign";
}

export function statusOf(object: FacebookObject, state: WebhookState, callbackUrl: string | null): WebhookStatus {
  return { source: "facebook", object, state, callbackUrl };
}

/** A slash at the end leads to the same place. */
export function sameUrl(a: string, b: string): boolean {
  if (!URL.canParse(a) || !URL.canParse(b)) return a === b;
  return new URL(a).href.replace(/\/$/, "") === new URL(b).href.replace(/\/$/, "");
}
