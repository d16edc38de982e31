/**
 * What can happen to one POST on a held path until its sender has an answer and its fate is known, as a table; pure. `held-request.ts` does
 * what it says. Until `acknowledge` nothing was promised: whatever ends before, the sender repeats. After it, a copy is on disk, and the
 * drainer has it.
 */

export type WebhookState =
  /** The body is on its way. */
  | "receiving"
  /** Complete; it is looked up whether it may go live. */
  | "deciding"
  /** At the local service, whose answer is waited for. */
  | "asking"
  /** As well, and a copy is being written because it takes long. */
  | "askingAndStoring"
  /** The local service's answer is on its way to the sender. */
  | "passing"
  /** Being written; the local service does not have it. */
  | "storing"
  /** Acknowledged and on disk; the local service still has it. What comes behind it waits. */
  | "late"
  | "over";

export type WebhookEvent =
  /** The body is longer than what may be held. */
  | "tooLarge"
  /** The body takes too long, or there is no memory for it. */
  | "evicted"
  | "complete"
  /** A tunnel is there, and nothing waits. */
  | "free"
  /** It has to be stored. */
  | "occupied"
  /** The head of the service's answer: 2xx. */
  | "accepted"
  /** Anything else that the sender may see. */
  | "answered"
  /** 502, 503 or 504. */
  | "unavailable"
  /** The service, or the connection to it, broke off. */
  | "broke"
  /** The service's answer is complete. */
  | "ended"
  | "stored"
  /** The copy could not be written. */
  | "unstored"
  /** The service has had its time for an answer that the sender waits for. */
  | "slow"
  /** The sender has waited as long as it can. */
  | "overdue"
  /** The service has had its time for an answer that nobody waits for. */
  | "tooLate"
  /** The sender has hung up. */
  | "gone";

export type WebhookAction =
  /** The request goes on as an ordinary one. */
  | "handBack"
  /** Ends the body, which is not read any further. */
  | "drop"
  | "decide"
  | "ask"
  | "store"
  /** Without a promise: 503. */
  | "refuse"
  /** 200: it is on disk. */
  | "acknowledge"
  /** Passes the head of the service's answer on, and then its body. */
  | "pass"
  /** The sender has the whole answer. */
  | "finish"
  /** The sender has a part of an answer, of which the rest is missing. */
  | "breakOff"
  /** Takes the request back from the service. */
  | "cancel"
  /** Reads what the service still answers, for nobody. */
  | "discard"
  /** Forgets the copy, written or not, and unblocks the queue when that is done. */
  | "withdraw"
  | "block"
  | "unblock";

interface Transition {
  to: WebhookState;
  do: readonly WebhookAction[];
}

const table: Record<WebhookState, Partial<Record<WebhookEvent, Transition>>> = {
  receiving: {
    tooLarge: { to: "over", do: ["handBack"] },
    evicted: { to: "over", do: ["drop", "refuse"] },
    complete: { to: "deciding", do: ["decide"] },
    gone: { to: "over", do: [] },
  },
  deciding: {
    free: { to: "asking", do: ["ask"] },
    occupied: { to: "storing", do: ["store"] },
    overdue: { to: "over", do: ["refuse"] },
    gone: { to: "over", do: [] },
  },
  asking: {
    accepted: { to: "passing", do: ["pass"] },
    answered: { to: "passing", do: ["pass"] },
    unavailable: { to: "storing", do: ["cancel", "store"] },
    broke: { to: "storing", do: ["store"] },
    slow: { to: "askingAndStoring", do: ["block", "store"] },
    overdue: { to: "over", do: ["cancel", "refuse"] },
    gone: { to: "over", do: ["cancel"] },
  },
  askingAndStoring: {
    accepted: { to: "passing", do: ["pass", "withdraw"] },
    answered: { to: "storing", do: ["cancel", "unblock"] },
    unavailable: { to: "storing", do: ["cancel", "unblock"] },
    broke: { to: "storing", do: ["unblock"] },
    stored: { to: "late", do: ["acknowledge"] },
    unstored: { to: "asking", do: ["unblock"] },
    overdue: { to: "over", do: ["cancel", "refuse", "withdraw"] },
    gone: { to: "over", do: ["cancel", "withdraw"] },
  },
  passing: {
    ended: { to: "over", do: ["finish"] },
    broke: { to: "over", do: ["breakOff"] },
    gone: { to: "over", do: ["cancel"] },
  },
  storing: {
    stored: { to: "over", do: ["acknowledge"] },
    unstored: { to: "over", do: ["refuse"] },
    overdue: { to: "over", do: ["refuse", "block", "withdraw"] },
    gone: { to: "over", do: ["block", "withdraw"] },
  },
  late: {
    accepted: { to: "over", do: ["discard", "withdraw"] },
    answered: { to: "over", do: ["cancel", "unblock"] },
    unavailable: { to: "over", do: ["cancel", "unblock"] },
    broke: { to: "over", do: ["unblock"] },
    tooLate: { to: "over", do: ["cancel", "unblock"] },
  },
  over: {},
};

/** Null where the event has no meaning in this state. */
export function next(state: WebhookState, event: WebhookEvent): Transition | null {
  return table[state][event] ?? null;
}
