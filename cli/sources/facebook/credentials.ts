/** What can be said of an App ID and an App Secret before Facebook is asked, and of an ID that Facebook does not know after it was. */
import { z } from "zod";
import { AiryError, fail } from "../../errors.ts";
import { parseJson } from "./answers.ts";
import { type GraphConfig, isLocalHost } from "./graph.ts";

/** Short enough for somebody who waits for an error. */
const INSTAGRAM_MS = 5_000;

/**
 * Facebook's own ids are digits and its secrets 32 hex digits. A stand-in may have other secrets, but what looks like a damaged one of
 * Facebook's is none of those either. Throws FB_CREDENTIALS_IMPOSSIBLE.
 */
export function requirePossible({ graphUrl, appId, appSecret }: Pick<GraphConfig, "graphUrl" | "appId" | "appSecret">): void {
  const local = isLocalHost(new URL(graphUrl).hostname);
  const id = problemOfId(appId, local);
  if (id !== null) fail("FB_CREDENTIALS_IMPOSSIBLE", { key: "appId", variable: "FACEBOOK_APP_ID", reason: id });
  const secret = problemOfSecret(appSecret, local);
  if (secret !== null) fail("FB_CREDENTIALS_IMPOSSIBLE", { key: "appSecret", variable: "FACEBOOK_APP_SECRET", reason: secret });
}

function problemOfId(id: string, local: boolean): string | null {
  if (/^[0-9a-f]{32}$/i.test(id)) return "It looks like an App Secret: perhaps the two were exchanged.";
  if (!/^\d+$/.test(id)) return `An App ID is digits alone, about 15 of them; "${id.slice(0, 40)}" is not.`;
  // Ids of Instagram's professional accounts: 17 digits that begin with 1784 (Meta's Instagram API reference, all examples).
  if (/^1784\d{13}$/.test(id)) return `${id} is the ID of an Instagram account, not of an app.`;
  if (!local && !/^\d{5,20}$/.test(id)) return `An App ID has about 15 digits; what is given has ${id.length}.`;
  return null;
}

function problemOfSecret(secret: string, local: boolean): string | null {
  if (/^\d+\|/.test(secret)) return "It looks like an access token of an app (ID|SECRET): only the part after the | is the secret.";
  if (/^(EAA|IG[QA])[\w-]{20,}$/.test(secret)) return "It looks like an access token, and not like an App Secret.";
  const hex = /^[0-9a-f]+$/i.test(secret);
  if (hex && secret.length === 32) return null;
  const damaged = hex ? secret.length >= 16 && secret.length <= 64 : /^[0-9a-z]{32}$/i.test(secret);
  if (local && !damaged) return null;
  return `An App Secret is 32 characters of 0-9 and a-f; what is given has ${secret.length}${hex ? "" : ", and others among them"}.`;
}

/** Facebook itself delivers to https only; a stand-in beside us takes anything. Throws FB_HTTPS_REQUIRED. */
export function requireHttps(graphUrl: string, callbackUrl: string): void {
  const { hostname, host } = new URL(graphUrl);
  if (new URL(callbackUrl).protocol === "https:" || isLocalHost(hostname)) return;
  fail("FB_HTTPS_REQUIRED", { callbackUrl, graphHost: host });
}

// Field reports: for an ID that is no Instagram app's it says "Invalid platform app", and for one that is it goes on to the code.
const instagramAnswer = z.object({ error_type: z.string(), error_message: z.string() });

/**
 * Facebook says the same of an ID that does not exist and of an Instagram app's. Instagram's own token endpoint (Meta: "Business login for
 * Instagram", step 2) knows its apps; it is asked with a code and a secret that are none, so that nothing is given away.
 */
export async function explainUnknownApp(config: GraphConfig, failure: unknown, signal?: AbortSignal): Promise<unknown> {
  if (!(failure instanceof AiryError) || failure.code !== "FB_APP_UNKNOWN") return failure;
  const graph = new URL(config.graphUrl);
  const base = graph.hostname === "graph.facebook.com" ? "https://api.instagram.com" : config.graphUrl.replace(/\/+$/, "");
  const form = {
    client_id: config.appId,
    client_secret: "0",
    grant_type: "authorization_code",
    redirect_uri: "https://localhost/",
    code: "0",
  };
  const answer = await config
    .http({
      method: "POST",
      url: `${base}/oauth/access_token`,
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
      body: new URLSearchParams(form).toString(),
      timeoutMs: INSTAGRAM_MS,
      ...(signal && { signal }),
    })
    .catch(() => null);
  const said = instagramAnswer.safeParse(answer && parseJson(answer.body)).data;
  if (!said || /invalid platform app|invalid client[ _]id/i.test(said.error_message)) return failure;
  return new AiryError("FB_APP_INSTAGRAM", { appId: config.appId, said: failure.details.message as string }, { cause: failure });
}
