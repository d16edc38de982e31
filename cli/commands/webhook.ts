/** `airy webhook`: what Facebook has on record, connecting a page, and giving the previous webhook back. */
import { z } from "zod";
import { requestCheck, requireAnswer } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readState } from "../config/state.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail, fromErrorBody } from "../errors.ts";
import { asCalled } from "../report/called.ts";
import { createHttpClient } from "../io/http.ts";
import { inertLine, parseJson } from "../sources/facebook/answers.ts";
import { listPages } from "../sources/facebook/accounts.ts";
import { Graph } from "../sources/facebook/graph.ts";
import { askOwnPages, choosePages, connectPages } from "./pages.ts";
import type { Options } from "./table.ts";
import { askApp, askerFor } from "./up-questions.ts";
import { type KnownApp, openApp, restoreWebhook, restoredText } from "./webhook-app.ts";
import { runWhatsApp } from "./webhook-whatsapp.ts";

const http = createHttpClient();

/** Throws what the Graph API says, NOT_RUNNING, and what is missing to connect or to restore. */
export async function runWebhook(options: Options<"webhook">, ctx: Context): Promise<void> {
  const paths = await openWorkspace(ctx.io, options.workspace);
  if (options.whatsapp !== undefined) return runWhatsApp(options, ctx, paths);
  if (options.what === "connect") return connect(options, ctx, paths);
  if (options.what === "restore") return restore(options, ctx, paths);
  return show(options, ctx, paths);
}

async function show(options: Options<"webhook">, { io, out, signal }: Context, paths: WorkspacePaths): Promise<void> {
  const { source, target, lease, graph, sandbox, platform } = await openApp(paths, io);
  out.hide(graph.appSecret);
  if (!options.showToken) out.hide(target.verifyToken);
  const { account } = await source.check(signal);
  const webhooks = await source.inspect(target, signal);
  const previous = await lease.previous();
  const pages = await connectedPages(platform);
  const lines = [`app       ${account} (${graph.appId})`];
  for (const { object, state, callbackUrl } of webhooks) {
    const before = previous.find((each) => each.object === object);
    const was = before ? `, before: ${before.callbackUrl ?? "none"}` : "";
    lines.push(`webhook   ${object} ${state}${callbackUrl ? ` -> ${callbackUrl}` : ""}${was}`);
  }
  if (pages === null) lines.push("pages     not known while the platform does not run");
  else if (pages.length === 0) lines.push(asCalled("pages     none connected: FACEBOOK_USER_TOKEN=... airy webhook connect"));
  for (const { name, id, broken } of pages ?? []) lines.push(`page      ${name} (${id})${broken ? ` broken: ${broken}` : ""}`);
  if (!sandbox) lines.push("note      until the app is published, only people with a role in it are heard; for Instagram, nobody");
  if (options.showToken) lines.push(`token     ${target.verifyToken}`);
  const token = options.showToken ? { verifyToken: target.verifyToken } : {};
  out.result({ app: { id: graph.appId, name: account }, webhooks, previous, pages, ...token }, { text: lines.join("\n") });
}

async function restore(options: Options<"webhook">, { io, out, signal }: Context, paths: WorkspacePaths): Promise<void> {
  if (options.verifyToken) out.hide(options.verifyToken);
  const restored = await restoreWebhook(paths, io, options.verifyToken, signal);
  const agent = await findAgent(paths);
  const hint = agent ? "What runs leaves it so, until the next airy up or airy webhook connect." : "";
  out.result({ restored }, { text: restoredText(restored), hint });
}

async function connect(options: Options<"webhook">, ctx: Context, paths: WorkspacePaths): Promise<void> {
  const { io, out, signal } = ctx;
  const asker = await askerFor(options, ctx);
  const { sandbox } = await readState(paths);
  if (asker && !sandbox && (await askApp(asker, ctx, paths))) {
    return out.result(
      { configured: true },
      { text: "The app is remembered.", hint: "airy up registers the webhook with it; then airy webhook connect asks for pages" },
    );
  }
  const userToken = io.env.FACEBOOK_USER_TOKEN?.trim();
  if (userToken) out.hide(userToken);
  if (options.page !== undefined && !userToken) fail("USER_TOKEN_NEEDED");
  const agent = (await findAgent(paths)) ?? fail("NOT_RUNNING", { workspace: paths.root });
  await requireAnswer(agent);
  const { graph, platform } = await openApp(paths, io);
  const checked = await requestCheck(agent, options.replaceWebhook);
  if (checked.failure) throw fromErrorBody(checked.failure);
  const owner = new Graph(graph);
  const found = userToken ? await listPages(owner, userToken, signal) : asker && (await askOwnPages(asker, owner, signal));
  for (const { token } of found ?? []) out.hide(token);
  const pages = found ? await choosePages(found, options.page, asker) : [];
  await connectPages(pages, platform, { http, signal, warn: (warning) => out.warn(warning) });
  // What runs shows the pages from now on.
  const { status } = pages.length > 0 ? await requestCheck(agent, false) : checked;
  const connected = pages.map(({ id, name }) => ({ id, name }));
  const lines = [
    ...checked.repairs,
    ...status.webhooks.map(({ object, state, callbackUrl }) => `webhook ${object} ${state}${callbackUrl ? ` -> ${callbackUrl}` : ""}`),
    ...connected.map(({ id, name }) => `The page ${name} (${id}) is connected.`),
  ];
  if (!found) lines.push(asCalled("To connect a page: FACEBOOK_USER_TOKEN=... airy webhook connect"));
  const data = { webhooks: status.webhooks, repairs: checked.repairs, page: connected[0] ?? null, pages: connected };
  out.result(data, { text: lines.join("\n") });
}

const channels = z.object({
  data: z.array(z.object({ source: z.string(), source_channel_id: z.string(), metadata: z.record(z.string(), z.unknown()) })),
});

interface ConnectedPage {
  id: string;
  name: string;
  broken: string | null;
}

/** null: the platform does not answer. */
async function connectedPages({ platformUrl, apiToken }: KnownApp["platform"]): Promise<ConnectedPage[] | null> {
  const headers = { "content-type": "application/json", ...(apiToken && { authorization: `Bearer ${apiToken}` }) };
  const answer = await http({ method: "POST", url: `${platformUrl}/channels.list`, headers, body: "{}" }).catch(() => null);
  const list = answer && channels.safeParse(parseJson(answer.body)).data;
  if (!list) return null;
  return list.data
    .filter(({ source }) => source === "facebook" || source === "instagram")
    .map(({ source_channel_id: id, metadata }) => ({
      id,
      name: inertLine(String(metadata.name ?? id)),
      broken: metadata.connection_state === "broken" ? inertLine(String(metadata.connection_error ?? "")) : null,
    }));
}
