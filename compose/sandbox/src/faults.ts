/** Errors on demand: what is planted answers in place of the Graph API, so often as was asked for. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { GraphError, graphErrors, sendErrors } from "./errors.ts";
import type { GraphRequest } from "./request.ts";

/** A raw answer in place of a Graph error. */
export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

interface Preset {
  about: string;
  make: () => GraphError | RawAnswer | "reset" | "hang";
}

const error = (code: number, message: string, options: { status?: number; subcode?: number; type?: string } = {}) => ({
  about: `${code}${options.subcode === undefined ? "" : `/${options.subcode}`}`,
  make: () => new GraphError(code, message, options),
});

const curl = (errno: number, text: string) => ({
  about: `2200, curl ${errno}`,
  make: () =>
    graphErrors.callbackFailed(
      `curl_errno = ${errno}; curl_error = ${text}; HTTP Status Code = 200; HTTP Message = Connection established`,
    ),
});

const http = (status: number, message: string) => ({
  about: `2200, the callback answered ${status}`,
  make: () => graphErrors.callbackFailed(`HTTP Status Code = ${status}; HTTP Message = ${message}`),
});

const raw = (about: string, status: number, body: string, headers: Record<string, string> = {}) => ({
  about,
  make: (): RawAnswer => ({ status, headers: { "content-type": "text/html; charset=utf-8", ...headers }, body }),
});

const json = (about: string, status: number, value: unknown) =>
  raw(about, status, JSON.stringify(value), { "content-type": "application/json; charset=UTF-8" });

