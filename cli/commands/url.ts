/** `airy url`: the public URL of what runs, alone, for scripts and for pasting. */
import { requireAnswer } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import type { Options } from "./table.ts";

/** Throws NOT_RUNNING, AGENT_SILENT, and TUNNEL_NOT_OPEN before there was ever a URL. */
export async function runUrl(options: Options<"url">, { io, out }: Context): Promise<void> {
  const paths = await openWorkspace(io, options.workspace);
  const agent = (await findAgent(paths)) ?? fail("NOT_RUNNING", { workspace: paths.root });
  const { tunnel } = await requireAnswer(agent);
  if (!tunnel?.url) return fail("TUNNEL_NOT_OPEN", { edge: tunnel?.edge ?? "unknown", state: tunnel?.state ?? "not started" });
  out.result({ url: tunnel.url, state: tunnel.state }, { text: tunnel.url });
  if (tunnel.state !== "open") out.warn({ code: "TUNNEL_NOT_OPEN", message: `The tunnel is ${tunnel.state} at present.` });
}
