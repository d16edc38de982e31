/** A small client of the Graph API. Tokens travel in a header, parameters of a POST in the body; neither is ever in a URL. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { HttpClient, HttpResponse } from "../../io/http.ts";
import { fail } from "../../errors.ts";
import { GRAPH_VERSION, appSecretProof } from "../../../compose/facebook/contract.ts";
import { firstBytes, inertLine, networkCode, parseJson } from "./answers.ts";
import { type Refusal, type TokenKind, codeOf, isProofRefused, isTransient, readRefusal, verifyProblem, verifyStatus } from "./refusal.ts";

export interface GraphConfig {
  http: HttpClient;
  /** Base of the Graph API without version, e.g. `https://graph.facebook.com`. */
  graphUrl: string;
  /** Default: the pinned one. */
  graphVersion?: string | undefined;
  appId: string;
  appSecret: string;
  /** Pauses before repeats of a call that failed for a passing reason, milliseconds; together below 4 s by default. */
  retryDelaysMs?: readonly number[] | undefined;
  /** For one call with its repeats, milliseconds. */
  budgetMs?: number | undefined;
}

export interface GraphCall {
  method: "GET" | "POST" | "DELETE";
  /** Without version, e.g. `/app`. */
  path: string;
  /** In the body of a POST, else in the query: nothing secret there. */
  params?: Record<string, string>;
  /** Default: the app's own. */
  token?: { kind: "user" | "page"; value: string };
  /** Whose token an error is about, where it is not the one that is sent along. */
  subject?: TokenKind;
  /** Values that must not show up in an error, beside app secret and token. */
  secrets?: string[];
  signal?: AbortSignal | undefined;
}

/** Above the 10 s that a handshake inside the call may take at Facebook. */
const TIMEOUT_MS = 20_000;
const BUDGET_MS = 25_000;
const RETRY_DELAYS_MS = [250, 500, 1_000, 2_000];
/** Of what is allowed in an hour, percent: above it nothing is asked that can wait. */
const BUSY_PERCENT = 90;
const BUSY_MS = 10 * 60_000;

/** What Facebook calls it, for whoever stands in front of it and says 429 alone. */
const LIMITED = 4;

type Came = HttpResponse | { failed: unknown };

export class Graph {
  readonly config: GraphConfig;
  /** The time in a proof is of no use where the clocks differ: then it is left out. */
  #timed = true;
  #busyUntil = 0;

  constructor(config: GraphConfig) {
    this.config = config;
  }

  /** Whether Facebook has said lately that the app's calls are nearly used up. */
  get busy(): boolean {
    return Date.now() < this.#busyUntil;
  }

