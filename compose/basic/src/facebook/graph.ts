/** The three Graph API calls the platform makes. Tokens travel in the Authorization header, never in a URL. */
import { z } from "zod";
import { GRAPH_VERSION, PAGE_FIELDS } from "../../../facebook/contract.ts";

const TIMEOUT_MS = 10_000;

const graphError = z.object({ error: z.object({ message: z.string(), code: z.number().optional() }) });
const sent = z.object({ message_id: z.string() });
const apps = z.object({
  data: z.array(z.object({ id: z.union([z.string(), z.number()]).transform(String), subscribed_fields: z.array(z.string()).optional() })),
});

/** The Graph API answered with an error, or not at all. */
export class GraphFailure extends Error {
  override readonly name = "GraphFailure";
  /** `refused`: Facebook said no. `unreachable`: no connection, nothing happened. `unknown`: the answer never came, it may have happened. */
  readonly kind: "refused" | "unreachable" | "unknown";
  /** The answer as it came, null where there was none. */
  readonly raw: string | null;

  constructor(kind: "refused" | "unreachable" | "unknown", message: string, raw: string | null = null, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.raw = raw;
  }
}

export interface GraphClient {
  /**
   * Subscribes the app to the page the token belongs to, and reads back that it is.
   * @throws GraphFailure
   */
  subscribePage(pageToken: string, appId: string): Promise<void>;
  /**
   * Sends a message as the page; returns Meta's message id (the `mid` of the echo).
   * @throws GraphFailure
   */
  send(pageToken: string, recipientId: string, message: unknown, signal: AbortSignal): Promise<string>;
}

/** @param graphUrl base without version, e.g. `https://graph.facebook.com`. */
export function createGraphClient(graphUrl: string): GraphClient {
  const base = `${graphUrl.replace(/\/+$/, "")}/${GRAPH_VERSION}`;
  return {
    async subscribePage(pageToken, appId) {
      await call(`${base}/me/subscribed_apps`, pageToken, { subscribed_fields: PAGE_FIELDS.join(",") });
      const answer = apps.safeParse(await call(`${base}/me/subscribed_apps`, pageToken));
      if (!answer.success) throw new GraphFailure("refused", "Facebook's list of subscribed apps has an unknown shape");
      const ours = answer.data.data.find((app) => app.id === appId);
      if (!ours) throw new GraphFailure("refused", `Facebook does not list the app ${appId} as subscribed to the page`);
      const missing = PAGE_FIELDS.filter((field) => !ours.subscribed_fields?.includes(field));
      if (missing.length > 0) throw new GraphFailure("refused", `Facebook did not subscribe the page to: ${missing.join(", ")}`);
    },
    async send(pageToken, recipientId, message, signal) {
      const body = { recipient: { id: recipientId }, messaging_type: "RESPONSE", message };
      const answer = sent.safeParse(await call(`${base}/me/messages`, pageToken, body, signal));
      if (!answer.success) throw new GraphFailure("unknown", "Facebook's answer carries no message id");
      return answer.data.message_id;
    },
  };
}

/** GET without a body, else POST. */
async function call(url: string, token: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  // Not AbortSignal.any with a timeout: that combination may be collected before it fires (nodejs/node#57736).
  const ended = new AbortController();
  const end = () => ended.abort();
  const timer = setTimeout(end, TIMEOUT_MS);
  signal?.addEventListener("abort", end, { once: true });
  if (signal?.aborted) end();
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "error",
      signal: ended.signal,
    });
    status = response.status;
    text = await response.text();
  } catch (error) {
    throw noAnswer(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
  const parsed = parse(text);
  if (status === 200) return parsed;
  const known = graphError.safeParse(parsed);
  throw new GraphFailure("refused", known.success ? known.data.error.message : `Facebook answered ${status}`, text.slice(0, 4_000));
}

function noAnswer(error: unknown): GraphFailure {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(code)) {
    return new GraphFailure("unreachable", `Facebook could not be reached (${code})`, null, { cause: error });
  }
  return new GraphFailure("unknown", `Facebook did not answer${code ? ` (${code})` : ""}`, null, { cause: error });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
