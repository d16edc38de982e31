/** `airy replay --dead`: what was set aside at the edge is delivered again, behind what waits. */
import { askHeld, requireAnswer } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { openWorkspace } from "../config/workspace.ts";
import { fail } from "../errors.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Throws INVALID_ARGUMENT, NOT_RUNNING, AGENT_SILENT, TUNNEL_NOT_OPEN. */
export async function runReplay(options: Options<"replay">, ctx: Context): Promise<void> {
  if (!options.dead) fail("INVALID_ARGUMENT", { command: "replay", reason: "Say what is to be sent again: --dead." });
  const paths = await openWorkspace(ctx.io, options.workspace);
  const agent = (await findAgent(paths)) ?? fail("NOT_RUNNING", { workspace: paths.root });
  await requireAnswer(agent);
  const count = await askHeld(agent, "replay");
  const text = count === 0 ? "Nothing was set aside." : `${count} ${count === 1 ? "message is" : "messages are"} sent again.   airy status`;
  ctx.out.result({ replayed: count }, { text });
}
