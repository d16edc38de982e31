/**
 * From the raw bytes of a delivery to the events Airy keeps. Pure: needs no database, because all ids follow from the content. Only
 * sender, recipient and the presence of a message, postback, reaction or edit decide whether something is an event; every other member is
 * taken as far as it is understood.
 */
import { airyId } from "../ids.ts";
import { storable, storableKey } from "../text.ts";
import { parseKeepingDigits } from "./json.ts";
import { emojiOf, flag, idOf, list, members, textOf, timeOf, unlessDenied } from "./lenient.ts";

/** Grows with each change of what is read; deliveries with a note from an earlier reader are read again after an upgrade. */
export const READER = 3;

/** One event of a delivery; mirrors the SQL type `inbound_item`. */
export interface InboundItem {
  /** `echo`: perhaps of a message that we sent ourselves. */
  kind: "message" | "echo" | "reaction" | "edit" | "deletion";
  source: string;
  channel_id: string;
  source_channel_id: string;
  conversation_id: string;
  contact_id: string;
  id: string;
  /** Meta's `mid`; null for postbacks that carry none. */
  source_message_id: string | null;
  /** The customer's id in the page's scope (PSID). */
  source_conversation_id: string;
  /** What the conversation is called until the source tells a name. */
  display_name: string;
  /** ISO time. */
  sent_at: string;
  from_contact: boolean;
  sender_id: string;
  /** JSON text of the whole messaging item. */
  content: string;
  /** Of an edit: how many there were. */
  number: number;
  /** The emoji of a reaction (null: taken back), the text of an edit. */
  body: string | null;
}

export interface Derived {
  items: InboundItem[];
  /** What has no message: kinds that are known, with how many, e.g. `2 x read, 1 x changes/feed`; and what was not understood. */
  kinds: Map<string, number>;
  /** {@link kinds} as text, null when everything became messages. */
  note: string | null;
}

const sources: Record<string, string> = { page: "facebook", instagram: "instagram" };

/** Discriminators of a messaging item that is no message. Source: Meta's Messenger "webhook events" reference. */
const knownKinds = [
  "delivery",
  "read",
  "optin",
  "optout",
  "referral",
  "account_linking",
  "pass_thread_control",
  "take_thread_control",
  "request_thread_control",
  "app_roles",
  "policy_enforcement",
  "policy-enforcement",
  "messaging_feedback",
  "response_feedback",
  "game_play",
  "payment",
  "pre_checkout",
  "checkout_update",
  "customer_information",
  "send_cart",
];

/** Routine, and many: not worth a line in the log. */
export const quietKinds = new Set(["delivery", "read"]);

export const TEST_KIND = "Facebook's test";

/** Fields whose `changes` carry what usually comes in `messaging`. */
const messagingField = /^(messages|messaging_\w+|message_\w+|standby)$/;
/** Meta's own samples, sent by the button "Test" of the dashboard. */
const sampleMids = new Set(["test_message_id", "random_mid"]);

/**
 * Never throws: what is not understood is left out and named.
 * @param ownAppId the app that the platform sends with.
 * @param receivedAt stands in for a missing or absurd timestamp.
 */
