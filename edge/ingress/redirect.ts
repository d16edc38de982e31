/** From http to https, for browsers. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { secureSocketOf } from "./examine.ts";

/**
 * Only somebody who opens a page is sent on: whatever else comes by http has asked for that, and may not follow. True when it was answered.
 * @param secureUrlOf without a path; null: this host stays on http.
 */
export function sendToSecure(request: IncomingMessage, response: ServerResponse, secureUrlOf: (host: string) => string | null): boolean {
  const opensPage = request.headers["upgrade-insecure-requests"] === "1" && /^(GET|HEAD)$/.test(request.method ?? "");
  if (!opensPage || secureSocketOf(request)) return false;
  const url = secureUrlOf(request.headers.host ?? "");
  if (url === null) return false;
  response.writeHead(307, { Location: `${url}${request.url}`, "Cache-Control": "no-store", Vary: "Upgrade-Insecure-Requests" }).end();
  return true;
}
