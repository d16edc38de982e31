/** `airy logs`: the services' logs, and that of the agent process under the name `agent`. */
import { openWorkspace } from "../config/workspace.ts";
import { profileNames } from "../config/core.ts";
import { readState } from "../config/state.ts";
import { tailLines } from "../io/files.ts";
import { loadEngine } from "../platform/engines.ts";
import { oneShots } from "../platform/compose/core/profiles.ts";
import { servicesOf, type LogLine } from "../platform/platform.ts";
import { asAiryError, fail, whyOf } from "../errors.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

const TAIL = 100;

/** Throws INVALID_ARGUMENT for a service that does not exist. */
export async function runLogs(options: Options<"logs">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const state = await readState(paths);
  const { engine: name } = state;
  const { service = null } = options;
  const tail = options.tail ?? TAIL;
  const lines: LogLine[] = [];
  if (name && service !== "agent") {
    const engine = await loadEngine(name, io, state);
    if (service !== null) requireService(service);
    try {
      for await (const line of engine.logs(paths.root, { service, tail, follow: false, signal: ctx.signal })) lines.push(line);
    } catch (error) {
      // What is on this machine's disk can be shown all the same.
      const failure = asAiryError(error);
      if (failure.code === "INTERNAL") throw error;
      out.warn({ code: failure.code, message: `${failure.message} ${whyOf(failure)} The containers' logs are missing here.` });
    }
  }
  if (service === null || service === "agent") {
    for (const text of await tailLines(paths.agentLog, tail)) lines.push(agentLine(text));
  }
  for (const { service: from, at, line } of inOrder(lines).slice(tail === 0 ? lines.length : -tail)) {
    out.item({ type: "log", service: from, at, line });
    out.line(service === null ? `${from} | ${line}` : line);
  }
  out.result({ lines: Math.min(lines.length, tail) }, lines.length === 0 ? { text: "There are no log lines." } : {});
}

function requireService(service: string): void {
  const known = [...servicesOf(true, null), ...servicesOf(true, profileNames), ...oneShots];
  if (known.includes(service)) return;
  fail("INVALID_ARGUMENT", {
    command: "logs",
    reason: `There is no service "${service}" here; there are: ${[...known, "agent"].join(", ")}.`,
  });
}

/** By time; a line without one stays behind the line before it. */
function inOrder(lines: readonly LogLine[]): LogLine[] {
  let last = "";
  const timed = lines.map((line) => ({ line, at: (last = line.at ?? last) }));
  return timed.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)).map(({ line }) => line);
}

/** The agent process begins its lines with the time; what Node prints when it dies has none. */
function agentLine(text: string): LogLine {
  const match = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (.*)$/.exec(text);
  return { service: "agent", at: match?.[1] ?? null, line: match?.[2] ?? text };
}
