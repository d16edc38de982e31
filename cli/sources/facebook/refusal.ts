/**
 * What the Graph API's errors mean. By code and subcode; Meta gives one code to several causes in a few places, and there, and nowhere else,
 * the text decides between advice. Sources: Meta's error handling guide, Graph API and webhooks reference, field reports.
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
export function isTransient({ code, is_transient }: Refusal): boolean {
  return code === 1 || code === 2 || code === 1200 || is_transient === true;
}

/** Whether the proof along with the token is what was refused. */
export function isProofRefused({ code, message }: Refusal): boolean {
  return code === 100 && message.includes("appsecret_proof");
}

const PAGE_TOKEN_NEEDED = 2_069_032;
const RESTRICTED = 1_893_063;
const LIMITS = new Set([4, 17, 32, 341, 613]);

/** @param onApp whether the call was about the app itself, so that "no such object" means the App ID. */
export function codeOf(refusal: Refusal, token: TokenKind, onApp: boolean) {
  const { code, error_subcode: subcode, message } = refusal;
  if (code === 2200 || code === 2201) return "FB_VERIFY_FAILED";
  if (code === 190) return tokenCode(subcode, message, token);
  if (code === 101) return "FB_APP_UNKNOWN";
  if (isProofRefused(refusal)) return "FB_PROOF";
  if (code === 100) return onApp && subcode === 33 ? "FB_APP_UNKNOWN" : "FB_PARAMETER";
  if (code === 3) return "FB_CAPABILITY";
  if (code === 368 || (code === 10 && subcode === RESTRICTED)) return "FB_BLOCKED";
  if (code === 10 || (code >= 200 && code <= 299)) return "FB_PERMISSION";
  if (LIMITS.has(code) || (code >= 80_000 && code <= 80_014)) return "FB_RATE_LIMITED";
  if (isTransient(refusal)) return "FB_UNAVAILABLE";
  return "FB_ERROR";
}

function tokenCode(subcode: number | undefined, message: string, token: TokenKind) {
  if (subcode === PAGE_TOKEN_NEEDED) return "FB_PAGE_TOKEN";
  if (token !== "app" || subcode !== undefined) return "FB_TOKEN_DEAD";
  // Meta has no subcode for these two: the secret is another app's, or the app is none.
  if (/signature/i.test(message)) return "FB_SECRET_WRONG";
  if (/validating application|application info/i.test(message)) return "FB_APP_UNKNOWN";
  return "FB_APP_REJECTED";
}

/** What Facebook met at the callback, as far as its message says. */
export type VerifyProblem =
  | "dns"
  | "refused"
  | "timeout"
  | "tls"
  | "certificate"
  | "status"
  | "html"
  | "quoted"
  | "token"
  | "body"
  | "unknown";

const CURL: Record<number, VerifyProblem> = { 6: "dns", 7: "refused", 28: "timeout", 35: "tls", 51: "certificate", 60: "certificate" };

/** @param message of error 2200 or 2201: it alone holds the curl error, the status, or the beginning of what came. */
export function verifyProblem(code: number, message: string): VerifyProblem {
  if (code === 2200) {
    // curl's error first: the status beside it is that of Meta's own way out.
    const errno = /curl_errno\s*=\s*(\d+)/.exec(message)?.[1];
    if (errno !== undefined) return CURL[Number(errno)] ?? "unknown";
    return /HTTP Status Code\s*=\s*\d{3}/.test(message) ? "status" : "unknown";
  }
  const received = /received="([\s\S]*)"\s*\.?\s*$/.exec(message)?.[1]?.replaceAll(/\\u003[cC]/g, "<");
  if (received === undefined) return "body";
  if (/^\s*<(!doctype|html|head|body|\?xml)/i.test(received)) return "html";
  if (/^\\?\\?"\d+\\?\\?"$/.test(received)) return "quoted";
  // Airy Core answers 0, others an empty body or a sentence.
  return received === "0" || received === "" || /token/i.test(received) ? "token" : "body";
}
