/** Which pages are connected, asked of whoever is there, and connecting them through the platform that runs. */
import { facebookApp, readConfig } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readState } from "../config/state.ts";
import type { Context } from "../context.ts";
import { asAiryError, fail, whyOf } from "../errors.ts";
import { createHttpClient, type HttpClient } from "../io/http.ts";
import { joinSignals } from "../io/signals.ts";
import { asCalled } from "../report/called.ts";
import type { Warning } from "../report/output.ts";
import { listPages, type OwnPage } from "../sources/facebook/accounts.ts";
import { connectPage, type ConnectPage } from "../sources/facebook/connect.ts";
import { Graph } from "../sources/facebook/graph.ts";
import type { Asker } from "../tui/ask.ts";

const FACEBOOK_MS = 15_000;

/** The one that was named, the only one, or those that are picked. Throws PAGE_UNCHOSEN. */
export async function choosePages(found: readonly OwnPage[], named: string | undefined, asker: Asker | null): Promise<OwnPage[]> {
  const known = named === undefined && found.length === 1 ? found[0] : found.find(({ id }) => id === named);
  if (known) return [known];
  if (named === undefined && found.length > 1 && asker) return pickPages(found, asker);
  return fail("PAGE_UNCHOSEN", { asked: named ?? null, pages: found.map(({ id, name }) => `${id} ${name}`).join("; ") });
}

async function pickPages(found: readonly OwnPage[], asker: Asker): Promise<OwnPage[]> {
  const options = found.map(({ id, name }) => ({ value: id, label: `${name} (${id})`, picked: found.length === 1 }));
  const picked = await asker.select({ title: "Which pages shall be connected?", options });
  return found.filter(({ id }) => picked?.includes(id));
}

/**
 * At the first start with a Facebook app: whose pages, with a token of their owner, and which of them. None: later, which is remembered by
 * there having been a start.
 */
export async function askPages(asker: Asker, sandbox: boolean, { io, out, signal }: Context, paths: WorkspacePaths): Promise<OwnPage[]> {
  const state = await readState(paths);
  if (sandbox || state.sandbox || state.engine !== null) return [];
  const config = await readConfig(paths.config, io.env);
  const app = facebookApp(config, paths.config);
  if (!app) return [];
  const { graphUrl, graphVersion } = config;
  const graph = new Graph({ http: createHttpClient(), appId: app.appId, appSecret: app.appSecret, graphUrl, graphVersion });
  const present = io.env.FACEBOOK_USER_TOKEN?.trim();
  if (present) out.hide(present);
  const found = present ? await listPages(graph, present, signal).catch(() => null) : await askOwnPages(asker, graph, signal);
  if (!found) return [];
  for (const { token } of found) out.hide(token);
  return pickPages(found, asker);
}

/** The pages of whoever's token is typed; null: later. */
export async function askOwnPages(asker: Asker, graph: Graph, signal: AbortSignal): Promise<OwnPage[] | null> {
  let found: OwnPage[] = [];
  const check = async (token: string): Promise<string | null> => {
    const given = joinSignals([signal], FACEBOOK_MS);
    try {
      found = await listPages(graph, token, given.signal);
      return found.length > 0 ? null : "This token leads to no page: choose the pages when it is made.";
    } catch (error) {
      return given.signal.aborted ? `Facebook did not answer within ${FACEBOOK_MS / 1000} s.` : asAiryError(error).message;
    } finally {
      given.release();
    }
  };
  const token = await asker.text({
    title: "User token of a page's owner",
    hint: "developers.facebook.com, Tools, Graph API Explorer: pages_show_list, pages_manage_metadata, pages_messaging. It is not kept.",
    secret: true,
    later: asCalled("later, with airy webhook connect"),
    validate: (text) => (/^[\w.|-]+$/.test(text) ? null : "A token has letters and digits only."),
    check,
  });
  return token === null ? null : found;
}

/** Each page, and its Instagram account where it has one, without which the page is connected all the same. Throws FB_CONNECT_FAILED. */
export async function connectPages(
  pages: readonly OwnPage[],
  platform: Pick<ConnectPage, "platformUrl" | "apiToken">,
  { http = createHttpClient(), signal, warn }: { http?: HttpClient; signal: AbortSignal; warn: (warning: Warning) => void },
): Promise<void> {
  for (const page of pages) {
    const given = { http, ...platform, pageId: page.id, pageToken: page.token, name: page.name, signal };
    await connectPage(given);
    if (page.instagramId === null) continue;
    await connectPage({ ...given, instagramId: page.instagramId, name: `${page.name} Instagram account` }).catch((error: unknown) => {
      const message = `The page ${page.name} is connected, its Instagram account is not. ${whyOf(asAiryError(error))}`;
      warn({ code: "INSTAGRAM_UNCONNECTED", message });
    });
  }
}

/** After a start, which a page that cannot be connected does not undo. */
export async function connectPicked(
  pages: readonly OwnPage[],
  ctx: Context,
  paths: WorkspacePaths,
  warn: (warning: Warning) => void,
): Promise<void> {
  if (pages.length === 0) return;
  const [{ ports }, { api }] = await Promise.all([readState(paths), readConfig(paths.config, ctx.io.env)]);
  const platform = { platformUrl: `http://127.0.0.1:${ports?.platform}`, apiToken: api.token };
  try {
    await connectPages(pages, platform, { signal: ctx.signal, warn });
  } catch (error) {
    const failure = asAiryError(error);
    warn({ code: failure.code, message: `${failure.message} ${whyOf(failure)}`, action: asCalled("airy webhook connect") });
  }
}
