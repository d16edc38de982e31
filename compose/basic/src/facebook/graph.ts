/** The Graph API calls the platform makes. Tokens travel in the Authorization header, never in a URL. */
import { z } from "zod";
import { GRAPH_VERSION, PAGE_FIELDS, appSecretProof } from "../../../facebook/contract.ts";

const TIMEOUT_MS = 10_000;
/** Of an answer; a list of pages is the longest we ask for. */
const MAX_ANSWER = 1024 * 1024;
const MAX_PAGES = 20;

const id = z.union([z.string(), z.number()]).transform(String);
const code = z.coerce.number().optional().catch(undefined);
const graphError = z.object({
  error: z.object({ message: z.string(), code, error_subcode: code, is_transient: z.boolean().optional().catch(undefined) }),
});
const sent = z.object({ message_id: z.string() });
const apps = z.object({ data: z.array(z.object({ id, subscribed_fields: z.array(z.string()).nullish() })) });
const text = z.string().optional().catch(undefined);
const person = z.object({ first_name: text, last_name: text, name: text, username: text, profile_pic: text });
const participants = z.object({
  data: z.array(z.object({ participants: z.object({ data: z.array(z.object({ id, name: text })) }) })),
});
const accounts = z.object({
  data: z.array(
    z.object({
      id,
      name: text,
      name_with_location_descriptor: text,
      picture: z
        .object({ data: z.object({ url: text }) })
        .optional()
        .catch(undefined),
    }),
  ),
  paging: z.object({ next: text, cursors: z.object({ after: text }).optional() }).optional(),
});

interface GraphProblem {
  code: number | undefined;
  subcode: number | undefined;
  transient: boolean;
  /** The answer as it came, null where there was none. */
  raw: string | null;
}

/** The Graph API answered with an error, or not at all. */
export class GraphFailure extends Error {
  override readonly name = "GraphFailure";
  /**
   * `refused`: Facebook said no. `unreachable`: no connection, nothing happened. `unknown`: the answer never came, it may have happened.
   */
  readonly kind: "refused" | "unreachable" | "unknown";
  readonly code: number | undefined;
  readonly subcode: number | undefined;
  /** The same call may succeed later. */
  readonly transient: boolean;
  readonly raw: string | null;

  constructor(kind: "refused" | "unreachable" | "unknown", message: string, problem?: Partial<GraphProblem>, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.code = problem?.code;
    this.subcode = problem?.subcode;
    this.transient = problem?.transient ?? kind === "unreachable";
    this.raw = problem?.raw ?? null;
  }

  /** The page's token is dead: expired, revoked, or its password was changed. A wrong kind of token (2069032) is something else. */
  get deadToken(): boolean {
    return this.code === 190 && this.subcode !== 2_069_032;
  }
}

/** Service down (1, 2), rate limits (4, 17, 32, 613, 341, 80000 to 80014), delivery (1200). */
const transientCodes = new Set([1, 2, 4, 17, 32, 341, 613, 1200]);

interface Profile {
  name: string | null;
  pictureUrl: string | null;
}

export interface Outgoing {
  /** As the Send API takes it. */
  message: unknown;
  /** What allows it after the 24 hours, e.g. `HUMAN_AGENT`. */
  tag: string | null;
  /** In place of the address in the message's attachment. */
  file: { name: string; type: string; body: Buffer } | null;
}

/** All methods throw GraphFailure. */
export interface GraphClient {
  /** Subscribes the app to the page the token belongs to, and reads back that it is. */
  subscribePage(pageToken: string, appId: string): Promise<void>;
  /** Subscribes it only where it is not, or lacks a field. Says what it was. */
  keepSubscribed(pageToken: string, appId: string): Promise<"ok" | "repaired">;
  /** Sends a message as the page; returns Meta's message id (the `mid` of the echo). */
  send(pageToken: string, recipientId: string, outgoing: Outgoing, signal: AbortSignal): Promise<string>;
  /** Name and picture of a customer by their id in the page's, or account's, scope. */
  profile(pageToken: string, source: string, customerId: string, signal: AbortSignal): Promise<Profile>;
  /** The pages of the user whose token this is. */
  pages(userToken: string): Promise<{ id: string; name: string; imageUrl: string | null }[]>;
}

