/** WhatsApp accounts and their numbers, as far as webhooks go: subscribing, overrides of the callback, and sending a text. */
import { randomBytes } from "node:crypto";
import { graphErrors } from "../errors.ts";
import { verifyCallback } from "../handshake.ts";
import { type WhatsAppAccount, installationOf } from "../model.ts";
import { arrayParam, objectParam, textParam } from "../request.ts";
import { checkUrl } from "./app.ts";
import type { Call } from "./call.ts";
import { fieldWishes, pick } from "./fields.ts";

/** Documented for overrides. */
const MOST_URL = 200;

/** `/{waba-id}` and its edges. */
export async function answerWhatsApp(call: Call, account: WhatsAppAccount, edge: string | undefined): Promise<unknown> {
  const { request, world, caller } = call;
  if (edge === undefined)
    return pick({ id: account.id, name: account.name, timezone_id: "1" }, "WhatsAppBusinessAccount", fieldWishes(request.params), [
      "name",
      "timezone_id",
    ]);
  if (edge === "phone_numbers") return { data: account.phones.map((phone) => describePhone(call, account, phone)) };
  if (edge !== "subscribed_apps") throw graphErrors.unknownPath(`/${edge}`);
  if (request.method === "GET") {
    return {
      data: account.installed.flatMap(({ appId, override }) => {
        const app = world.store.apps.get(appId);
        if (!app) return [];
        const own = override === null ? {} : { override_callback_uri: override.callbackUrl };
        return [
          { whatsapp_business_api_data: { id: app.id, link: `https://www.facebook.com/games/?app_id=${app.id}`, name: app.name }, ...own },
        ];
      }),
    };
  }
  const { app } = caller;
  if (request.method === "DELETE") {
    account.installed = account.installed.filter(({ appId }) => appId !== app.id);
    return { success: true };
  }
  // Posting again without a body clears the override.
  const override = await overrideOf(call, request.params);
  const known = account.installed.find(({ appId }) => appId === app.id);
  if (known) Object.assign(known, { override, failingSince: null, alerted: false });
  else account.installed.push({ ...installationOf(app.id, []), override });
  return { success: true };
}

/** `/{phone-id}` and its edges. */
export async function answerPhone(
  call: Call,
  account: WhatsAppAccount,
  phone: WhatsAppAccount["phones"][number],
  edge: string | undefined,
): Promise<unknown> {
  const { request } = call;
  if (edge === "messages" && request.method === "POST") return sendWhatsApp(call);
  if (edge !== undefined) throw graphErrors.unknownPath(`/${edge}`);
  if (request.method === "GET") return describePhone(call, account, phone);
  const configuration = objectParam(request.params, "webhook_configuration");
  if (configuration === null) throw graphErrors.parameterMissing("webhook_configuration");
  phone.override = configuration["override_callback_uri"] === "" ? null : await overrideOf(call, configuration);
  return { success: true };
}

async function overrideOf({ world }: Call, params: Record<string, unknown>): Promise<{ callbackUrl: string; verifyToken: string } | null> {
  const callbackUrl = textParam(params, "override_callback_uri");
  const verifyToken = textParam(params, "verify_token");
  if (callbackUrl === null && verifyToken === null) return null;
  if (callbackUrl === null) throw graphErrors.parameterMissing("override_callback_uri");
  if (verifyToken === null) throw graphErrors.parameterMissing("verify_token");
  checkUrl(world, callbackUrl, MOST_URL, "override_callback_uri");
  await verifyCallback(world.config.http, callbackUrl, verifyToken, world.store.settings);
  return { callbackUrl, verifyToken };
}

function describePhone({ request, caller }: Call, account: WhatsAppAccount, phone: WhatsAppAccount["phones"][number]): unknown {
  const own = account.installed.find(({ appId }) => appId === caller.app.id)?.override;
  const app = caller.app.subscriptions.find(({ object }) => object === "whatsapp_business_account")?.callbackUrl;
  const node = {
    id: phone.id,
    display_phone_number: phone.display,
    verified_name: phone.name,
    quality_rating: "GREEN",
    webhook_configuration: {
      ...(phone.override ? { phone_number: phone.override.callbackUrl } : {}),
      ...(own ? { whatsapp_business_account: own.callbackUrl } : {}),
      ...(app ? { application: app } : {}),
    },
  };
  return pick(node, "WhatsAppBusinessPhoneNumber", fieldWishes(request.params), [
    "display_phone_number",
    "verified_name",
    "quality_rating",
  ]);
}

/** Kinds of messages, and what each cannot be without. Source: WhatsApp Cloud API, "Messages" reference. */
const kinds: Record<string, string[][]> = {
  text: [["body"]],
  image: [["id", "link"]],
  audio: [["id", "link"]],
  video: [["id", "link"]],
  document: [["id", "link"]],
  sticker: [["id", "link"]],
  location: [["latitude"], ["longitude"]],
  interactive: [["type"], ["action"]],
  template: [["name"], ["language"]],
  reaction: [["message_id"], ["emoji"]],
  contacts: [],
};
const MOST_TEXT = 4_096;

/** Sends nothing to anybody: there are no customers of WhatsApp here. Answers as Meta does, and refuses what it would refuse. */
function sendWhatsApp({ request }: Call): unknown {
  const { params } = request;
  if (textParam(params, "messaging_product") !== "whatsapp") throw graphErrors.parameterMissing("messaging_product");
  if (textParam(params, "status") === "read") {
    if (textParam(params, "message_id") === null) throw graphErrors.parameterMissing("message_id");
    return { success: true };
  }
  const to = textParam(params, "to");
  if (to === null) throw graphErrors.parameterMissing("to");
  if (!/^\+?[\d\s()-]{5,30}$/.test(to)) throw graphErrors.parameterWrong("to", "must be a phone number");
  checkContent(params, textParam(params, "type") ?? "text");
  const id = `wamid.${randomBytes(32).toString("base64")}`;
  return { messaging_product: "whatsapp", contacts: [{ input: to, wa_id: to.replaceAll(/\D/g, "") }], messages: [{ id }] };
}

function checkContent(params: Record<string, unknown>, kind: string): void {
  const needed = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (!needed) throw graphErrors.parameterWrong("type", `must be one of {${Object.keys(kinds).join(", ").toUpperCase()}}`);
  if (kind === "contacts") {
    if ((arrayParam(params, "contacts") ?? []).length === 0) throw graphErrors.parameterMissing("contacts");
    return;
  }
  const content = objectParam(params, kind);
  if (!content) throw graphErrors.parameterMissing(kind);
  for (const names of needed) {
    if (names.every((name) => content[name] === undefined)) throw graphErrors.parameterMissing(`${kind}[${names.join(" or ")}]`);
  }
  if (kind === "text" && String(content["body"]).length > MOST_TEXT)
    throw graphErrors.parameterWrong("text[body]", `must be at most ${MOST_TEXT} characters long`);
}
