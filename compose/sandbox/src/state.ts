/** What the stand-in remembers; in memory only. A restarted stand-in is empty, and whoever registered before registers again. */
import { randomBytes } from "node:crypto";

interface Subscription {
  object: string;
  callbackUrl: string;
  verifyToken: string;
  includeValues: boolean;
  active: boolean;
  /** Field name -> version of the Graph API through which it was subscribed. */
  fields: Map<string, string>;
}

/** A message the page sent to a customer. */
export interface Reply {
  recipientId: string;
  /** null where the message has no text (an attachment). */
  text: string | null;
  messageId: string;
  /** ISO time. */
  at: string;
}

export interface SandboxState {
  /** App level: object -> its one callback. */
  subscriptions: Map<string, Subscription>;
  /** Page level: the fields of the page's subscription to the app; null while the page is not subscribed. */
  pageFields: string[] | null;
  /** The last {@link REPLIES_KEPT}, oldest first. */
  replies: Reply[];
  /** The stand-in is shutting down: no further attempts. */
  closing: boolean;
}

const REPLIES_KEPT = 10_000;

export function createState(): SandboxState {
  return { subscriptions: new Map(), pageFields: null, replies: [], closing: false };
}

export function rememberReply(state: SandboxState, reply: Reply): void {
  state.replies.push(reply);
  if (state.replies.length > REPLIES_KEPT) state.replies.shift();
}

/** A message id of Meta's look. */
export function newMessageId(): string {
  return `m_${randomBytes(48).toString("base64url")}`;
}