  /**
   * Every call of ours may be repeated: reads, and registrations that amend. Throws AiryError; Node's AbortError when the signal was used.
   */
  async call<T>(call: GraphCall, answer: z.ZodType<T>): Promise<T> {
    requireSafeUrl(this.config.graphUrl);
    const ends = performance.now() + (this.config.budgetMs ?? BUDGET_MS);
    let came = await this.#repeated(call, ends);
    const refusal = "failed" in came ? null : readRefusal(parseJson(came.body));
    if (this.#timed && refusal && isProofRefused(refusal)) {
      this.#timed = false;
      came = await this.#repeated(call, ends);
    }
    call.signal?.throwIfAborted();
    if (!("failed" in came)) return this.#read(call, came, answer);
    return fail("FB_UNREACHABLE", { graphHost: this.#host, cause: networkCode(came.failed) }, { cause: came.failed });
  }

  get #host(): string {
    return new URL(this.config.graphUrl).host;
  }

  async #repeated(call: GraphCall, ends: number): Promise<Came> {
    const { retryDelaysMs = RETRY_DELAYS_MS } = this.config;
    for (const pauseMs of [...retryDelaysMs, null]) {
      const came = await this.#send(call, Math.min(TIMEOUT_MS, Math.max(1, ends - performance.now()))).catch((failed: unknown) => ({
        failed,
      }));
      if (pauseMs === null || call.signal?.aborted || !mayPass(came) || performance.now() + pauseMs >= ends) return came;
      await sleep(pauseMs, undefined, { signal: call.signal });
    }
    throw new Error("unreachable");
  }

  async #send({ method, path, params = {}, token, signal }: GraphCall, timeoutMs: number): Promise<HttpResponse> {
    const { http, graphUrl, graphVersion = GRAPH_VERSION, appId, appSecret } = this.config;
    const bearer = token?.value ?? `${appId}|${appSecret}`;
    const time = this.#timed ? Math.floor(Date.now() / 1_000) : undefined;
    const proof = { appsecret_proof: appSecretProof(appSecret, bearer, time), ...(time !== undefined && { appsecret_time: String(time) }) };
    const sent = new URLSearchParams({ ...params, ...proof }).toString();
    const base = `${graphUrl.replace(/\/+$/, "")}/${graphVersion}${path}`;
    const headers: Record<string, string> = { authorization: `Bearer ${bearer}`, accept: "application/json" };
    if (method === "POST") headers["content-type"] = "application/x-www-form-urlencoded";
    const response = await http({
      method,
      url: method === "POST" ? base : `${base}?${sent}`,
      headers,
      ...(method === "POST" && { body: sent }),
      timeoutMs,
      ...(signal && { signal }),
    });
    const { percent, pauseMs } = usageOf(response);
    if (percent >= BUSY_PERCENT || pauseMs > 0) this.#busyUntil = Math.max(this.#busyUntil, Date.now() + Math.max(BUSY_MS, pauseMs));
    return response;
  }

  #read<T>(call: GraphCall, response: HttpResponse, answer: z.ZodType<T>): T {
    const { status, headers, body } = response;
    const value = parseJson(body);
    const refusal = readRefusal(value);
    if (refusal) this.#refuse(call, response, refusal);
    if (status === 429) this.#refuse(call, response, { message: "", code: LIMITED });
    const parsed = answer.safeParse(value);
    if (parsed.success && status >= 200 && status < 300) return parsed.data;
    const graphHost = this.#host;
    const received = this.#mask(firstBytes(body), call);
    if (value !== undefined) return fail("FB_ANSWER_ODD", { graphHost, status, received });
    if (status >= 500) return fail("FB_UNREACHABLE", { graphHost, cause: "STATUS", status, received });
    return fail("FB_INTERCEPTED", { graphHost, status, received, location: this.#mask(inertLine(headers.location ?? ""), call) });
  }

  #refuse(call: GraphCall, { status, headers }: HttpResponse, refusal: Refusal): never {
    const trace = refusal.fbtrace_id ?? headers["x-fb-trace-id"];
    const { code, error_subcode, error_user_msg } = refusal;
    const said = error_user_msg ? `${refusal.message} ${error_user_msg}` : refusal.message;
    const { appId } = this.config;
    const named = codeOf(
      refusal,
      call.subject ?? call.token?.kind ?? "app",
      call.path === "/app" || call.path.startsWith(`/${encodeURIComponent(appId)}`),
    );
    if (named === "FB_RATE_LIMITED") this.#busyUntil = Date.now() + BUSY_MS;
    return fail(named, {
      appId,
      graphHost: this.#host,
      callbackUrl: call.params?.callback_url ?? null,
      status,
      code,
      subcode: error_subcode ?? null,
      message: this.#mask(inertLine(said), call),
      trace: trace === undefined ? null : inertLine(String(trace)),
      ...(named === "FB_VERIFY_FAILED" && { problem: verifyProblem(code, said), answered: verifyStatus(said) }),
    });
  }

  /** An answer may quote what was sent. */
  #mask(text: string, { token, secrets = [] }: GraphCall): string {
    let masked = text;
    for (const secret of [this.config.appSecret, token?.value, ...secrets]) {
      if (secret) masked = masked.replaceAll(secret, "***").replaceAll(encodeURIComponent(secret), "***");
    }
    return masked;
  }
}

/** Loopback, `localhost` names and names without a dot (a compose service): nothing that leaves the machine. */
export function isLocalHost(hostname: string): boolean {
  const name = hostname.toLowerCase();
  return name === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(name) || name === "localhost" || name.endsWith(".localhost") || !/[.:]/.test(name);
}

/** The app secret goes over plain http to nobody but this machine (the stand-in). Throws FB_GRAPH_URL_INSECURE. */
export function requireSafeUrl(graphUrl: string): void {
  const url = new URL(graphUrl);
  if (url.protocol !== "https:" && !isLocalHost(url.hostname)) fail("FB_GRAPH_URL_INSECURE", { graphHost: url.host });
}

function mayPass(came: Came): boolean {
  if ("failed" in came) return true;
  const refusal = readRefusal(parseJson(came.body));
  return refusal ? isTransient(refusal) : came.status >= 500;
}

const usageSchema = z.object({
  call_count: z.number().catch(0),
  total_time: z.number().catch(0),
  total_cputime: z.number().catch(0),
  /** Minutes, where calls are refused already. */
  estimated_time_to_regain_access: z.number().catch(0),
});
const byBusiness = z.record(z.string(), z.array(usageSchema));
const MOST_PAUSE_MS = 24 * 3_600_000;

/** The largest of all percentages in Facebook's usage headers, and how long it wants to be left alone; 0 where there are none. */
function usageOf({ headers }: HttpResponse): { percent: number; pauseMs: number } {
  const shares: z.output<typeof usageSchema>[] = [];
  for (const name of ["x-app-usage", "x-page-usage", "x-business-use-case-usage"]) {
    const value = parseJson(Buffer.from(String(headers[name] ?? "")));
    const plain = usageSchema.safeParse(value);
    const business = byBusiness.safeParse(value);
    if (business.success) shares.push(...Object.values(business.data).flat());
    else if (plain.success) shares.push(plain.data);
  }
  const percent = Math.max(0, ...shares.flatMap(({ call_count, total_time, total_cputime }) => [call_count, total_time, total_cputime]));
  const minutes = Math.max(0, ...shares.map((share) => share.estimated_time_to_regain_access));
  return { percent, pauseMs: Math.min(minutes * 60_000, MOST_PAUSE_MS) };
}
