/** `airy down`: stops the agent process, then the services. Data and the public name stay. */
import { stopAgent } from "../agent/start.ts";
import { readRecord } from "../agent/record.ts";
import { acquireLock } from "../config/lock.ts";
import { openWorkspace } from "../config/workspace.ts";
import { readState, writeState } from "../config/state.ts";
import { loadEngine } from "../platform/engines.ts";
import type { Emit } from "../events.ts";
import { readText } from "../io/files.ts";
import { restoreWebhook, restoredText } from "./webhook-app.ts";
import { createLines } from "../report/lines.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Nothing running is no error. */
export async function runDown(options: Options<"down">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace, { adopt: options.adopt });
  if ((await readText(paths.state)) === null && (await readRecord(paths)) === null) {
    return out.result({ stopped: false, kept: [] }, { text: "Nothing runs here." });
  }
  const lock = await acquireLock(paths.lock, "down", io);
  try {
    const state = await readState(paths);
    const engine = state.engine && (await loadEngine(state.engine, io, state));
    if (options.restoreWebhook) out.line(restoredText(await restoreWebhook(paths, io, options.verifyToken, ctx.signal)));
    // Before anything is stopped: an engine that does not answer, or is another one, would leave the rest running.
    await engine?.status(paths.root);
    const stopped = await stopAgent(io, paths);
    const lines = createLines();
    const emit: Emit = (event) => {
      const line = lines.line(out.stamp(event));
      if (line !== null) out.line(line);
    };
    await engine?.down(paths.root, emit);
    await writeState(paths, { ...state, sandbox: null, edge: null });
    const waits = state.heldAt ? `\nMessages that arrive meanwhile wait at ${state.heldAt.host} for up to 36 hours.` : "";
    const kept = state.engine === "docker" ? "the volumes of its compose project" : paths.dir;
    out.result(
      { stopped, kept: [kept], heldAt: state.heldAt },
      {
        text: `Stopped. Messages and the public name are kept (${kept}).${waits}`,
        hint: `start again: airy up${state.sandbox ? " --sandbox" : ""}   delete the data: airy destroy`,
      },
    );
  } finally {
    await lock.release();
  }
}
