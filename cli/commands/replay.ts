/** `airy replay`: a request that came through the tunnel once more, or what was set aside at the edge, behind what waits there. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { askHeld, replayRequest, requireAnswer } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { openWorkspace } from "../config/workspace.ts";
import { fail } from "../errors.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Throws INVALID_ARGUMENT, NOT_RUNNING, AGENT_SILENT, TUNNEL_NOT_OPEN, REQUEST_UNKNOWN, REQUEST_CUT, REPLAY_FAILED. */
export async function runReplay(options: Options<"replay">, ctx: Context): Promise<void> {
  const { id, dead } = options;
  const invalid = (reason: string): never => fail("INVALID_ARGUMENT", { command: "replay", reason });
  if ((id === undefined) !== dead) invalid("Say what is to be sent again: the number of a request (airy requests), or --dead.");
  if (dead && (options.to !== undefined || options.edit !== undefined)) invalid("--to and --edit are for a single request.");
  const paths = await openWorkspace(ctx.io, options.workspace);
  const agent = (await findAgent(paths)) ?? fail("NOT_RUNNING", { workspace: paths.root });
  await requireAnswer(agent);
  if (id === undefined) {
    const count = await askHeld(agent, "replay");
    const text =
      count === 0 ? "Nothing was set aside." : `${count} ${count === 1 ? "message is" : "messages are"} sent again.   airy status`;
    return ctx.out.result({ replayed: count }, { text });
  }
  const body = options.edit === undefined ? undefined : await readEdited(path.resolve(ctx.io.cwd, options.edit), invalid);
  const { url, signed, status, durationMs, body: answer } = await replayRequest(agent, id, { to: options.to, body });
  const text = `Sent to ${url}${signed ? ", signed anew" : ""}: answered ${status} after ${durationMs} ms${answer ? `: ${answer}` : "."}`;
  ctx.out.result({ id, url, signed, status, durationMs, answer }, { text });
}

/** In base64. */
async function readEdited(file: string, invalid: (reason: string) => never): Promise<string> {
  return (await readFile(file).catch((error: Error) => invalid(`--edit: ${error.message}`))).toString("base64");
}
