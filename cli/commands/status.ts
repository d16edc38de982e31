/** `airy status`: what runs, from the agent process; without one, what is left of it. */
import { z } from "zod";
import { fetchState } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { lookAtServices, offlineStatus } from "../agent/status.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { openWorkspace } from "../config/workspace.ts";
import { readState } from "../config/state.ts";
import { tailLines } from "../io/files.ts";
import type { Io } from "../io/io.ts";
import type { StatusData } from "../events.ts";
import { AiryError, errorBody, fromErrorBody, whyOf, type ErrorBody } from "../errors.ts";
import { loadEngine } from "../platform/engines.ts";
import { servicesOf } from "../platform/platform.ts";
import { statusText } from "../report/lines.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** A start and its end fit into these. */
const JOURNAL_LINES = 500;
const EXIT = { running: 0, stopped: 30, degraded: 31 };

/** Exit code 0 running, 31 degraded, 30 stopped. */
export async function runStatus(options: Options<"status">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const agent = await findAgent(paths);
  const live = agent && (await fetchState(agent).catch(() => null));
  const status = live?.status ?? (await statusWithout(paths, io, agent !== null));
  const silent = agent && !live ? new AiryError("AGENT_SILENT", { pid: agent.pid }) : null;
  if (silent) out.warn({ code: silent.code, message: silent.message, action: errorBody(silent).actions.join("; ") });
  const hint = { running: "stop: airy down", degraded: "details: airy logs   again: airy up", stopped: "start: airy up" }[status.state];
  for (const problem of status.problems ?? []) out.warn(problem);
  out.result(status, { text: statusText(status), hint, exit: EXIT[status.state] });
}

/** How all is now, whether or not anything runs. */
export async function statusNow(paths: WorkspacePaths, io: Io): Promise<StatusData> {
  const agent = await findAgent(paths);
  const live = agent && (await fetchState(agent).catch(() => null));
  return live?.status ?? statusWithout(paths, io, agent !== null);
}

/** @param lives whether the agent process is there and only does not answer. */
async function statusWithout(paths: WorkspacePaths, io: Io, lives: boolean): Promise<StatusData> {
  const state = await readState(paths);
  const { engine, edition, profiles, sandbox, ports } = state;
  // Embedded services live and die with the agent process; containers do not.
  const askable = engine !== null && (engine === "docker" || lives);
  const expected = sandbox === null ? [] : servicesOf(sandbox, edition === "core" ? profiles : null);
  const seen = askable ? await lookAtServices(await loadEngine(engine, io, state), paths.root, expected) : nothing;
  const status = offlineStatus({ engine, edition, sandbox: sandbox ?? false, platformPort: ports?.platform ?? null, ...seen });
  if (lives) return { ...status, state: "degraded" };
  const lastFailure = await findFailure(paths);
  return lastFailure ? { ...status, lastFailure } : status;
}

const endSchema = z.object({ type: z.enum(["failed", "ready", "stopped"]), at: z.string(), error: z.custom<ErrorBody>().optional() });

/** How the last start ended, as the journal of events has it; null where it did not fail. */
async function findFailure(paths: WorkspacePaths): Promise<StatusData["lastFailure"] | null> {
  for (const line of (await tailLines(paths.events, JOURNAL_LINES)).toReversed()) {
    if (!/"type":"(?:failed|ready|stopped)"/.test(line)) continue;
    const { at, error } = endSchema.parse(JSON.parse(line));
    if (!error) return null;
    return { at, code: error.code, message: error.message, why: whyOf(fromErrorBody(error)), actions: error.actions };
  }
  return null;
}

const nothing = { services: [], problems: [] };
