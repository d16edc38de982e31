/** What a message of the page may look like. Limits: Messenger Platform reference (Send API, templates, buttons, quick replies). */
import { graphErrors, sendErrors } from "../errors.ts";
import type { Customer } from "../model.ts";
import type { Settings } from "../settings.ts";

type Json = Record<string, unknown>;

const INSTAGRAM_TEXT_BYTES = 1_000;
const MOST_QUICK_REPLIES = 13;
const MOST_ELEMENTS = 10;
const MOST_BUTTONS = 3;

const attachmentTypes = ["image", "audio", "video", "file", "template", "sticker"];

/** Throws GraphError 100 for what Facebook would not send. */
export function checkMessage(message: Json, customer: Customer | null, settings: Settings): void {
  const { text, attachment, attachments, quick_replies: quickReplies, metadata } = message;
  if (text !== undefined && typeof text !== "string") throw graphErrors.parameterWrong("message[text]", "must be a string");
  if (!text && !attachment && !attachments) throw sendErrors.empty();
  if (text && attachment) throw graphErrors.parameterWrong("message", "must have either text or attachment, not both");
  if (typeof text === "string") checkText(text, customer, settings);
  if (typeof metadata === "string" && metadata.length > 1_000)
    throw graphErrors.parameterWrong("message[metadata]", "must be no longer than 1000 characters");
  if (quickReplies !== undefined) checkQuickReplies(quickReplies);
  for (const each of [attachment, ...(Array.isArray(attachments) ? attachments : [])]) if (each !== undefined) checkAttachment(each);
}

function checkText(text: string, customer: Customer | null, settings: Settings): void {
  if (customer?.channel === "instagram") {
    if (Buffer.byteLength(text) > INSTAGRAM_TEXT_BYTES) throw sendErrors.tooLong(INSTAGRAM_TEXT_BYTES);
  } else if ([...text].length > settings.textLimit) throw sendErrors.tooLong(settings.textLimit);
}

function checkQuickReplies(given: unknown): void {
  if (!Array.isArray(given) || given.length === 0) throw graphErrors.parameterWrong("message[quick_replies]", "must be a non-empty array.");
  if (given.length > MOST_QUICK_REPLIES)
    throw graphErrors.parameterWrong("message[quick_replies]", `must have no more than ${MOST_QUICK_REPLIES} elements`);
  for (const [index, value] of given.entries()) {
    const reply = objectOf(value, `message[quick_replies][${index}]`);
    const type = reply["content_type"];
    if (!["text", "user_phone_number", "user_email", "location"].includes(String(type))) {
      throw graphErrors.parameterWrong(
        `message[quick_replies][${index}][content_type]`,
        "must be one of {TEXT, USER_PHONE_NUMBER, USER_EMAIL}",
      );
    }
    if (type !== "text") continue;
    requireText(reply, "title", `message[quick_replies][${index}]`, 20);
    requireText(reply, "payload", `message[quick_replies][${index}]`, 1_000);
  }
}

function checkAttachment(value: unknown): void {
  const attachment = objectOf(value, "message[attachment]");
  const type = String(attachment["type"]);
  if (!attachmentTypes.includes(type)) {
    throw graphErrors.parameterWrong("message[attachment][type]", `must be one of {${attachmentTypes.join(", ").toUpperCase()}}`);
  }
  // The bytes may stand beside the message in a multipart form; send.ts looks for them.
  if (type === "template") checkTemplate(objectOf(attachment["payload"], "message[attachment][payload]"));
}

function checkTemplate(payload: Json): void {
  const at = "message[attachment][payload]";
  const type = payload["template_type"];
  if (typeof type !== "string") throw graphErrors.parameterMissing(`${at}[template_type]`);
  if (type === "button") {
    requireText(payload, "text", at, 640);
    checkButtons(payload["buttons"], at, true);
  }
  if (type !== "generic") return;
  const { elements } = payload;
  if (!Array.isArray(elements) || elements.length === 0) throw graphErrors.parameterWrong(`${at}[elements]`, "must be a non-empty array.");
  if (elements.length > MOST_ELEMENTS)
    throw graphErrors.parameterWrong(`${at}[elements]`, `must have no more than ${MOST_ELEMENTS} elements`);
  for (const [index, each] of elements.entries()) {
    const element = objectOf(each, `${at}[elements][${index}]`);
    requireText(element, "title", `${at}[elements][${index}]`, 80);
    if (typeof element["subtitle"] === "string" && element["subtitle"].length > 80)
      throw tooLong(`${at}[elements][${index}][subtitle]`, 80);
    if (element["buttons"] !== undefined) checkButtons(element["buttons"], `${at}[elements][${index}]`, false);
  }
}

function checkButtons(given: unknown, at: string, required: boolean): void {
  if (!Array.isArray(given) || (required && given.length === 0))
    throw graphErrors.parameterWrong(`${at}[buttons]`, "must be a non-empty array.");
  if (given.length > MOST_BUTTONS) throw graphErrors.parameterWrong(`${at}[buttons]`, `must have no more than ${MOST_BUTTONS} elements`);
  for (const [index, each] of given.entries()) {
    const button = objectOf(each, `${at}[buttons][${index}]`);
    const where = `${at}[buttons][${index}]`;
    const type = button["type"];
    if (typeof type !== "string") throw graphErrors.parameterMissing(`${where}[type]`);
    if (type === "web_url") requireText(button, "url", where, 2_000);
    if (type === "postback") requireText(button, "payload", where, 1_000);
    if (type === "web_url" || type === "postback" || type === "phone_number") requireText(button, "title", where, 20);
  }
}

function objectOf(value: unknown, name: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw graphErrors.parameterWrong(name, "must be an object");
  return value as Json;
}

function requireText(object: Json, name: string, at: string, most: number): void {
  const value = object[name];
  if (typeof value !== "string" || value === "") throw graphErrors.parameterMissing(`${at}[${name}]`);
  if (value.length > most) throw tooLong(`${at}[${name}]`, most);
}

function tooLong(name: string, most: number): Error {
  return graphErrors.parameterWrong(name, `must be no longer than ${most} characters`);
}
