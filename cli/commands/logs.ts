/** `airy logs`: the services' logs, and that of the agent process under the name `agent`. */
import { findWorkspace } from "../config/paths.ts";
import { readState } from "../config/state.ts";
import { tailLines } from "../io/files.ts";
import { loadEngine } from "../launch/engines.ts";
import type { LogLine } from "../platform/platform.ts";
import { fail } from "../report/errors.ts";
import type { Context } from "./command.ts";
import type { Options } from "./table.ts";

const TAIL = 100;

/** Throws INVALID_ARGUMENT for a service that does not exist. */
export async function runLogs(options: Options<"logs">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await findWorkspace(io.cwd, options.workspace);
  const { engine: name } = await readState(paths);
  const { service = null } = options;
  const tail = options.tail ?? TAIL;
  let count = 0;
  const show = ({ service: from, at, line }: LogLine): void => {
    count += 1;
    out.item({ type: "log", service: from, at, line });
    out.line(service === null ? `${from} | ${line}` : line);
  };
  if (name && service !== "agent") {
    const engine = await loadEngine(name, io);
    if (service !== null) {
      const known = (await engine.status(paths.root)).map((s) => s.name);
      if (known.length > 0 && !known.includes(service)) {
        fail("INVALID_ARGUMENT", {
          command: "logs",
          reason: `There is no service "${service}" here; there are: ${[...known, "agent"].join(", ")}.`,
        });
      }
    }
    for await (const line of engine.logs(paths.root, { service, tail, follow: false, signal: ctx.signal })) show(line);
  }
  if (service === null || service === "agent") {
    for (const line of await tailLines(paths.agentLog, tail)) show(agentLine(line));
  }
  out.result({ lines: count }, count === 0 ? { text: "There are no log lines." } : {});
}

/** The agent process begins its lines with the time; what Node prints when it dies has none. */
function agentLine(text: string): LogLine {
  const match = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (.*)$/.exec(text);
  return { service: "agent", at: match?.[1] ?? null, line: match?.[2] ?? text };
}
