/**
 * Our own handshake through the public URL, before Facebook is asked to do the same: it tells a broken tunnel from a Facebook that
 * cannot reach us, and finds what else may sit at the address (an interstitial, another program, an old edge).
 */
import { randomInt, randomUUID } from "node:crypto";
import { PROBE_BYTES, type HttpClient, type HttpResponse } from "../../io/http.ts";
import { retry } from "../../io/retry.ts";
import { AiryError } from "../../errors.ts";
import { firstBytes, networkCode } from "./answers.ts";
import { isMarkup } from "./refusal.ts";

export interface CallbackProbe {
  http: HttpClient;
  callbackUrl: string;
  /** null where no app is configured: the platform then refuses every handshake, and only the edge marks errors of its own. */
  verifyToken: string | null;
  /** Pauses before repeats while the failure may pass by itself, milliseconds. */
  retryDelaysMs: readonly number[];
  /** See SourceTarget. */
  refuse?: ((address: string) => boolean) | undefined;
  signal?: AbortSignal | undefined;
}

/** Facebook waits about as long. */
const TIMEOUT_MS = 5_000;

/** Throws PROBE_FAILED with `problem` unreachable, edge, token, redirect, path, status, html or body. */
export async function probeCallback(probe: CallbackProbe): Promise<void> {
  const again = (failed: AiryError | null): boolean => failed !== null && mayPass(failed);
  const failure = await retry(() => probeOnce(probe), { delaysMs: probe.retryDelaysMs, again, signal: probe.signal });
  if (failure) throw failure;
}

async function probeOnce(probe: CallbackProbe): Promise<AiryError | null> {
  const challenge = String(randomInt(100_000_000, 2 ** 31 - 1));
  const url = new URL(probe.callbackUrl);
  url.searchParams.append("hub.mode", "subscribe");
  url.searchParams.append("hub.challenge", challenge);
  const verifyToken = probe.verifyToken ?? randomUUID();
  url.searchParams.append("hub.verify_token", verifyToken);
  const headers = { "user-agent": "airy-up (callback check)" };
  let response: HttpResponse;
  try {
    const { refuse, signal } = probe;
    response = await probe.http({ url: url.href, headers, timeoutMs: TIMEOUT_MS, maxBytes: PROBE_BYTES, refuse, signal });
  } catch (error) {
    probe.signal?.throwIfAborted();
    const details = { url: probe.callbackUrl, problem: "unreachable", host: url.host, cause: networkCode(error) };
    return new AiryError("PROBE_FAILED", details, { cause: error });
  }
  const problem = probe.verifyToken === null ? problemOfRefusal(response) : problemOf(response, challenge);
  if (problem === null) return null;
  const edgeCode = response.headers["airy-error"];
  return new AiryError("PROBE_FAILED", {
    url: probe.callbackUrl,
    problem,
    status: response.status,
    edgeCode: typeof edgeCode === "string" ? edgeCode : null,
    received: firstBytes(problem === "redirect" ? Buffer.from(response.headers.location ?? "") : response.body).replaceAll(
      verifyToken,
      "***",
    ),
  });
}

function problemOf(response: HttpResponse, challenge: string): string | null {
  const body = response.body.toString("utf8");
  if (response.status >= 200 && response.status < 300 && body === challenge) return null;
  if (response.headers["airy-error"] !== undefined) return "edge";
  if (isMarkup(body) && response.status === 403) return "html";
  if (response.status === 403) return "token";
  if (response.status === 404 || response.status === 405) return "path";
  if (response.status >= 300 && response.status < 400) return "redirect";
  if (response.status < 200 || response.status > 299) return "status";
  return isMarkup(body) ? "html" : "body";
}

function problemOfRefusal({ status, headers }: HttpResponse): string | null {
  if (headers["airy-error"] !== undefined) return "edge";
  return status === 403 ? null : "stranger";
}

/** A tunnel that has just opened, or a platform that has just started, may need a moment. */
function mayPass(failure: AiryError): boolean {
  const { problem, status } = failure.details;
  return problem === "unreachable" || problem === "edge" || status === 502 || status === 503 || status === 504;
}
