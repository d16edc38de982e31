/**
 * What the Graph API's errors mean. By code and subcode; Meta gives one code to several causes in a few places, and there, and nowhere
 * else, the text decides between advice. Sources: Meta's error handling guide, Graph API and webhooks reference, field reports.
 */
import { z } from "zod";

/** An odd member costs that member, not the error. */
const number = z.coerce.number().optional().catch(undefined);
const text = z.string().optional().catch(undefined);

const refusalSchema = z.object({
  error: z.object({
    message: z.string().default("").catch(""),
    code: z.coerce.number().default(0).catch(0),
    error_subcode: number,
    error_user_msg: text,
    fbtrace_id: text,
    is_transient: z.boolean().optional().catch(undefined),
  }),
});

export type Refusal = z.output<typeof refusalSchema>["error"];

/** Whose token was sent: the same code means a wrong secret for an app's, and an expired session for a user's or page's. */
export type TokenKind = "app" | "user" | "page";

/** null where the answer is no error of the Graph API. */
export function readRefusal(value: unknown): Refusal | null {
  const parsed = refusalSchema.safeParse(value);
  return parsed.success ? parsed.data.error : null;
}

/** Codes 1 and 2 are "unknown error" and "service down", 1200 a delivery that failed for the moment: Meta asks to repeat all three. */
export function isTransient({ code, message, is_transient }: Refusal): boolean {
  return (TRANSIENT.has(code) && !isSecretRefused(message)) || is_transient === true;
}

/** Meta gives it code 1, and others. */
function isSecretRefused(message: string): boolean {
  return /validating client secret/i.test(message);
}

/** Whether the proof along with the token is what was refused. */
export function isProofRefused({ code, message }: Refusal): boolean {
  return code === 100 && message.includes("appsecret_proof");
}

const PAGE_TOKEN_NEEDED = 2_069_032;
const RESTRICTED = 1_893_063;
/** The last three are WhatsApp's: a disturbance, overloaded, under maintenance. */
const TRANSIENT = new Set([1, 2, 1200, 131_000, 131_016, 131_057]);
/** The last four are WhatsApp's: throughput, spam, one recipient, registrations. */
const LIMITS = new Set([4, 17, 32, 341, 613, 130_429, 131_048, 131_056, 133_016]);
/** The last is WhatsApp's: the account is locked. */
const BLOCKED = new Set([368, 131_031]);

