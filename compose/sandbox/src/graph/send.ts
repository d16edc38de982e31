/** The Send API: `/{page}/messages`, sender actions, and `/{page}/message_attachments`. */
import { metaAppId } from "../../../facebook/contract.ts";
import { deliveryItem, echoItem } from "../../../facebook/events.ts";
import { graphErrors, sendErrors } from "../errors.ts";
import { planEvent, subjectOf } from "../events.ts";
import { type Customer, type Message, type Page, newId, newMessageId } from "../model.ts";
import { type Params, objectParam, textParam } from "../request.ts";
import { requireScope } from "../tokens.ts";
import type { Call } from "./call.ts";
import { checkMessage } from "./message-rules.ts";
import { recipientOf, requireReachable } from "./recipient.ts";

type Json = Record<string, unknown>;

const senderActions = ["typing_on", "typing_off", "mark_seen", "react", "unreact"];

/** As long as Messenger shows "typing" without hearing more. */
const TYPING_MS = 20_000;

/** Stores the message; the echo, where the field is subscribed, is delivered after the answer, as at Meta. */
export async function sendMessage(call: Call, page: Page): Promise<unknown> {
  const { world, request, caller } = call;
  const { params } = request;
  const action = textParam(params, "sender_action");
  const customer = recipientOf(world, page, params);
  const scope = customer.channel === "instagram" ? "instagram_manage_messages" : "pages_messaging";
  requireScope(world.store, caller, scope, `Requires ${scope} permission to manage the object`);
  const message = objectParam(params, "message");
  if (action !== null) {
    if (message !== null) throw graphErrors.parameterWrong("sender_action", "must be sent without a message");
    return act(call, customer, action);
  }
  if (message === null) throw graphErrors.parameterMissing("message");
  checkMessage(message, customer, world.store.settings);
  const personaId = textParam(params, "persona_id");
  if (personaId !== null && !page.personas.some(({ id }) => id === personaId)) throw graphErrors.noSuchObject("POST", personaId);
  requireReachable(world, caller, customer, params);
  const { content, attachmentId } = await resolveAttachments(call, page, message);
  const sent = keep(call, page, customer, content, personaId);
  void world.track(tellOthers(call, page, customer, sent));
  const attachment = attachmentId === null ? {} : { attachment_id: attachmentId };
  return { recipient_id: customer.id, message_id: sent.mid, ...attachment };
}

function keep({ world, caller }: Call, page: Page, customer: Customer, message: Json, personaId: string | null): Message {
  const { store } = world;
  const mid = newMessageId();
  const at = store.clock.now();
  const sent: Message = {
    mid,
    from: "page",
    at,
    message: { mid, ...message },
    postback: null,
    appId: caller.app.id,
    personaId,
    edits: 0,
    deleted: false,
    reactions: { customer: null, page: null },
    delivery: "none",
  };
  store.remember(customer, sent);
  customer.pageTypingUntil = 0;
  customer.invited = false;
  const text = typeof message["text"] === "string" ? message["text"] : null;
  store.addReply({ recipientId: customer.id, text, messageId: mid, at: new Date(at).toISOString() });
  world.config.log(`page ${page.id} replied to ${customer.id}: ${mid.slice(0, 12)}...`);
  world.streams.tell({ type: "conversation", customerId: customer.id });
  return sent;
}

/** The echo, and that the message has arrived. Nobody subscribed is no failure. */
async function tellOthers({ world, caller }: Call, page: Page, customer: Customer, sent: Message): Promise<void> {
  const { object, accountId } = subjectOf(world, customer);
  const parties = { customerId: customer.id, accountId, at: sent.at };
  const app = object === "page" ? { app_id: metaAppId(caller.app.id) } : {};
  const echo = planEvent(world, { customer, items: [echoItem(parties, { mid: sent.mid, ...app, ...sent.message })], mids: [sent.mid] });
  if (echo.missing === null) await echo.deliver();
  if (!world.store.settings.deliveryReceipts || object !== "page") return;
  const receipt = planEvent(world, { customer, items: [deliveryItem({ ...parties, at: world.store.clock.now() }, [sent.mid])], mids: [] });
  if (receipt.missing === null) await receipt.deliver();
}

