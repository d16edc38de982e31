/** Page level: `/{page-id}/subscribed_apps`, the Send API, and what can be read about the page and its customers. */
import { metaAppId } from "../../facebook/contract.ts";
import { deliverPageEvent } from "./delivery.ts";
import { graphErrors } from "./errors.ts";
import { requireKnownFields } from "./fields.ts";
import type { FacebookSandboxConfig } from "./config.ts";
import { type GraphRequest, listParam, objectParam } from "./request.ts";
import { type SandboxState, newMessageId, rememberReply } from "./state.ts";

/** GET, POST and DELETE of the page's subscription to the app. That a POST replaces the list of fields is an assumption. */
export function answerSubscribedApps(config: FacebookSandboxConfig, state: SandboxState, request: GraphRequest): unknown {
  if (request.method === "DELETE") {
    state.pageFields = null;
    config.log(`page ${config.page.id} unsubscribed`);
    return { success: true };
  }
  if (request.method === "POST") {
    const fields = listParam(request.params, "subscribed_fields");
    if (fields === null) throw graphErrors.parameterMissing("subscribed_fields");
    requireKnownFields("subscribed_fields", "page", fields);
    state.pageFields = [...new Set(fields)];
    config.log(`page ${config.page.id} subscribed: ${state.pageFields.join(", ")}`);
    return { success: true };
  }
  if (state.pageFields === null) return { data: [] };
  const app = {
    category: "Business",
    link: `https://www.facebook.com/games/?app_id=${config.app.id}`,
    name: config.app.name,
    id: config.app.id,
  };
  return { data: [{ ...app, subscribed_fields: state.pageFields }] };
}

/**
 * The Send API. Stores the reply; the echo, where the field is subscribed, is delivered after the answer, as at Meta.
 * @param later runs work after the answer.
 */
export function sendMessage(
  config: FacebookSandboxConfig,
  state: SandboxState,
  request: GraphRequest,
  later: (work: Promise<unknown>) => void,
): unknown {
  const recipientId = idOf(objectParam(request.params, "recipient"));
  if (recipientId === null) throw graphErrors.parameterMissing("recipient");
  const message = objectParam(request.params, "message");
  if (message === null) throw graphErrors.parameterMissing("message");
  const text = typeof message.text === "string" ? message.text : null;
  if (!text && !message.attachment && !message.attachments) throw graphErrors.parameterWrong("message", "must have text or an attachment");

  const messageId = newMessageId();
  const now = Date.now();
  rememberReply(state, { recipientId, text, messageId, at: new Date(now).toISOString() });
  config.log(`page ${config.page.id} replied to ${recipientId}: ${messageId.slice(0, 12)}...`);
  later(
    deliverPageEvent(config, state, {
      field: "message_echoes",
      mid: messageId,
      item: {
        sender: { id: config.page.id },
        recipient: { id: recipientId },
        timestamp: now,
        message: { mid: messageId, is_echo: true, app_id: metaAppId(config.app.id), ...message },
      },
    }),
  );
  return { recipient_id: recipientId, message_id: messageId };
}

export function describePage(config: FacebookSandboxConfig, request: GraphRequest): unknown {
  const page = { id: config.page.id, name: config.page.name, access_token: config.page.token, is_webhooks_subscribed: true };
  return pickFields(page, listParam(request.params, "fields") ?? ["name"]);
}

const firstNames = ["Ada", "Bo", "Chidi", "Dilek", "Elif", "Farid", "Greta", "Hana"];
const lastNames = ["Berg", "Costa", "Diallo", "Haddad", "Ito", "Keller", "Novak", "Okafor"];

/** Every customer id is somebody; the name follows from the id. */
export function describeCustomer(id: string, request: GraphRequest): unknown {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + char.charCodeAt(0)) % 65_536;
  const first = firstNames[sum % firstNames.length] ?? "";
  const last = lastNames[Math.floor(sum / firstNames.length) % lastNames.length] ?? "";
  const person = { id, first_name: first, last_name: last, name: `${first} ${last}` };
  return pickFields(person, listParam(request.params, "fields") ?? ["first_name", "last_name"]);
}

/** What was asked for, as far as it exists; the Graph API always adds the id. */
function pickFields(node: { id: string } & Record<string, unknown>, fields: string[]): Record<string, unknown> {
  const known = fields.filter((field) => field !== "id" && node[field] !== undefined);
  return Object.fromEntries([...known.map((field) => [field, node[field]]), ["id", node.id]]);
}

function idOf(value: Record<string, unknown> | null): string | null {
  const id = value?.id;
  if (typeof id === "number") return String(id);
  return typeof id === "string" && id !== "" ? id : null;
}