export interface GraphConfig {
  /** Base without version, e.g. `https://graph.facebook.com`. */
  graphUrl: string;
  /** In place of the pinned one, e.g. `v25.0`. */
  graphVersion?: string | undefined;
  appSecret: string;
}

export function createGraphClient({ graphUrl, graphVersion = GRAPH_VERSION, appSecret }: GraphConfig): GraphClient {
  const base = `${graphUrl.replace(/\/+$/, "")}/${graphVersion}`;
  /** The time in a proof is of no use where the clocks differ: then it is left out. */
  let timed = true;

  function send(path: string, token: string, query: Record<string, string>, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    const time = timed ? Math.floor(Date.now() / 1_000) : undefined;
    const proof = { appsecret_proof: appSecretProof(appSecret, token, time), ...(time !== undefined && { appsecret_time: String(time) }) };
    return fetchJson(`${base}${path}?${new URLSearchParams({ ...query, ...proof })}`, token, body, signal);
  }

  /** GET without a body, else POST. Where an app demands proof, every call needs it; elsewhere it does no harm. */
  async function call(path: string, token: string, query: Record<string, string>, body?: unknown, signal?: AbortSignal): Promise<unknown> {
    try {
      return await send(path, token, query, body, signal);
    } catch (error) {
      if (!timed || !(error instanceof GraphFailure) || error.code !== 100 || !error.message.includes("appsecret_proof")) throw error;
      timed = false;
      return send(path, token, query, body, signal);
    }
  }

  const subscribe = (pageToken: string) => call("/me/subscribed_apps", pageToken, {}, { subscribed_fields: PAGE_FIELDS.join(",") });

  /** null where the app is not subscribed to the page at all. */
  async function missingFields(pageToken: string, appId: string): Promise<string[] | null> {
    const answer = apps.safeParse(await call("/me/subscribed_apps", pageToken, {}));
    if (!answer.success) throw new GraphFailure("refused", "Facebook's list of subscribed apps has an unknown shape");
    const ours = answer.data.data.find((app) => app.id === appId);
    return ours ? PAGE_FIELDS.filter((field) => !ours.subscribed_fields?.includes(field)) : null;
  }

  return {
    async subscribePage(pageToken, appId) {
      await subscribe(pageToken);
      const missing = await missingFields(pageToken, appId);
      if (missing === null) throw new GraphFailure("refused", `Facebook does not list the app ${appId} as subscribed to the page`);
      if (missing.length > 0) throw new GraphFailure("refused", `Facebook did not subscribe the page to: ${missing.join(", ")}`);
    },
    async keepSubscribed(pageToken, appId) {
      const missing = await missingFields(pageToken, appId);
      if (missing?.length === 0) return "ok";
      await this.subscribePage(pageToken, appId);
      return "repaired";
    },
    async send(pageToken, recipientId, { message, tag, file }, signal) {
      const kind = tag === null ? { messaging_type: "RESPONSE" } : { messaging_type: "MESSAGE_TAG", tag };
      const fields = { recipient: { id: recipientId }, ...kind, message };
      const body = file === null ? fields : formOf(fields, file);
      const answer = sent.safeParse(await call("/me/messages", pageToken, {}, body, signal));
      if (!answer.success) throw new GraphFailure("unknown", "Facebook's answer carries no message id");
      return answer.data.message_id;
    },
    async profile(pageToken, source, customerId, signal) {
      const path = `/${encodeURIComponent(customerId)}`;
      const fields = source === "instagram" ? "name,username,profile_pic" : "first_name,last_name,profile_pic";
      try {
        const { data } = person.safeParse(await call(path, pageToken, { fields }, undefined, signal));
        const full = [data?.first_name, data?.last_name].filter(Boolean).join(" ");
        const name = data?.name || full || data?.username || null;
        return { name, pictureUrl: data?.profile_pic?.startsWith("http") ? data.profile_pic : null };
      } catch (error) {
        if (!(error instanceof GraphFailure) || error.kind !== "refused" || error.transient || error.deadToken || source === "instagram")
          throw error;
        // People whose profile an app may not see still have a name in the page's list of conversations.
        const found = await call("/me/conversations", pageToken, { user_id: customerId, fields: "participants" }, undefined, signal);
        const all = participants.safeParse(found).data?.data.flatMap((one) => one.participants.data) ?? [];
        return { name: all.find((one) => one.id === customerId)?.name ?? null, pictureUrl: null };
      }
    },
    async pages(userToken) {
      const found: { id: string; name: string; imageUrl: string | null }[] = [];
      let after: string | undefined;
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const query = { fields: "id,name,name_with_location_descriptor,picture", limit: "100", ...(after ? { after } : {}) };
        const answer = accounts.safeParse(await call("/me/accounts", userToken, query));
        if (!answer.success) throw new GraphFailure("refused", "Facebook's list of pages has an unknown shape");
        for (const one of answer.data.data) {
          const name = one.name_with_location_descriptor ?? one.name ?? one.id;
          found.push({ id: one.id, name, imageUrl: one.picture?.data.url ?? null });
        }
        after = answer.data.paging?.next ? answer.data.paging.cursors?.after : undefined;
        if (after === undefined) break;
      }
      return found;
    },
  };
}