/** Everything that developers have seen from Facebook, by name. */
export const presets: Record<string, Preset> = {
  // The callback, as Facebook found it
  "callback-402": http(402, "Payment Required"),
  "callback-403": http(403, "Forbidden"),
  "callback-404": http(404, "Not Found"),
  "callback-500": http(500, "Internal Server Error"),
  "callback-502": http(502, "Bad Gateway"),
  "callback-503": http(503, "Service Unavailable"),
  "callback-dns": curl(6, "Could not resolve host: abc.tunnel.example.com"),
  "callback-refused": curl(7, "Failed to connect to abc.tunnel.example.com port 443: Connection refused"),
  "callback-timeout": curl(28, "Operation timed out after 5000 milliseconds with 0 bytes received"),
  "callback-no-tls": curl(35, "Unknown SSL protocol error in connection to abc.tunnel.example.com:443"),
  "callback-name": curl(51, "SSL: no alternative certificate subject name matches target host name 'abc.tunnel.example.com'"),
  "callback-chain": curl(60, "SSL certificate problem: unable to get local issuer certificate"),
  "callback-html": {
    about: "2201, a web page",
    make: () => graphErrors.callbackMismatch("1989270154", "<!DOCTYPE html><title>Sign in</title>"),
  },
  "callback-quoted": { about: "2201, the challenge in quotes", make: () => graphErrors.callbackMismatch("39676783", '\\"39676783\\"') },
  "callback-zero": { about: "2201, Airy with another verify token", make: () => graphErrors.callbackMismatch("39676783", "0") },
  "callback-empty": { about: "2201, nothing", make: () => graphErrors.callbackMismatch("39676783", "") },
  // Credentials and tokens
  "secret-wrong": { about: "190, the secret belongs to another app", make: () => graphErrors.tokenSignature() },
  "app-unknown": { about: "101, no such app", make: () => graphErrors.appUnknown(101) },
  "app-unknown-190": { about: "190, no such app, or an Instagram app's id", make: () => graphErrors.appUnknown(190) },
  "client-id": error(101, "Invalid Client ID"),
  "token-expired": { about: "190/463", make: () => graphErrors.tokenDead(463, "Session has expired on Monday, 02-Nov-26 10:00:00 PST.") },
  "token-password": {
    about: "190/460",
    make: () => graphErrors.tokenDead(460, "The session has been invalidated because the user changed their password."),
  },
  "token-removed": { about: "190/458", make: () => graphErrors.tokenDead(458, "The user has not authorized application.") },
  "token-invalid": {
    about: "190/467",
    make: () => graphErrors.tokenDead(467, "The access token is invalid since the user has logged out."),
  },
  "token-checkpoint": error(190, "Error validating access token: The user is enrolled in a blocking, logged-in checkpoint", {
    subcode: 490,
  }),
  "page-token": { about: "190/2069032", make: () => graphErrors.pageTokenNeeded() },
  "token-missing": { about: "104", make: () => graphErrors.tokenMissing() },
  "proof-wrong": { about: "100, wrong appsecret_proof", make: () => graphErrors.proofWrong() },
  "proof-required": { about: "100, appsecret_proof demanded", make: () => graphErrors.proofMissing() },
  "code-as-string": json("190, the code as text", 400, {
    error: { message: "Invalid OAuth access token signature.", type: "OAuthException", code: "190", fbtrace_id: "Astring" },
  }),
  // Permissions and parameters
  "no-capability": error(3, "(#3) Application does not have the capability to make this API call."),
  permission: error(10, "(#10) Application does not have permission for this action"),
  "permission-messaging": {
    about: "200, pages_messaging is missing",
    make: () => graphErrors.permission(403, "To subscribe to the messages field, one of these permissions is needed: pages_messaging"),
  },
  "permission-removed": error(299, "(#299) Permission removed", { status: 403 }),
  parameter: error(100, "(#100) Invalid parameter"),
  "no-object": { about: "100/33", make: () => graphErrors.noSuchObject("GET", "123456789") },
  "unknown-field": { about: "100, a field", make: () => graphErrors.parameterWrong("fields[2]", "must be one of {feed, mention, name}") },
  // Limits
  "limit-app": { about: "4", make: () => graphErrors.appLimit() },
  "limit-user": error(17, "(#17) User request limit reached"),
  "limit-page": error(32, "(#32) Page request limit reached"),
  "limit-custom": error(613, "(#613) Calls to this api have exceeded the rate limit."),
  "limit-inconsistent": error(613, "(#613) Calls to this api have exceeded the rate limit.", { subcode: 1996 }),
  "limit-reached": error(341, "(#341) Application limit reached"),
  "limit-business": error(80001, "(#80001) There have been too many calls to this Page account. Wait a bit and try again.", {
    status: 403,
  }),
  "limit-whatsapp": error(80007, "(#80007) There have been too many calls from this WhatsApp account."),
  policy: error(368, "(#368) The action attempted has been deemed abusive or is otherwise disallowed", { status: 403 }),
  // Facebook itself
  unknown: error(1, "An unknown error occurred", { status: 500 }),
  unavailable: error(2, "(#2) Service temporarily unavailable", { status: 503 }),
  transient: error(1200, "(#1200) Temporary send message failure. Please try again later.", { status: 500 }),
  "empty-500": raw("an empty 500", 500, ""),
  "html-502": raw("a 502 as web page", 502, "<!doctype html><title>502 Bad Gateway</title>"),
  "html-200": raw("a hotel's login page", 200, "<!doctype html><title>Hotel WiFi login</title>"),
  redirect: raw("a 302", 302, "", { location: "https://wifi.hotel.example/login" }),
  "success-false": json("success: false", 200, { success: false }),
  "success-string": json('success: "true"', 200, { success: "true" }),
  "invalid-request": json("an error that is a word", 400, { error: "invalid_request" }),
  "odd-row": json("a row without callback and fields", 200, { data: [{ object: "user", callback_url: null, active: true, fields: null }] }),
  "no-rows": json("no rows", 200, { data: [] }),
  reset: { about: "the connection ends without an answer", make: () => "reset" },
  hang: { about: "no answer at all, for a minute", make: () => "hang" },
  // Send API
  "send-window": { about: "10/2018278", make: () => sendErrors.outsideWindow(false) },
  "send-window-instagram": { about: "10/2534022", make: () => sendErrors.outsideWindow(true) },
  "send-window-permission": error(10, "(#10) Cannot send message outside of allowed window without permission", { subcode: 2018065 }),
  "send-blocked": { about: "10/2018108", make: () => sendErrors.blocked() },
  "send-unavailable": { about: "551/1545041", make: () => sendErrors.unavailable() },
  "send-unavailable-200": error(200, "(#200) This person isn't available right now.", { subcode: 1545041, status: 403 }),
  "send-nobody": { about: "100/2018001", make: () => sendErrors.nobody(false) },
  "send-nobody-instagram": { about: "100/2534014", make: () => sendErrors.nobody(true) },
  "send-no-role": { about: "200/2018028", make: () => sendErrors.noRole(403) },
  "send-limit": error(613, "(#613) Calls to this api have exceeded the rate limit.", { subcode: 2018338 }),
  "send-limit-instagram": error(613, "(#613) Calls to this api have exceeded the rate limit.", { subcode: 2534040 }),
  "send-owner": { about: "10/2018300", make: () => sendErrors.otherOwner(false) },
  "send-owner-instagram": { about: "100/2534037", make: () => sendErrors.otherOwner(true) },
  "send-restricted": error(10, "(#10) This Page is temporarily restricted from sending messages.", { subcode: 1893063 }),
  "send-refused": error(200, "(#200) Requires pages_messaging permission to manage the object", { status: 403 }),
  "send-fetch": error(100, "(#100) Failed to fetch the file from the url", { subcode: 2018008 }),
};

