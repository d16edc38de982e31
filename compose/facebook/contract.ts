/**
 * Meta's webhook contract, written once: how deliveries are signed and what shape they have.
 * Source: Meta's Webhooks "getting started" and Messenger "webhook events" pages, Graph API v26.0.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

/** Pinned; an expired version silently falls forward at Meta, so it is never left out of a path. */
export const GRAPH_VERSION = "v26.0";

/** App-level fields of the `page` object that the platform understands. */
export const PAGE_FIELDS = ["messages", "messaging_postbacks", "message_echoes", "message_reactions", "message_edits", "standby"] as const;

/** App-level fields of the `instagram` object that the platform understands; echoes come with `messages` there. */
export const INSTAGRAM_FIELDS = ["messages", "messaging_postbacks", "message_reactions", "message_edit", "standby"] as const;

export interface SignatureHeaders {
  "x-hub-signature-256": string;
  "x-hub-signature": string;
}

/** Both signature headers over the exact bytes that are sent. */
export function signatureHeaders(appSecret: string, body: Uint8Array): SignatureHeaders {
  return {
    "x-hub-signature-256": `sha256=${hmac("sha256", appSecret, body)}`,
    "x-hub-signature": `sha1=${hmac("sha1", appSecret, body)}`,
  };
}

/**
 * `appsecret_proof` of a Graph call: needed where the app's setting "Require App Secret" is on, harmless elsewhere.
 * @param time seconds since 1970, sent along as `appsecret_time`: the proof is then of use for a few minutes only.
 */
export function appSecretProof(appSecret: string, accessToken: string, time?: number): string {
  return hmac("sha256", appSecret, time === undefined ? accessToken : `${accessToken}|${time}`);
}

export type SignatureVerdict = "valid" | "missing" | "invalid";

/**
 * Checks a delivery in constant time over its raw bytes. Where `X-Hub-Signature-256` is present it alone decides; the older SHA-1
 * header counts only in its absence.
 */
export function verifySignature(
  appSecret: string,
  body: Uint8Array,
  headers: { "x-hub-signature-256"?: string | undefined; "x-hub-signature"?: string | undefined },
): SignatureVerdict {
  const sha256 = headers["x-hub-signature-256"];
  if (sha256 !== undefined) return equal(sha256, `sha256=${hmac("sha256", appSecret, body)}`) ? "valid" : "invalid";
  const sha1 = headers["x-hub-signature"];
  if (sha1 !== undefined) return equal(sha1, `sha1=${hmac("sha1", appSecret, body)}`) ? "valid" : "invalid";
  return "missing";
}

/** JSON as Meta puts it on the wire: non-ASCII as `\uXXXX` in lower-case hex, `/` as `\/`. This text is what is signed. */
export function metaJson(value: unknown): Buffer {
  const escaped = JSON.stringify(value)
    .replaceAll("/", "\\/")
    .replaceAll(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return Buffer.from(escaped, "latin1");
}

/** An app id as echoes carry it: a JSON number; as a string where a double cannot hold it. */
export function metaAppId(appId: string): number | string {
  return /^[1-9]\d*$/.test(appId) && Number.isSafeInteger(Number(appId)) ? Number(appId) : appId;
}

/** One item of `entry[].messaging[]`; unknown members are kept as they are. */
export interface MessagingItem {
  sender: { id: string };
  recipient: { id: string };
  timestamp?: number;
  message?: { mid: string; text?: string; is_echo?: boolean; app_id?: string | number; is_deleted?: boolean; [key: string]: unknown };
  postback?: { mid?: string; title?: string; payload?: string; [key: string]: unknown };
  reaction?: { mid: string; action: "react" | "unreact"; reaction?: string; emoji?: string };
  [key: string]: unknown;
}

interface WebhookEntry {
  id: string;
  time: number;
  messaging?: MessagingItem[];
  standby?: MessagingItem[];
}

export interface WebhookBody {
  object: "page" | "instagram";
  entry: WebhookEntry[];
}

function hmac(algorithm: "sha1" | "sha256", secret: string, body: Uint8Array | string): string {
  return createHmac(algorithm, secret).update(body).digest("hex");
}

function equal(given: string, expected: string): boolean {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
