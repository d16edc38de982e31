/** What the edge has to say by http about https: browsers are sent there, and certificate authorities are answered. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Sender } from "./sender.ts";

/**
 * Only somebody who opens a page is sent on: whatever else comes by http has asked for that, and may not follow. True when it was answered.
 * @param secureUrlOf without a path; null: this host stays on http.
 */
export function sendToSecure(
  request: IncomingMessage,
  response: ServerResponse,
  { proto }: Sender,
  secureUrlOf: (host: string) => string | null,
): boolean {
  const opensPage = request.headers["upgrade-insecure-requests"] === "1" && /^(GET|HEAD)$/.test(request.method ?? "");
  if (!opensPage || proto === "https") return false;
  const url = secureUrlOf(request.headers.host ?? "");
  if (url === null) return false;
  response.writeHead(307, { Location: `${url}${request.url}`, "Cache-Control": "no-store", Vary: "Upgrade-Insecure-Requests" }).end();
  return true;
}

/**
 * What a certificate authority looks for, at whichever host of ours it asks. True when it was answered.
 * @param answerFor null: it is somebody else's challenge, which may be behind a tunnel.
 */
export function answerChallenge(
  { method, url = "", headers }: IncomingMessage,
  response: ServerResponse,
  answerFor: (host: string, target: string) => string | null,
): boolean {
  if (method !== "GET" || !url.startsWith("/.well-known/")) return false;
  const text = answerFor((headers.host ?? "").replace(/\.?(?::\d+)?$/, "").toLowerCase(), url);
  if (text === null) return false;
  response.writeHead(200, { "Content-Type": "text/plain", "Cache-Control": "no-store" }).end(text);
  return true;
}