function act({ world, request, caller }: Call, customer: Customer, action: string): unknown {
  if (!senderActions.includes(action)) {
    throw graphErrors.parameterWrong("sender_action", `must be one of {${senderActions.join(", ").toUpperCase()}}`);
  }
  requireReachable(world, caller, customer, { ...request.params, messaging_type: undefined });
  const { clock } = world.store;
  if (action === "typing_on") customer.pageTypingUntil = clock.now() + TYPING_MS;
  if (action === "typing_off") customer.pageTypingUntil = 0;
  if (action === "mark_seen") customer.seenByPage = clock.now();
  if (action === "react" || action === "unreact") {
    const payload = objectParam(request.params, "payload") ?? {};
    const mid = textParam(payload, "message_id");
    const target = customer.messages.find((each) => each.mid === mid);
    if (!target) throw graphErrors.parameterMissing("payload[message_id]");
    target.reactions.page = action === "react" ? (textParam(payload, "reaction") ?? "❤️").slice(0, 40) : null;
  }
  world.store.changed();
  world.streams.tell({ type: "conversation", customerId: customer.id });
  return { recipient_id: customer.id };
}

/** `attachment` becomes `attachments` as echoes and readers see it, ids and uploads become addresses. */
async function resolveAttachments(call: Call, page: Page, message: Json): Promise<{ content: Json; attachmentId: string | null }> {
  const { attachment, attachments, ...rest } = message;
  const given = Array.isArray(attachments) ? attachments : attachment === undefined ? [] : [attachment];
  if (given.length === 0) return { content: rest, attachmentId: null };
  let attachmentId: string | null = null;
  const resolved: Json[] = [];
  for (const each of given as Json[]) {
    const payload = (each["payload"] ?? {}) as Json;
    if (each["type"] === "template") {
      const [element] = Array.isArray(payload["elements"]) ? (payload["elements"] as Json[]) : [];
      resolved.push({ title: String(element?.["title"] ?? ""), url: null, type: "template", payload });
      continue;
    }
    const { url, id } = await mediaOf(call, page, String(each["type"]), payload);
    attachmentId ??= id;
    resolved.push({
      type: each["type"],
      payload: { url, ...(payload["sticker_id"] === undefined ? {} : { sticker_id: payload["sticker_id"] }) },
    });
  }
  return { content: { ...rest, attachments: resolved }, attachmentId };
}

async function mediaOf({ world, request }: Call, page: Page, type: string, payload: Json): Promise<{ url: string; id: string | null }> {
  const known = textParam(payload, "attachment_id");
  if (known !== null) {
    const stored = world.store.attachments.get(known);
    if (stored?.pageId !== page.id) throw sendErrors.noAttachment();
    return { url: stored.url, id: null };
  }
  const reusable = payload["is_reusable"] === true || payload["is_reusable"] === "true";
  const url = textParam(payload, "url");
  if (url !== null) {
    if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ""))
      throw graphErrors.parameterWrong("url", "should represent a valid URL");
    return { url, id: reusable ? remember(url, null) : null };
  }
  if (!request.upload) {
    // Older tests and clients send a picture without an address; Facebook's refusal of it is an assumption.
    throw graphErrors.parameterMissing("message[attachment][payload][url]");
  }
  const file = await world.files.add(request.upload);
  const address = `${world.publicUrl}/files/${file.id}/${file.name}`;
  return { url: address, id: reusable ? remember(address, file.id) : null };

  function remember(where: string, fileId: string | null): string {
    const id = newId(16);
    world.store.addAttachment({ id, pageId: page.id, type, url: where, fileId, at: world.store.clock.now() });
    return id;
  }
}

/** `/me/message_attachments`: something to be sent later, by its id. */
export async function uploadAttachment(call: Call, page: Page): Promise<unknown> {
  requireScope(call.world.store, call.caller, "pages_messaging");
  const message = objectParam(call.request.params, "message");
  const attachment = message && objectParam(message, "attachment");
  if (!attachment) throw graphErrors.parameterMissing("message[attachment]");
  const type = textParam(attachment, "type") ?? "";
  if (!["image", "audio", "video", "file"].includes(type)) {
    throw graphErrors.parameterWrong("message[attachment][type]", "must be one of {IMAGE, AUDIO, VIDEO, FILE}");
  }
  const payload: Params = { ...objectParam(attachment, "payload"), is_reusable: true };
  const { id } = await mediaOf(call, page, type, payload);
  return { attachment_id: id };
}