/** Objects are JSON text in a form; the bytes stand beside the message. */
function formOf({ message, ...others }: Record<string, unknown>, file: NonNullable<Outgoing["file"]>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(others)) form.set(name, typeof value === "string" ? value : JSON.stringify(value));
  const { attachment, ...rest } = message as { attachment: { type?: unknown; payload?: { is_reusable?: unknown } } };
  const payload = attachment.payload?.is_reusable === undefined ? {} : { is_reusable: attachment.payload.is_reusable };
  form.set("message", JSON.stringify({ ...rest, attachment: { ...attachment, payload } }));
  form.set("filedata", new Blob([Uint8Array.from(file.body)], { type: file.type }), file.name);
  return form;
}

async function fetchJson(url: string, token: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  // Not AbortSignal.any with a timeout: that combination may be collected before it fires (nodejs/node#57736).
  const ended = new AbortController();
  const end = () => ended.abort();
  const timer = setTimeout(end, TIMEOUT_MS);
  signal?.addEventListener("abort", end, { once: true });
  if (signal?.aborted) end();
  const headers: Record<string, string> = { authorization: `Bearer ${token}`, accept: "application/json" };
  const form = body instanceof FormData;
  if (body !== undefined && !form) headers["content-type"] = "application/json";
  let status: number;
  let answer: string;
  try {
    const response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      headers,
      ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
      redirect: "error",
      signal: ended.signal,
    });
    status = response.status;
    answer = await bounded(response);
  } catch (error) {
    throw noAnswer(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
  const parsed = parse(answer);
  if (status === 200) return parsed;
  throw refusal(status, parsed, answer);
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_ANSWER) throw new Error(`the answer is longer than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refusal(status: number, parsed: unknown, answer: string): GraphFailure {
  const raw = answer.slice(0, 4_000);
  const known = graphError.safeParse(parsed);
  // What stands before Facebook, or an empty 5xx, says nothing of what became of the call.
  if (!known.success) return new GraphFailure(status >= 500 ? "unknown" : "refused", `Facebook answered ${status}`, { raw });
  const { error } = known.data;
  const limited = error.code !== undefined && error.code >= 80_000 && error.code <= 80_014;
  const transient = error.is_transient === true || limited || (error.code !== undefined && transientCodes.has(error.code));
  return new GraphFailure("refused", error.message, { code: error.code, subcode: error.error_subcode, transient, raw });
}

function noAnswer(error: unknown): GraphFailure {
  const cause = error instanceof Error ? error.cause : undefined;
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(reason)) {
    return new GraphFailure("unreachable", `Facebook could not be reached (${reason})`, undefined, { cause: error });
  }
  return new GraphFailure("unknown", `Facebook did not answer${reason ? ` (${reason})` : ""}`, undefined, { cause: error });
}

function parse(answer: string): unknown {
  try {
    return JSON.parse(answer);
  } catch {
    return null;
  }
}
