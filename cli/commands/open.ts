/** `airy open [inbox|chat]`: in the browser of this machine, else as an address to copy. */
import { findAgent } from "../agent/record.ts";
import { readState } from "../config/state.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import { openInBrowser } from "../io/browser.ts";
import type { Options } from "./table.ts";
import { findStandIn } from "./trigger.ts";

/** Throws NOT_RUNNING, NO_SANDBOX. */
export async function runOpen(options: Options<"open">, ctx: Context): Promise<void> {
  const urls = { inbox: inboxUrl, chat: chatUrl, requests: requestsUrl };
  const url = await urls[(options.what ?? "inbox") as keyof typeof urls](options, ctx);
  const opened = !options.print && !ctx.out.json && (await openInBrowser(url, ctx.io));
  ctx.out.result({ url, opened }, { text: url });
}

async function inboxUrl(options: Options<"open">, { io }: Context): Promise<string> {
  const paths = await openWorkspace(io, options.workspace);
  const { ports } = await readState(paths);
  if (!(await findAgent(paths)) || !ports) return fail("NOT_RUNNING", { workspace: paths.root });
  return `http://127.0.0.1:${ports.platform}`;
}

/** On the control address, whose token is in the fragment. */
async function requestsUrl(options: Options<"open">, { io }: Context): Promise<string> {
  const paths = await openWorkspace(io, options.workspace);
  const agent = (await findAgent(paths)) ?? fail("NOT_RUNNING", { workspace: paths.root });
  return `http://127.0.0.1:${agent.port}/#token=${agent.token}`;
}

/** The token is in the fragment, which no browser sends anywhere; whoever has the address can be every customer. */
async function chatUrl(options: Options<"open">, ctx: Context): Promise<string> {
  const { sandboxUrl, commandToken } = await findStandIn(options.workspace, ctx);
  return `${sandboxUrl}/chat#token=${commandToken}`;
}
