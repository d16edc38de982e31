/** `airy doctor`: the checks of a start, and which engines could be used. Reads only, also when everything is down. */
import { askRequests } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { askHealth, explainDeliveries } from "../checks/deliveries.ts";
import { lookAtWay, wayText } from "../checks/way.ts";
import { preflight } from "../checks/preflight.ts";
import { readConfig } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readState } from "../config/state.ts";
import { openWorkspace } from "../config/workspace.ts";
import { loadEngine } from "../platform/engines.ts";
import { parseEdge } from "../launch/edge.ts";
import type { AiryEvent } from "../events.ts";
import { exitCode } from "../errors.ts";
import { createHttpClient } from "../io/http.ts";
import { createLines } from "../report/lines.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Only of what runs. */
async function deliveries(paths: WorkspacePaths) {
  const agent = await findAgent(paths);
  const { ports, sandbox } = await readState(paths);
  if (!agent || !ports) return [];
  const health = await askHealth(createHttpClient(), `http://127.0.0.1:${ports.platform}`);
  const refused = await askRequests(agent).then(
    ({ counters }) => counters?.refused ?? null,
    () => null,
  );
  if (!health) return [];
  return explainDeliveries(health, refused, sandbox === true).map((finding) => ({ type: "check" as const, id: "webhooks", ...finding }));
}

/** Exit code 0, or that of the first check that rules a start out. */
export async function runDoctor(options: Options<"doctor">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const config = await readConfig(paths.config, io.env);
  const { edge: running } = await readState(paths);
  const named = options.edge ?? (running?.configured === config.edge ? running.edge : config.edge);
  const edge = named === "local" ? null : parseEdge(named, "doctor");
  const [way, checks, ...engines] = await Promise.all([
    edge ? lookAtWay(edge) : [],
    preflight({ workspace: paths.root, engine: "embedded", ports: [], edge }),
    ...(["docker", "embedded"] as const).map(async (name) => {
      const facts = await (await loadEngine(name, io, null)).facts();
      const message = facts.usable ? `engine ${name}: ${facts.detail}` : `engine ${name} cannot be used: ${facts.reason}`;
      return { type: "check", id: `engine-${name}`, status: facts.usable ? "ok" : "warn", message } as const;
    }),
  ]);
  const failed = checks.find(({ error }) => error)?.error;
  const events = [
    ...checks.map(({ type, id, status, message, action }) => ({ type, id, status, message, action })),
    ...engines,
    ...(await deliveries(paths)),
  ];
  const lines = createLines();
  const text = events.map((event) => lines.line(out.stamp(event) satisfies AiryEvent)).filter((line) => line !== null);
  const advice = failed?.code === "SSH_UNREACHABLE" ? "airy up --sandbox does without an edge on the internet." : "";
  out.result(
    {
      checks: [...events, ...way].map((one) => ({
        id: one.id,
        status: one.status,
        message: one.message,
        ...("action" in one && { action: one.action }),
      })),
    },
    {
      text: `${text.join("\n")}${edge ? `\nThe way to ${edge.host}:\n${wayText(way)}` : ""}`,
      hint: advice,
      exit: failed ? exitCode(failed) : 0,
    },
  );
}
