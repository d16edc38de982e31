/** A small client of the Graph API with an app's token. The token travels in a header, parameters of a POST in the body, never in a URL. */
import { z } from "zod";
import type { HttpClient, HttpResponse } from "../../io/http.ts";
import { retry } from "../../io/retry.ts";
import { fail } from "../../errors.ts";
import { GRAPH_VERSION } from "../../../compose/facebook/contract.ts";
import { firstBytes, networkCode, parseJson } from "./answers.ts";

export interface GraphConfig {
  http: HttpClient;
  /** Base of the Graph API without version, e.g. `https://graph.facebook.com`. */
  graphUrl: string;
  appId: string;
  appSecret: string;
  /** Pauses before repeats of a call that failed for a passing reason, milliseconds. */
  retryDelaysMs: readonly number[];
}

export interface GraphCall {
  method: "GET" | "POST" | "DELETE";
  /** Without version, e.g. `/app`. */
  path: string;
  params?: Record<string, string>;
  /** Values that must not show up in an error, beside the app secret. */
  secrets?: string[];
  signal?: AbortSignal | undefined;
}

/** Above the 10 s that a handshake inside the call may take at Facebook. */
const TIMEOUT_MS = 20_000;

const errorAnswer = z.object({
  error: z.object({
    message: z.string().default(""),
    code: z.number().default(0),
    error_subcode: z.number().optional(),
    error_user_msg: z.string().optional(),
    fbtrace_id: z.string().optional(),
    is_transient: z.boolean().optional(),
  }),
});

type Refusal = z.infer<typeof errorAnswer>["error"];

/** Calls, and parses the answer. Throws AiryError; Node's own AbortError when the signal was used. */
export async function callGraph<T>(config: GraphConfig, call: GraphCall, answer: z.ZodType<T>): Promise<T> {
  // Every call of ours may be repeated: reads, and a registration that amends.
  const attempt = (): Promise<HttpResponse | { failed: unknown }> => send(config, call).catch((failed: unknown) => ({ failed }));
  const again = (came: HttpResponse | { failed: unknown }): boolean => !call.signal?.aborted && ("failed" in came || isTransient(came));
  const came = await retry(attempt, { delaysMs: config.retryDelaysMs, again, signal: call.signal });
  if (!("failed" in came)) return readAnswer(config, call, came, answer);
  call.signal?.throwIfAborted();
  return fail("FB_UNREACHABLE", { graphHost: new URL(config.graphUrl).host, cause: networkCode(came.failed) }, { cause: came.failed });
}

/** Loopback, `localhost` names and names without a dot (a compose service): nothing that leaves the machine. */
export function isLocalHost(hostname: string): boolean {
  const name = hostname.toLowerCase();
  return name === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(name) || name === "localhost" || name.endsWith(".localhost") || !/[.:]/.test(name);
}

function send(config: GraphConfig, call: GraphCall): Promise<HttpResponse> {
  const headers: Record<string, string> = { authorization: `Bearer ${config.appId}|${config.appSecret}`, accept: "application/json" };
  if (call.params) headers["content-type"] = "application/x-www-form-urlencoded";
  return config.http({
    method: call.method,
    url: `${config.graphUrl.replace(/\/+$/, "")}/${GRAPH_VERSION}${call.path}`,
    headers,
    body: call.params && new URLSearchParams(call.params).toString(),
    timeoutMs: TIMEOUT_MS,
    signal: call.signal,
  });
}

/** Codes 1 and 2: "unknown error" and "service down", Meta's guide asks to repeat both. */
function isTransient(response: HttpResponse): boolean {
  const refusal = readRefusal(response);
  return refusal ? refusal.code === 1 || refusal.code === 2 || refusal.is_transient === true : response.status >= 500;
}

function readAnswer<T>(config: GraphConfig, call: GraphCall, response: HttpResponse, answer: z.ZodType<T>): T {
  const refusal = readRefusal(response);
  if (refusal) refuse(config, call, response.status, refusal);
  const parsed = answer.safeParse(parseJson(response.body));
  if (parsed.success && response.status >= 200 && response.status < 300) return parsed.data;
  return fail("FB_UNREACHABLE", {
    graphHost: new URL(config.graphUrl).host,
    cause: "NOT_JSON",
    status: response.status,
    received: mask(firstBytes(response.body), config, call),
  });
}

function refuse(config: GraphConfig, call: GraphCall, status: number, refusal: Refusal): never {
  const message = refusal.error_user_msg ? `${refusal.message} ${refusal.error_user_msg}` : refusal.message;
  fail(errorCodeOf(refusal), {
    appId: config.appId,
    graphHost: new URL(config.graphUrl).host,
    callbackUrl: call.params?.callback_url ?? null,
    status,
    code: refusal.code,
    subcode: refusal.error_subcode ?? null,
    message: mask(message, config, call),
    trace: refusal.fbtrace_id ?? null,
  });
}

/** By code, never by text: texts change. Source: Meta's error handling guide, Graph API and webhooks reference. */
function errorCodeOf({ code, is_transient }: Refusal) {
  if (code === 2200 || code === 2201) return "FB_VERIFY_FAILED";
  if (code === 190 || code === 101) return "FB_APP_REJECTED";
  if (code === 3 || code === 10 || (code >= 200 && code <= 299)) return "FB_PERMISSION";
  if ([4, 17, 32, 341, 368, 613].includes(code)) return "FB_RATE_LIMITED";
  if (code === 1 || code === 2 || is_transient) return "FB_UNREACHABLE";
  return "FB_ERROR";
}

function readRefusal(response: HttpResponse): Refusal | null {
  const parsed = errorAnswer.safeParse(parseJson(response.body));
  return parsed.success ? parsed.data.error : null;
}

/** An error of Facebook's may quote what it was sent. */
function mask(text: string, config: GraphConfig, call: GraphCall): string {
  let masked = text;
  for (const secret of [config.appSecret, ...(call.secrets ?? [])]) {
    if (secret) masked = masked.replaceAll(secret, "***").replaceAll(encodeURIComponent(secret), "***");
  }
  return masked;
}
