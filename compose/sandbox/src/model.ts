/** What the stand-in knows: apps, pages, people, what was said. Schemas, because it is read back from a file after a restart. */
import { randomBytes } from "node:crypto";
import { z } from "zod";

const id = z.string().min(1).max(200);
const time = z.number();
const loose = z.record(z.string(), z.unknown());

const subscription = z.object({
  object: id,
  /** null only in rows that were planted to look like that. */
  callbackUrl: z.string().nullable(),
  verifyToken: z.string(),
  includeValues: z.boolean(),
  active: z.boolean(),
  /** Field and the version of the Graph API through which it was subscribed. */
  fields: z.array(z.object({ name: z.string(), version: z.string() })),
  since: time,
});

const app = z.object({
  id,
  name: z.string(),
  secret: z.string(),
  /** "Require App Secret": every call needs appsecret_proof. */
  requireProof: z.boolean(),
  /** In development only people with a role on the app exist for it. */
  mode: z.enum(["live", "development"]),
  /** The number that Instagram's product gives the app, beside its own. */
  instagramAppId: id.nullable().default(null),
  subscriptions: z.array(subscription),
});

/** An app that is installed on a page, an Instagram account or a WhatsApp account. */
const installation = z.object({
  appId: id,
  fields: z.array(z.string()),
  /** WhatsApp: where this account's events go in place of the app's callback. */
  override: z.object({ callbackUrl: z.string(), verifyToken: z.string() }).nullable(),
  /** When deliveries began to fail without one success; null: they do not. */
  failingSince: time.nullable(),
  alerted: z.boolean(),
});

const persona = z.object({ id, name: z.string(), picture: z.string() });

const page = z.object({
  id,
  name: z.string(),
  category: z.string(),
  instagram: z.object({ id, username: z.string(), name: z.string() }).nullable(),
  installed: z.array(installation),
  profile: loose,
  personas: z.array(persona),
  labels: z.array(z.object({ id, name: z.string(), customers: z.array(id) })),
  /** App whose threads are new ones; null: every app gets everything. */
  primaryAppId: id.nullable(),
});

const whatsapp = z.object({
  id,
  name: z.string(),
  installed: z.array(installation),
  phones: z.array(
    z.object({
      id,
      display: z.string(),
      name: z.string(),
      override: z.object({ callbackUrl: z.string(), verifyToken: z.string() }).nullable(),
    }),
  ),
});

const account = z.object({ id, name: z.string(), pages: z.array(id) });

const token = z.object({
  token: z.string(),
  type: z.enum(["user", "page"]),
  appId: id,
  accountId: id.nullable(),
  pageId: id.nullable(),
  scopes: z.array(z.string()),
  issuedAt: time,
  /** 0: never. */
  expiresAt: time,
  /** Why Facebook takes it no longer, apart from its age. */
  broken: z.enum(["password", "removed", "invalid", "session"]).nullable(),
});

const message = z.object({
  mid: id,
  from: z.enum(["customer", "page"]),
  at: time,
  /** `message` or `postback` as on the wire. */
  message: loose.nullable(),
  postback: loose.nullable(),
  /** Who sent it for the page; null: somebody in the page's own inbox. */
  appId: z.string().nullable(),
  personaId: z.string().nullable(),
  edits: z.number(),
  deleted: z.boolean(),
  reactions: z.object({ customer: z.string().nullable(), page: z.string().nullable() }),
  /** Of a customer's message: what became of its delivery. */
  delivery: z.enum(["none", "under way", "acknowledged", "held", "failed", "dropped"]),
});

const customer = z.object({
  id,
  pageId: id,
  channel: z.enum(["page", "instagram"]),
  firstName: z.string(),
  lastName: z.string(),
  username: z.string().nullable(),
  locale: z.string(),
  timezone: z.number(),
  gender: z.string(),
  /** Has a role on the app. */
  tester: z.boolean(),
  reach: z.enum(["reachable", "blocked", "unavailable"]),
  /** When this customer wrote last; 0: never. */
  wroteAt: time,
  /** Allows one message outside the rules: a private reply to a comment, an opt-in. */
  invited: z.boolean(),
  /** App that owns the thread; null: nobody in particular. */
  ownerAppId: id.nullable(),
  /** Up to when each side has seen the other's messages. */
  seenByCustomer: time,
  seenByPage: time,
  pageTypingUntil: time,
  messages: z.array(message),
});

const pending = z.object({
  id,
  appId: id,
  object: z.string(),
  accountId: id,
  /** WhatsApp: the number that it came in at. */
  phoneId: id.nullable(),
  fields: z.array(z.string()),
  mids: z.array(z.string()),
  body: z.string(),
  firstAt: time,
  nextAt: time,
  attempts: z.number(),
  status: z.number(),
});

const alert = z.object({ at: time, kind: z.enum(["failing", "disabled", "dropped"]), appId: id, accountId: id, text: z.string() });

const attachment = z.object({ id, pageId: id, type: z.string(), url: z.string(), fileId: z.string().nullable(), at: time });

const file = z.object({ id, type: z.string(), name: z.string(), size: z.number(), at: time });

const reply = z.object({ recipientId: id, text: z.string().nullable(), messageId: id, at: z.string() });

/** The file: lists, which become maps in memory. */
export const savedSchema = z.object({
  version: z.literal(1),
  ahead: z.number(),
  settings: loose,
  apps: z.array(app),
  pages: z.array(page),
  whatsapp: z.array(whatsapp),
  accounts: z.array(account),
  tokens: z.array(token),
  customers: z.array(customer),
  pending: z.array(pending),
  attachments: z.array(attachment),
  files: z.array(file),
  alerts: z.array(alert),
  replies: z.array(reply),
});

export type Saved = z.output<typeof savedSchema>;
export type App = z.output<typeof app>;
export type Subscription = z.output<typeof subscription>;
export type Installation = z.output<typeof installation>;
export type Page = z.output<typeof page>;
export type WhatsAppAccount = z.output<typeof whatsapp>;
export type Account = z.output<typeof account>;
export type Token = z.output<typeof token>;
export type Customer = z.output<typeof customer>;
export type Message = z.output<typeof message>;
export type Pending = z.output<typeof pending>;
export type Alert = z.output<typeof alert>;
export type StoredAttachment = z.output<typeof attachment>;
export type StoredFile = z.output<typeof file>;
export type Reply = z.output<typeof reply>;

/** A message id of Meta's look. */
export function newMessageId(): string {
  return `m_${randomBytes(48).toString("base64url")}`;
}

/** Facebook's ids are long numbers. */
export function newId(length = 17): string {
  return Array.from(randomBytes(length), (byte, i) => String(i === 0 ? 1 + (byte % 9) : byte % 10)).join("");
}

export function newTokenText(): string {
  return `EAA${randomBytes(60).toString("base64url")}`;
}

export function installationOf(appId: string, fields: string[]): Installation {
  return { appId, fields, override: null, failingSince: null, alerted: false };
}
