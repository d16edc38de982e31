/** What there is to show of a message: its content is the source's own payload, Facebook's messaging item, or what was sent. */
import type { Message } from "../api/shapes.ts";
import { readAttachments } from "./attachments.ts";
import { type Fact, lineOf, type Part } from "./parts.ts";
import { reactionOf } from "./reaction.ts";
import { address, bag, type Bag, flag, isBlank, line, text, word } from "./text.ts";

export interface Readable {
  parts: Part[];
  /** What it answers: a message by the source's id, or a story. */
  answers: { mid: string } | { story: string | null } | null;
  /** How the contact came here: an ad, a link. */
  cameBy: string | null;
  /** What was offered to choose from, and whether this is such a choice. */
  offered: string[];
  chosen: boolean;
  /** Who wrote it when it was neither the contact nor this platform. */
  elsewhere: string | null;
  deleted: boolean;
  edited: boolean;
  reaction: string | null;
}

export function readMessage({ content, metadata, from_contact: fromContact }: Message): Readable {
  const outer = typeof content === "string" ? { text: content } : bag(content);
  const message = typeof outer["message"] === "string" ? { text: outer["message"] } : bag(outer["message"]);
  const known = bag(metadata);
  const deleted = flag(message["is_deleted"]) || flag(known["is_deleted"]) || flag(known["deleted"]);
  return {
    parts: deleted ? [] : partsOf(content, outer, message),
    answers: answersOf(bag(message["reply_to"] ?? outer["reply_to"])),
    cameBy: cameBy(bag(message["referral"] ?? bag(outer["postback"])["referral"] ?? outer["referral"])),
    offered: offered(message["quick_replies"] ?? outer["quick_replies"]),
    chosen: word(bag(message["quick_reply"])["payload"]) !== null,
    elsewhere: fromContact || !flag(message["is_echo"]) ? null : elsewhere(message),
    deleted,
    edited: [known["edited"], known["is_edited"], known["edited_at"], message["is_edited"], outer["message_edit"]].some(flag),
    reaction: deleted ? null : reactionOf(known["reaction"]),
  };
}

/** One line for the list of conversations. */
export function preview(message: Message): string {
  const { parts, deleted, reaction } = readMessage(message);
  if (deleted) return "Message unsent";
  const first = parts.find((part) => part.kind === "text") ?? parts[0];
  const shown = first ? line(lineOf(first), 140) : "";
  return reaction === null ? shown : `${shown} ${reaction}`;
}

/** The source's own id of a message, which replies name. */
export function sourceId({ content, metadata }: Message): string | null {
  const outer = bag(content);
  return (
    word(bag(bag(metadata)["source"])["id"]) ??
    word(bag(metadata)["source.id"]) ??
    word(bag(outer["message"])["mid"]) ??
    word(bag(outer["postback"])["mid"])
  );
}

/** Texts that a program has suggested as an answer (`messages.suggest-replies`). */
export function suggestionsOf({ metadata }: Message): string[] {
  return Object.values(bag(bag(metadata)["suggestions"]))
    .map((suggestion) => bag(suggestion)["content"])
    .map((content) => text(content) ?? text(bag(content)["text"]) ?? text(bag(bag(content)["message"])["text"]))
    .filter((words) => words !== null)
    .slice(0, 5);
}

/** Meta's subcodes for a reply after the 24 hours. */
const outsideWindow = /"error_subcode"\s*:\s*"?(2018278|2534022|2018065)\b/;

/** Whether it failed because the customer wrote too long ago. */
export function isOutsideWindow({ metadata }: Message): boolean {
  return outsideWindow.test(text(bag(bag(metadata)["source"])["error"]) ?? "");
}

/** The source's id of the message that this one answers. */
export function answeredId({ content }: Message): string | null {
  const outer = bag(content);
  return word(bag(bag(outer["message"])["reply_to"] ?? outer["reply_to"])["mid"]);
}

function partsOf(content: unknown, outer: Bag, message: Bag): Part[] {
  if (flag(message["is_unsupported"])) {
    return [{ kind: "note", text: "Instagram does not pass this message on to other programs. Its own app shows it.", raw: null }];
  }
  const words = [message["text"], outer["text"], bag(message["text"])["body"], bag(outer["text"])["body"]]
    .map(text)
    .find((t) => t !== null);
  const listed = [message["attachments"], outer["attachments"]].find((list) => Array.isArray(list) && list.length > 0);
  const items: unknown[] = Array.isArray(listed) ? listed : [message["attachment"] ?? outer["attachment"]];
  const attachments = readAttachments(items);
  const button = bag(outer["postback"]);
  const parts: Part[] = [];
  if (words !== undefined && words !== null && !isBlank(words)) parts.push({ kind: "text", text: words });
  parts.push(...attachments);
  if (Object.keys(button).length > 0) parts.push(pressed(button));
  if (parts.length > 0) return parts;
  const empty = typeof (message["text"] ?? outer["text"]) === "string";
  return [{ kind: "note", text: empty ? "An empty message." : "A message of a kind this page cannot show.", raw: empty ? null : content }];
}

function pressed(button: Bag): Part {
  const title = text(button["title"]);
  const payload = word(button["payload"]) ?? "";
  const facts = payloadFacts(payload);
  if (title !== null) return { kind: "pressed", title: line(title), facts: [] };
  return { kind: "pressed", title: facts.length > 0 || payload === "" ? "A button" : line(payload), facts };
}

/** Programs put JSON into the payload of their buttons. */
function payloadFacts(payload: string): Fact[] {
  if (!payload.startsWith("{")) return [];
  try {
    return Object.entries(JSON.parse(payload) as Bag).flatMap(([key, value]) => {
      const plain = word(value);
      return plain === null ? [] : [[line(key, 60), line(plain)] satisfies Fact];
    });
  } catch {
    return [];
  }
}

function answersOf(reply: Bag): Readable["answers"] {
  if (reply["story"] !== undefined && reply["story"] !== null) return { story: address(bag(reply["story"])["url"]) };
  const mid = word(reply["mid"]);
  return mid === null ? null : { mid };
}

function cameBy(referral: Bag): string | null {
  if (Object.keys(referral).length === 0) return null;
  const ad = text(bag(referral["ads_context_data"])["ad_title"]);
  if (ad !== null) return `Came by the ad “${line(ad, 80)}”`;
  const through = word(referral["ref"]);
  if (word(referral["ad_id"]) !== null) return `Came by an ad${through === null ? "" : ` (${line(through, 80)})`}`;
  return through === null ? null : `Came by the link “${line(through, 80)}”`;
}

function offered(list: unknown): string[] {
  if (!Array.isArray(list)) return [];
  return list
    .slice(0, 13)
    .map((item) => text(bag(item)["title"]) ?? readableKind(bag(item)["content_type"]))
    .filter((title) => title !== null)
    .map((title) => line(title, 60));
}

function readableKind(kind: unknown): string | null {
  return kind === "user_phone_number" ? "Phone number" : kind === "user_email" ? "E-mail address" : null;
}

function elsewhere(message: Bag): string {
  const app = word(message["app_id"]);
  return app === null ? "sent from the page's own inbox" : `sent by the app ${line(app, 40)}`;
}
