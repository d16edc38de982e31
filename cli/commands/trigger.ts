/** `airy trigger`: a customer writes, through the stand-in for Facebook. */
import { findAgent } from "../agent/record.ts";
import { openWorkspace } from "../config/workspace.ts";
import { readSecrets, readState } from "../config/state.ts";
import { createHttpClient } from "../io/http.ts";
import { fail } from "../errors.ts";
import { triggerMessage } from "../sources/facebook/trigger.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Throws NOT_RUNNING, NO_SANDBOX, and what triggerMessage throws. */
export async function runTrigger(options: Options<"trigger">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const state = await readState(paths);
  if (!(await findAgent(paths))) fail("NOT_RUNNING", { workspace: paths.root, sandbox: true });
  const secrets = await readSecrets(paths);
  if (!state.sandbox || !state.ports || !secrets) return fail("NO_SANDBOX");
  out.hide(secrets.sandbox.commandToken);
  const text = options.text ?? "Hello!";
  const sandboxUrl = `http://127.0.0.1:${state.ports.facebook}`;
  const result = await triggerMessage({
    http: createHttpClient(),
    sandboxUrl,
    commandToken: secrets.sandbox.commandToken,
    text,
    signal: ctx.signal,
  });
  const took = result.deliveries.at(-1)?.durationMs;
  out.result(result, {
    text: `${result.senderId} wrote "${text}"; the webhook answered ${result.status}${took === undefined ? "" : ` after ${took} ms`}.`,
  });
}
