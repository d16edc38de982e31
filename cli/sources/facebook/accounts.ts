/** The pages of a person, found with a token of theirs. */
import { z } from "zod";
import { fail } from "../../errors.ts";
import { inertLine } from "./answers.ts";
import type { Graph } from "./graph.ts";

export interface OwnPage {
  id: string;
  name: string;
  /** Does not expire, because it is taken with a long-lived user token. */
  token: string;
  /** Of the Instagram account that belongs to it; null where none does. */
  instagramId: string | null;
}

/** What listing, subscribing and reading messages need. */
const NEEDED = ["pages_show_list", "pages_manage_metadata", "pages_messaging"];
const MOST_ANSWERS = 20;

const longToken = z.object({ access_token: z.string().min(1) });
const permissions = z.object({ data: z.array(z.object({ permission: z.string(), status: z.string() })) });
const accounts = z.object({
  data: z.array(
    z.object({
      id: z.coerce.string(),
      name: z.string().catch(""),
      access_token: z.string().optional(),
      instagram_business_account: z.object({ id: z.coerce.string() }).nullish().catch(null),
    }),
  ),
  paging: z.object({ next: z.string().optional(), cursors: z.object({ after: z.string().optional() }).optional() }).optional(),
});

const linked = z.object({ instagram_business_account: z.object({ id: z.coerce.string() }).nullish().catch(null) });

/** The Instagram account that belongs to a page; null where none does. Throws what the Graph API says. */
export async function instagramOf(graph: Graph, page: { id: string; token: string }, signal?: AbortSignal): Promise<string | null> {
  const token = { kind: "page" as const, value: page.token };
  const params = { fields: "instagram_business_account" };
  const found = await graph.call({ method: "GET", path: `/${encodeURIComponent(page.id)}`, params, token, signal }, linked);
  return found.instagram_business_account?.id ?? null;
}

/** Throws USER_PERMISSIONS, FB_TOKEN_DEAD, and what else the Graph API may say. */
export async function listPages(graph: Graph, userToken: string, signal?: AbortSignal): Promise<OwnPage[]> {
  const token = { kind: "user" as const, value: await exchange(graph, userToken, signal) };
  const { data: granted } = await graph.call({ method: "GET", path: "/me/permissions", token, signal }, permissions);
  const missing = NEEDED.filter((name) => !granted.some(({ permission, status }) => permission === name && status === "granted"));
  if (missing.length > 0) fail("USER_PERMISSIONS", { missing });
  const found: OwnPage[] = [];
  let after: string | undefined;
  for (let n = 0; n < MOST_ANSWERS; n += 1) {
    const params = { fields: "id,name,access_token,instagram_business_account", limit: "100", ...(after && { after }) };
    const { data, paging } = await graph.call({ method: "GET", path: "/me/accounts", params, token, signal }, accounts);
    for (const { id, name, access_token, instagram_business_account: account } of data) {
      if (access_token)
        found.push({ id: inertLine(id), name: inertLine(name) || id, token: access_token, instagramId: account?.id ?? null });
    }
    after = paging?.next ? paging.cursors?.after : undefined;
    if (!after) break;
  }
  return found;
}

/** Tokens and secret in the body: Meta's sample has them in the URL, where every proxy on the way would write them down. */
async function exchange(graph: Graph, userToken: string, signal: AbortSignal | undefined): Promise<string> {
  const { appId, appSecret } = graph.config;
  const params = { grant_type: "fb_exchange_token", client_id: appId, client_secret: appSecret, fb_exchange_token: userToken };
  const secrets = [userToken];
  // The token in the header is the app's, and the one that may be dead the user's.
  const answer = await graph.call({ method: "POST", path: "/oauth/access_token", params, secrets, subject: "user", signal }, longToken);
  return answer.access_token;
}