const faultSchema = z.strictObject({
  method: z.enum(["GET", "POST", "DELETE"]).nullish(),
  /** Begins with the node (or `*`) and its edge, without version: `me/messages`, `1234/subscriptions`. */
  path: z.string().max(300).nullish(),
  times: z.number().int().min(1).max(100_000).nullable().default(1),
  /** Calls that pass before the first one that is hit. */
  after: z.number().int().min(0).max(100_000).default(0),
  delayMs: z.number().int().min(0).max(120_000).default(0),
  preset: z.string().nullish(),
  error: z
    .strictObject({
      code: z.number().int(),
      message: z.string().max(2_000),
      subcode: z.number().int().optional(),
      status: z.number().int().min(200).max(599).optional(),
      type: z.string().max(100).optional(),
    })
    .nullish(),
  raw: z
    .strictObject({
      status: z.number().int().min(200).max(599),
      body: z.string().max(65_536).default(""),
      headers: z.record(z.string(), z.string()).default({}),
    })
    .nullish(),
});

type Fault = z.output<typeof faultSchema> & { id: number; hits: number };

const MOST_FAULTS = 100;
const HANG_MS = 60_000;

/** Planted errors, in the order in which they were planted; the first that fits a call is used. In memory only. */
export class Faults {
  #faults: Fault[] = [];
  #next = 1;

  /** Throws Error with a reason. */
  plant(value: unknown): Fault {
    const parsed = faultSchema.safeParse(value);
    if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
    const { preset } = parsed.data;
    if (preset && !Object.hasOwn(presets, preset)) throw new Error(`There is no preset ${preset}; GET /sandbox/faults lists them.`);
    if (!preset && !parsed.data.error && !parsed.data.raw && parsed.data.delayMs === 0)
      throw new Error("Give preset, error, raw or delayMs.");
    const fault = { ...parsed.data, id: this.#next++, hits: 0 };
    this.#faults.push(fault);
    if (this.#faults.length > MOST_FAULTS) this.#faults.shift();
    return fault;
  }

  list(): readonly Fault[] {
    return this.#faults;
  }

  clear(): void {
    this.#faults = [];
  }

  /** What this call is answered instead; null lets it through. Throws the planted GraphError. */
  async meet(request: GraphRequest): Promise<RawAnswer | "reset" | null> {
    const fault = this.#faults.find((each) => fits(each, request));
    if (!fault) return null;
    if (fault.after > 0) {
      fault.after -= 1;
      return null;
    }
    fault.hits += 1;
    if (fault.times !== null && fault.hits >= fault.times) this.#faults = this.#faults.filter((each) => each !== fault);
    if (fault.delayMs > 0) await sleep(fault.delayMs, undefined, { ref: false });
    if (fault.raw) return fault.raw;
    if (fault.error) throw new GraphError(fault.error.code, fault.error.message, strip(fault.error));
    const made = fault.preset ? presets[fault.preset]?.make() : null;
    if (made instanceof GraphError) throw made;
    if (made !== "hang") return made ?? null;
    await sleep(HANG_MS, undefined, { ref: false });
    return "reset";
  }
}

function fits(fault: Fault, { method, path }: GraphRequest): boolean {
  if (fault.method && fault.method !== method) return false;
  if (!fault.path) return true;
  const wanted = fault.path.split("/").filter(Boolean);
  return wanted.every((part, index) => part === "*" || part === path[index]);
}

function strip({ status, subcode, type }: { status?: number | undefined; subcode?: number | undefined; type?: string | undefined }) {
  return {
    ...(status === undefined ? {} : { status }),
    ...(subcode === undefined ? {} : { subcode }),
    ...(type === undefined ? {} : { type }),
  };
}
