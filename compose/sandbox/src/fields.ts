/** The fields that can be subscribed to: the messaging part of Meta's own enumeration (facebook-business-sdk-codegen, enum_types.json). */
import { graphErrors } from "./errors.ts";

const page = [
  "messages",
  "messaging_postbacks",
  "messaging_optins",
  "messaging_optouts",
  "messaging_referrals",
  "messaging_handovers",
  "messaging_policy_enforcement",
  "messaging_account_linking",
  "messaging_feedback",
  "messaging_game_plays",
  "messaging_payments",
  "messaging_pre_checkouts",
  "messaging_checkout_updates",
  "messaging_customer_information",
  "messaging_integrity",
  "messaging_direct_sends",
  "message_deliveries",
  "message_reads",
  "message_echoes",
  "message_edits",
  "message_reactions",
  "message_mention",
  "message_context",
  "standby",
  "inbox_labels",
  "response_feedback",
  "send_cart",
  "calls",
  "feed",
  "mention",
  "conversations",
  "leadgen",
];

const instagram = [
  "messages",
  "message_reactions",
  "message_edit",
  "messaging_postbacks",
  "messaging_seen",
  "messaging_referral",
  "messaging_handover",
  "messaging_optins",
  "standby",
  "comments",
  "live_comments",
  "mentions",
  "story_insights",
];

const fieldsByObject: Record<string, string[]> = { page, instagram };

/** Throws GraphError 100 for an object that has no webhooks here. */
export function requireKnownObject(object: string): void {
  const known = Object.keys(fieldsByObject);
  if (!known.includes(object)) throw graphErrors.parameterWrong("object", `must be one of {${known.join(", ").toUpperCase()}}`);
}

/** Throws GraphError 100 for a field that the object does not have. */
export function requireKnownFields(parameter: string, object: string, fields: string[]): void {
  const known = fieldsByObject[object] ?? [];
  for (const [index, field] of fields.entries()) {
    if (!known.includes(field)) {
      throw graphErrors.parameterWrong(`${parameter}[${index}]`, `must be one of {${known.join(", ").toUpperCase()}} - got "${field}"`);
    }
  }
}
