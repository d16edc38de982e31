/** Connects a page through the platform, which keeps the page's token and subscribes the page to the app. */
import { z } from "zod";
import { GRAPH_VERSION, PAGE_FIELDS } from "../../../compose/facebook/contract.ts";
import type { HttpClient, HttpResponse } from "../../io/http.ts";
import { fail } from "../../errors.ts";
import { inertLine, networkCode, parseJson } from "./answers.ts";

export interface ConnectPage {
  http: HttpClient;
  /** The platform's base URL, e.g. `http://127.0.0.1:4270`. */
  platformUrl: string;
  /** The platform's bearer token, where it wants one. */
  apiToken?: string | undefined;
  pageId: string;
  pageToken: string;
  name: string;
  /** The Instagram account of the page, to connect that; the page itself otherwise. */
  instagramId?: string | undefined;
  signal?: AbortSignal | undefined;
}

// The answer's metadata holds the page's token; it is not read.
const channel = z.object({ id: z.string(), source_channel_id: z.string(), connected: z.literal(true) });
const refused = z.object({ message: z.string() });

/** The platform calls Facebook before it answers. */
const TIMEOUT_MS = 20_000;

/**
 * Subscribes the page of the stand-in without the platform: Airy Core's connector knows no other Graph API than Facebook's own. Throws
 * FB_CONNECT_FAILED.
 */
export async function subscribeStandInPage(
  connect: Pick<ConnectPage, "http" | "pageId" | "pageToken" | "signal"> & { graphUrl: string; graphVersion?: string | undefined },
): Promise<void> {
  const { pageId, pageToken, graphUrl, graphVersion = GRAPH_VERSION } = connect;
  const { status } = await connect.http({
    method: "POST",
    url: `${graphUrl}/${graphVersion}/${pageId}/subscribed_apps`,
    headers: { authorization: `Bearer ${pageToken}`, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ subscribed_fields: PAGE_FIELDS.join(",") }).toString(),
    timeoutMs: TIMEOUT_MS,
    ...(connect.signal && { signal: connect.signal }),
  });
  if (status !== 200) fail("FB_CONNECT_FAILED", { pageId, status, message: null });
}

/** Repeating it is harmless. Returns the id of the channel. Throws FB_CONNECT_FAILED. */
export async function connectPage(connect: ConnectPage): Promise<{ channelId: string }> {
  const { pageId, pageToken, name, instagramId } = connect;
  let response: HttpResponse;
  try {
    response = await connect.http({
      method: "POST",
      url: `${connect.platformUrl.replace(/\/+$/, "")}/channels.${instagramId === undefined ? "facebook" : "instagram"}.connect`,
      headers: {
        "content-type": "application/json",
        accept: "application/json",
        ...(connect.apiToken === undefined ? {} : { authorization: `Bearer ${connect.apiToken}` }),
      },
      body: JSON.stringify({ page_id: pageId, page_token: pageToken, name, ...(instagramId && { account_id: instagramId }) }),
      timeoutMs: TIMEOUT_MS,
      signal: connect.signal,
    });
  } catch (error) {
    connect.signal?.throwIfAborted();
    return fail("FB_CONNECT_FAILED", { pageId, host: new URL(connect.platformUrl).host, cause: networkCode(error) }, { cause: error });
  }
  const value = parseJson(response.body);
  const answer = channel.safeParse(value);
  if (response.status === 200 && answer.success && answer.data.source_channel_id === (instagramId ?? pageId))
    return { channelId: answer.data.id };
  const message = inertLine(refused.safeParse(value).data?.message.replaceAll(pageToken, "***") ?? "") || null;
  return fail("FB_CONNECT_FAILED", { pageId, status: response.status, message });
}