export function derive(body: Uint8Array, ownAppId: string, receivedAt: Date): Derived {
  const reader = new Reader(ownAppId, receivedAt);
  try {
    reader.read(parseKeepingDigits(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")));
  } catch {
    // Not JSON, or nested deeper than the stack allows.
    return { items: [], kinds: new Map([["not JSON", 1]]), note: "not JSON" };
  }
  const note = [...reader.kinds].map(([kind, count]) => `${count} x ${kind}`).join(", ");
  return { items: reader.items, kinds: reader.kinds, note: note === "" ? null : note.slice(0, 1_000) };
}

class Reader {
  readonly items: InboundItem[] = [];
  readonly kinds = new Map<string, number>();
  readonly #ownAppId: string;
  readonly #receivedAt: Date;

  constructor(ownAppId: string, receivedAt: Date) {
    this.#ownAppId = ownAppId;
    this.#receivedAt = receivedAt;
  }

  read(value: unknown): void {
    const envelope = members(value);
    const object = textOf(envelope?.object);
    if (envelope === null || object === null || !Array.isArray(envelope.entry)) return this.#count("unknown shape");
    const source = sources[object];
    if (source === undefined) return this.#count(`unknown object ${object.slice(0, 60)}`);
    for (const entry of list(envelope.entry)) this.#entry(source, members(entry));
    if (this.items.length === 0 && this.kinds.size === 0) this.#count("empty");
  }

  #entry(source: string, entry: Record<string, unknown> | null): void {
    const channel = idOf(entry?.id);
    if (entry === null || channel === null) return this.#count("unknown shape");
    for (const item of [...list(entry.messaging), ...list(entry.standby)]) this.#item(source, channel, item);
    for (const one of list(entry.changes)) {
      const change = members(one);
      const field = textOf(change?.field) ?? "?";
      const value = members(change?.value);
      // The samples in Meta's reference have messages in `changes` as well.
      if (value !== null && messagingField.test(field) && (members(value.sender) || members(value.message)))
        this.#item(source, channel, value);
      else this.#count(channel === "0" ? TEST_KIND : `changes/${field.slice(0, 60)}`);
    }
  }

  #item(source: string, channel: string, raw: unknown): void {
    const item = members(raw);
    if (item === null) return this.#count("unknown shape");
    const message = members(item.message);
    if (channel === "0" || sampleMids.has(idOf(message?.mid) ?? "")) return this.#count(TEST_KIND);
    const edit = members(item.message_edit) ?? members(item.message_edits);
    const postback = members(item.postback);
    const reaction = members(item.reaction);
    const known = knownKinds.find((kind) => item[kind] !== undefined && item[kind] !== null);
    if (message === null && edit === null && postback === null && reaction === null) return this.#count(known ?? "unknown shape");

    const sender = idOf(members(item.sender)?.id);
    const recipient = idOf(members(item.recipient)?.id) ?? channel;
    if (sender === null) return this.#count(known ?? "without a sender");
    const common = this.#common(source, channel, item, sender, recipient, flag(message?.is_echo));
    if (message !== null) return this.#message(common, message, recipient);
    const mid = key(edit?.mid ?? postback?.mid ?? reaction?.mid);
    if (postback !== null) return this.#add({ ...common, kind: "message", source_message_id: mid });
    if (mid === null) return this.#count("unknown shape");
    if (edit !== null) {
      const number = Number(edit.num_edit);
      const times = Number.isInteger(number) && number >= 0 && number < 1_000_000 ? number : 0;
      return this.#add({ ...common, kind: "edit", source_message_id: mid, number: times, body: storable(textOf(edit.text) ?? "") });
    }
    const taken = textOf(reaction?.action)?.trim().toLowerCase() === "unreact";
    const emoji = taken ? null : storable(emojiOf(reaction?.emoji, reaction?.reaction));
    this.#add({ ...common, kind: "reaction", source_message_id: mid, body: emoji });
  }

  #common(source: string, channel: string, item: unknown, sender: string, recipient: string, echo: boolean): Omit<InboundItem, "kind"> {
    const channelId = airyId(source, channel);
    const customer = storableKey(echo ? recipient : sender);
    const conversationId = airyId(channelId, customer);
    const content = JSON.stringify(item);
    return {
      source,
      channel_id: channelId,
      source_channel_id: storableKey(channel),
      conversation_id: conversationId,
      contact_id: airyId(conversationId, ""),
      id: airyId(channelId, content),
      source_message_id: null,
      source_conversation_id: customer,
      display_name:
        customer === channel ? "Notes to self" : `${source.charAt(0).toUpperCase()}${source.slice(1)} ${conversationId.slice(31)}`,
      sent_at: timeOf(members(item)?.timestamp, this.#receivedAt).toISOString(),
      from_contact: !echo,
      sender_id: customer,
      content,
      number: 0,
      body: null,
    };
  }

  #message(common: Omit<InboundItem, "kind">, message: Record<string, unknown>, recipient: string): void {
    const mid = key(message.mid);
    const app = idOf(message.app_id);
    if (mid !== null && unlessDenied(message.is_deleted)) return this.#add({ ...common, kind: "deletion", source_message_id: mid });
    // Instagram names no app. An echo may be ours; another app's is not.
    const perhapsOurs = !common.from_contact && (app === null || app === this.#ownAppId);
    this.#add({
      ...common,
      kind: perhapsOurs ? "echo" : "message",
      source_message_id: mid,
      sender_id: common.from_contact ? common.sender_id : storableKey(app ?? recipient),
    });
  }

  #add(item: InboundItem): void {
    this.items.push(item);
  }

  #count(kind: string): void {
    const name = storable(kind);
    this.kinds.set(name, (this.kinds.get(name) ?? 0) + 1);
  }
}

function key(value: unknown): string | null {
  const id = idOf(value);
  return id === null ? null : storableKey(id);
}
