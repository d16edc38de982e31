/** What Facebook's refusal of a message means for whoever wrote it. Source: Meta's "Send API" error codes, June 2026. */
import type { GraphFailure } from "./graph.ts";

const outsideWindow = new Set([2_018_278, 2_534_022, 2_018_065]);
const personGone = new Set([2_018_108, 1_545_041]);
const unknownPerson = new Set([2_018_001, 2_534_014]);
const otherOwner = new Set([2_018_300, 2_534_037]);
const RESTRICTED = 1_893_063;
const NO_ROLE = 2_018_028;

/** Facebook's own sentence first, then what can be done. */
export function explain(failure: GraphFailure): string {
  const advice = failure.kind === "unknown" ? "whether the message was delivered is not known" : adviceFor(failure);
  return advice === null ? failure.message : `${failure.message}; ${advice}`;
}

function adviceFor({ code, subcode = 0, transient, deadToken }: GraphFailure): string | null {
  if (code === 10 && outsideWindow.has(subcode)) {
    return (
      "Facebook lets a page answer for 24 hours after the customer's last message. Possible now: wait until the customer writes again, " +
      "or answer in the page's own inbox at Facebook; with the permission Human Agent a person may answer for 7 days (tag HUMAN_AGENT)"
    );
  }
  if (otherOwner.has(subcode)) {
    return "another app has the conversation: answer there, or make this one the page's primary receiver (page settings > Advanced messaging)";
  }
  if (code === 368 || subcode === RESTRICTED)
    return "Facebook has restricted the page for its policies: look into the page's Support Inbox; repeating it does not help";
  if (code === 551 || personGone.has(subcode)) return "the person blocked the page or cannot be reached any more";
  if (unknownPerson.has(subcode)) return "this person never wrote to this page, or their account is gone";
  if (subcode === NO_ROLE) return "while the app is not live, only people with a role in it can be answered";
  if (deadToken) return "connect the page again with a new token";
  if (code === 3 || code === 10 || (code !== undefined && code >= 200 && code <= 299)) {
    return "the page's token lacks a permission (pages_messaging; for Instagram instagram_manage_messages): give it to the app, then connect the page with a new token";
  }
  if (transient) return "it was tried several times; try again later";
  return null;
}
