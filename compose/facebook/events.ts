/**
 * Events of Messenger and Instagram as they stand inside `entry[].messaging[]`, and the field through which each is subscribed.
 * Source: Meta's "webhook events" reference pages (Messenger, Instagram), 2026.
 */
import type { MessagingItem } from "./contract.ts";

export type MessagingObject = "page" | "instagram";

/** Who an event is about; ids as the page sees them. */
export interface Parties {
  customerId: string;
  /** The page, or on Instagram the account. */
  accountId: string;
  /** Milliseconds. */
  at: number;
}

export function messageItem({ customerId, accountId, at }: Parties, message: { mid: string } & Record<string, unknown>): MessagingItem {
  return { sender: { id: customerId }, recipient: { id: accountId }, timestamp: at, message };
}

/** What the page itself sent, told to the apps of the page. */
export function echoItem({ customerId, accountId, at }: Parties, message: { mid: string } & Record<string, unknown>): MessagingItem {
  const { mid, ...rest } = message;
  return { sender: { id: accountId }, recipient: { id: customerId }, timestamp: at, message: { mid, is_echo: true, ...rest } };
}

export function postbackItem(parties: Parties, postback: { mid: string; title: string; payload: string }): MessagingItem {
  return { ...from(parties), postback };
}

/** The names that Meta gives to the emoji it offers; every other one is `other`. */
const reactionNames: Record<string, string> = {
  "\u{2764}": "love",
  "\u{1F606}": "smile",
  "\u{1F62E}": "wow",
  "\u{1F622}": "sad",
  "\u{1F620}": "angry",
  "\u{1F44D}": "like",
  "\u{1F44E}": "dislike",
};

/** @param emoji null takes the reaction back. */
export function reactionItem(parties: Parties, mid: string, emoji: string | null): MessagingItem {
  if (emoji === null) return { ...from(parties), reaction: { mid, action: "unreact" } };
  const reaction = reactionNames[emoji.replace(/\ufe0f$/, "")] ?? "other";
  return { ...from(parties), reaction: { mid, action: "react", reaction, emoji } };
}

export function editItem(parties: Parties, edit: { mid: string; text: string; num_edit: number }): MessagingItem {
  return { ...from(parties), message_edit: edit };
}

export function unsendItem(parties: Parties, mid: string): MessagingItem {
  return { ...from(parties), message: { mid, is_deleted: true } };
}

/** Messenger says up to when, Instagram which message. */
export function readItem(parties: Parties, object: MessagingObject, mid: string | null): MessagingItem {
  return { ...from(parties), read: object === "instagram" && mid !== null ? { mid } : { watermark: parties.at } };
}

/** Meta's own sample has no timestamp. */
export function deliveryItem({ customerId, accountId, at }: Parties, mids: string[]): MessagingItem {
  return { sender: { id: customerId }, recipient: { id: accountId }, delivery: { mids, watermark: at } };
}

export function customItem(parties: Parties, members: Record<string, unknown>): MessagingItem {
  return { ...from(parties), ...members };
}

/** Member that tells an item's kind -> field of the page, field of Instagram. */
const fields: readonly (readonly [member: string, page: string, instagram: string])[] = [
  ["postback", "messaging_postbacks", "messaging_postbacks"],
  ["reaction", "message_reactions", "message_reactions"],
  ["read", "message_reads", "messaging_seen"],
  ["delivery", "message_deliveries", "messages"],
  ["message_edit", "message_edits", "message_edit"],
  ["optin", "messaging_optins", "messaging_optins"],
  ["referral", "messaging_referrals", "messaging_referral"],
  ["account_linking", "messaging_account_linking", "messages"],
  ["policy_enforcement", "messaging_policy_enforcement", "messages"],
  ["policy-enforcement", "messaging_policy_enforcement", "messages"],
  ["response_feedback", "response_feedback", "messages"],
  ["messaging_feedback", "messaging_feedback", "messages"],
  ["pass_thread_control", "messaging_handovers", "messaging_handover"],
  ["take_thread_control", "messaging_handovers", "messaging_handover"],
  ["request_thread_control", "messaging_handovers", "messaging_handover"],
  ["app_roles", "messaging_handovers", "messaging_handover"],
];

/** The field through which an item of this shape is subscribed. */
export function fieldOf(object: string, item: Record<string, unknown>): string {
  const { message } = item;
  if (typeof message === "object" && message !== null) {
    return object === "page" && "is_echo" in message && message.is_echo === true ? "message_echoes" : "messages";
  }
  const found = fields.find(([member]) => item[member] !== undefined && item[member] !== null);
  if (!found) return "messages";
  return object === "instagram" ? found[2] : found[1];
}

function from({ customerId, accountId, at }: Parties): Pick<MessagingItem, "sender" | "recipient" | "timestamp"> {
  return { sender: { id: customerId }, recipient: { id: accountId }, timestamp: at };
}
