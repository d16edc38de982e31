/** The verification of a callback: one GET that must come back with the challenge, before anything is stored. */
import { STATUS_CODES } from "node:http";
import { randomInt } from "node:crypto";
import { graphErrors } from "./errors.ts";
import type { FacebookSandboxConfig, HttpAnswer } from "./config.ts";
import type { Settings } from "./settings.ts";

/** Seen at Meta's handshakes. */
const USER_AGENT = "facebookplatform/1.0 (+http://developers.facebook.com)";

/** Received text in a 2201 error; that Meta cuts it is an assumption. */
const RECEIVED_SHOWN = 300;

/** Throws GraphError 2200 when the callback cannot be reached or refuses, 2201 when it answers something else than the challenge. */
export async function verifyCallback(
  http: FacebookSandboxConfig["http"],
  callbackUrl: string,
  verifyToken: string,
  settings: Pick<Settings, "handshakeTimeoutMs" | "followRedirects">,
): Promise<void> {
  // Below 2^31, as every challenge reported from the field: receivers parse it as a 32-bit number.
  const challenge = String(randomInt(100_000_000, 2 ** 31 - 1));
  const url = new URL(callbackUrl);
  url.searchParams.append("hub.mode", "subscribe");
  url.searchParams.append("hub.challenge", challenge);
  url.searchParams.append("hub.verify_token", verifyToken);

  const timeoutMs = settings.handshakeTimeoutMs;
  const ask = (target: URL): Promise<HttpAnswer> =>
    http({ method: "GET", url: target.href, headers: { "user-agent": USER_AGENT, accept: "*/*" }, timeoutMs }).catch((error: unknown) => {
      throw graphErrors.callbackFailed(curlReason(error, target, timeoutMs));
    });
  let answer = await ask(url);
  const { location } = answer.headers ?? {};
  if (settings.followRedirects && /^30[1278]$/.test(String(answer.status)) && typeof location === "string" && URL.canParse(location, url)) {
    answer = await ask(new URL(location, url));
  }

  if (answer.status < 200 || answer.status > 299) {
    throw graphErrors.callbackFailed(`HTTP Status Code = ${answer.status}; HTTP Message = ${STATUS_CODES[answer.status] ?? ""}`);
  }
  const received = answer.body.toString("utf8");
  if (received !== challenge) throw graphErrors.callbackMismatch(challenge, received.slice(0, RECEIVED_SHOWN));
}

/** Node's error codes as the curl numbers that Meta reports. The "200 Connection established" is Meta's own egress proxy answering. */
function curlReason(error: unknown, url: URL, timeoutMs: number): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const [errno, text] = curlError(code, url.hostname, port, timeoutMs);
  return `curl_errno = ${errno}; curl_error = ${text}; HTTP Status Code = 200; HTTP Message = Connection established`;
}

function curlError(code: string, host: string, port: string, timeoutMs: number): [number, string] {
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return [6, `Could not resolve host: ${host}`];
  if (code === "ECONNREFUSED") return [7, `Failed to connect to ${host} port ${port}: Connection refused`];
  if (code === "ETIMEDOUT") return [28, `Operation timed out after ${timeoutMs} milliseconds with 0 bytes received`];
  if (code === "EPROTO") return [35, `Unknown SSL protocol error in connection to ${host}:${port}`];
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return [51, `SSL: no alternative certificate subject name matches target host name '${host}'`];
  }
  if (/CERT|SIGNATURE|ISSUER/.test(code)) return [60, "SSL certificate problem: unable to get local issuer certificate"];
  if (code === "ECONNRESET") return [56, "Recv failure: Connection reset by peer"];
  return [7, `Failed to connect to ${host} port ${port}`];
}
