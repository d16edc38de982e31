/** `airy status`: what runs, from the agent process; without one, what is left of it. */
import { fetchState } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { offlineStatus } from "../agent/status.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { openWorkspace } from "../config/workspace.ts";
import { readState } from "../config/state.ts";
import type { Io } from "../io/io.ts";
import type { StatusData } from "../events.ts";
import { loadEngine } from "../platform/engines.ts";
import { statusText } from "../report/lines.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

const EXIT = { running: 0, stopped: 30, degraded: 31 };

/** Exit code 0 running, 31 degraded, 30 stopped. */
export async function runStatus(options: Options<"status">, ctx: Context): Promise<void> {
  const paths = await openWorkspace(ctx.io, options.workspace);
  const status = await readStatus(paths, ctx.io);
  const hint = { running: "stop: airy down", degraded: "details: airy logs   again: airy up", stopped: "start: airy up" }[status.state];
  ctx.out.result(status, { text: `${statusText(status)}\n${hint}`, exit: EXIT[status.state] });
}

async function readStatus(paths: WorkspacePaths, io: Io): Promise<StatusData> {
  const agent = await findAgent(paths);
  if (agent) {
    const live = await fetchState(agent).catch(() => null);
    if (live) return live.status;
  }
  const { engine, sandbox, ports } = await readState(paths);
  // Embedded services live and die with the agent process; containers do not.
  const services = engine === "docker" ? await (await loadEngine(engine, io)).status(paths.root).catch(() => []) : [];
  return offlineStatus({ engine, sandbox: sandbox ?? false, platformPort: ports?.platform ?? null, services });
}
