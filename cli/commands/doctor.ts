/** `airy doctor`: the checks of a start, and which engines could be used. Reads only, also when everything is down. */
import { preflight } from "../checks/preflight.ts";
import { readConfig } from "../config/config.ts";
import { openWorkspace } from "../config/workspace.ts";
import { loadEngine } from "../platform/engines.ts";
import { parseEdge } from "../launch/edge.ts";
import type { AiryEvent } from "../events.ts";
import { exitCode } from "../errors.ts";
import { createLines } from "../report/lines.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Exit code 0, or that of the first check that rules a start out. */
export async function runDoctor(options: Options<"doctor">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const config = await readConfig(paths.config, io.env);
  const edge = parseEdge(options.edge ?? config.edge, "doctor");
  const [checks, ...engines] = await Promise.all([
    preflight({ workspace: paths.root, engine: "embedded", ports: [], edge }),
    ...(["docker", "embedded"] as const).map(async (name) => {
      const facts = await (await loadEngine(name, io, null)).facts();
      const message = facts.usable ? `engine ${name}: ${facts.detail}` : `engine ${name} cannot be used: ${facts.reason}`;
      return { type: "check", id: `engine-${name}`, status: facts.usable ? "ok" : "warn", message } as const;
    }),
  ]);
  const failed = checks.find(({ error }) => error)?.error;
  const events = [...checks.map(({ type, id, status, message, action }) => ({ type, id, status, message, action })), ...engines];
  const lines = createLines();
  const text = events.map((event) => lines.line(out.stamp(event) satisfies AiryEvent)).filter((line) => line !== null);
  const advice = failed?.code === "SSH_UNREACHABLE" ? "\nairy up --sandbox does without an edge on the internet." : "";
  out.result(
    { checks: events.map(({ id, status, message }) => ({ id, status, message })) },
    { text: `${text.join("\n")}${advice}`, exit: failed ? exitCode(failed) : 0 },
  );
}