/** @param onApp whether the call was about the app itself, so that "no such object" means the App ID. */
export function codeOf(refusal: Refusal, token: TokenKind, onApp: boolean) {
  const { code, error_subcode: subcode, message } = refusal;
  if (code === 2200 || code === 2201) return "FB_VERIFY_FAILED";
  if (isSecretRefused(message)) return "FB_SECRET_WRONG";
  if (code === 5 || /this IP can'?t make requests/i.test(message)) return "FB_ADDRESS_REFUSED";
  if (subcode === PAGE_TOKEN_NEEDED || code === 210) return "FB_PAGE_TOKEN";
  if (code === 190 || code === 102) return tokenCode(subcode, message, token);
  if (code === 101) return "FB_APP_UNKNOWN";
  if (isProofRefused(refusal)) return "FB_PROOF";
  // Names of tunnels that many share are flagged now and then (fbsamples/original-coast-clothing#57).
  if (code === 100 && /community standards/i.test(message)) return "FB_BLOCKED";
  if (code === 100 || code === 803) {
    const unknown = subcode === 33 || code === 803 || /^Unsupported \w+ request\. Object with ID/i.test(message);
    return onApp && unknown ? "FB_APP_UNKNOWN" : "FB_PARAMETER";
  }
  if (code === 3) return "FB_CAPABILITY";
  if (BLOCKED.has(code) || (code === 10 && subcode === RESTRICTED) || (code === 200 && /API access (blocked|de)/i.test(message)))
    return "FB_BLOCKED";
  if (code === 10 || code === 131_005 || (code >= 200 && code <= 299)) return "FB_PERMISSION";
  if (LIMITS.has(code) || (code >= 80_000 && code <= 80_014)) return "FB_RATE_LIMITED";
  if (isTransient(refusal)) return "FB_UNAVAILABLE";
  return "FB_ERROR";
}

function tokenCode(subcode: number | undefined, message: string, token: TokenKind) {
  if (/called with a page access token/i.test(message)) return "FB_PAGE_TOKEN";
  if (token !== "app" || subcode !== undefined) return "FB_TOKEN_DEAD";
  // Meta has no subcode for these: the secret is another app's, or the app is none.
  if (/signature/i.test(message)) return "FB_SECRET_WRONG";
  if (/validating application|application info|valid app ID/i.test(message)) return "FB_APP_UNKNOWN";
  return "FB_APP_REJECTED";
}

/** What Facebook met at the callback, as far as its message says. */
export type VerifyProblem =
  | "dns"
  | "refused"
  | "timeout"
  | "broken"
  | "tls"
  | "certificate"
  | "redirect"
  | "status"
  | "html"
  | "quoted"
  | "token"
  | "body"
  | "unknown";

/** By curl's numbers (libcurl-errors). */
const CURL: [problem: VerifyProblem, errno: number[]][] = [
  ["dns", [5, 6]],
  ["refused", [7]],
  ["timeout", [28]],
  ["broken", [8, 16, 18, 52, 55, 56, 92, 95]],
  ["tls", [4, 35, 53, 54, 59, 64, 66]],
  ["certificate", [51, 58, 60, 77, 80, 82, 83, 90, 91, 98]],
  ["redirect", [47]],
];

/** Where there is no number. */
const WORDS: [problem: VerifyProblem, words: RegExp][] = [
  ["dns", /resolv/i],
  ["timeout", /timed? ?out/i],
  ["certificate", /certificate/i],
  ["tls", /\b(ssl|tls)\b/i],
  ["refused", /refused|failed to connect|couldn't connect/i],
];

/** The status that the callback answered; null where the message has none, or only that of Meta's own way out. */
export function verifyStatus(message: string): number | null {
  if (/curl_errno/.test(message)) return null;
  const status = Number(/HTTP Status Code\s*=\s*(\d{3})/i.exec(message)?.[1] ?? 0);
  return status >= 300 ? status : null;
}

/** Whether a page came in place of an answer for programs. */
export function isMarkup(body: string): boolean {
  return /^[\s\uFEFF]*<(!|\?xml|[a-z])/i.test(body);
}

/** @param message of error 2200 or 2201: it alone holds the curl error, the status, or the beginning of what came. */
export function verifyProblem(code: number, message: string): VerifyProblem {
  if (code === 2200) {
    // curl's error first: the status beside it is that of Meta's own way out. A name may also time out.
    const errno = Number(/curl_errno\s*=\s*(\d+)/i.exec(message)?.[1] ?? 0);
    if (errno === 28 && /resolv/i.test(message)) return "dns";
    const known = CURL.find(([, numbers]) => numbers.includes(errno));
    if (known) return known[0];
    const status = verifyStatus(message);
    if (status !== null) return status < 400 ? "redirect" : "status";
    return WORDS.find(([, words]) => words.test(message))?.[0] ?? "unknown";
  }
  const received = /received="([\s\S]*)"/.exec(message)?.[1]?.replaceAll(/\\u003c/gi, "<");
  if (received === undefined) return "body";
  if (isMarkup(received)) return "html";
  if (/^\\*"\d+\\*"$/.test(received)) return "quoted";
  // Airy Core answers 0, others an empty body or a sentence.
  return /^\s*0?\s*$/.test(received) || /token|verif|forbidden|denied|unauthori[sz]ed/i.test(received) ? "token" : "body";
}
