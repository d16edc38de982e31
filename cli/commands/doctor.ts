/** `airy doctor`: the checks of a start, and which engines could be used. Reads only, also when everything is down. */
import path from "node:path";
import { askRequests } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { askHealth, explainDeliveries } from "../checks/deliveries.ts";
import { lookAtWay, wayText } from "../checks/way.ts";
import { capped, failed, preflight, type CheckResult as Check } from "../checks/preflight.ts";
import { readConfig, type Config } from "../config/config.ts";
import { exposedSecrets } from "../config/exposed.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readState, type State } from "../config/state.ts";
import { openWorkspace } from "../config/workspace.ts";
import { loadEngine } from "../platform/engines.ts";
import { parseEdge } from "../launch/edge.ts";
import { portWishes, type PortsInput } from "../launch/ports.ts";
import type { AiryEvent, EngineName } from "../events.ts";
import { asAiryError, exitCode } from "../errors.ts";
import { createHttpClient } from "../io/http.ts";
import type { Io } from "../io/io.ts";
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

/** airy.yaml with a mistake in it is one finding among others. */
async function configOf(paths: WorkspacePaths, env: Io["env"]): Promise<{ config: Config; broken: Check[] }> {
  try {
    return { config: await readConfig(paths.config, env), broken: [] };
  } catch (error) {
    const failure = asAiryError(error);
    if (failure.code !== "CONFIG_INVALID") throw error;
    return { config: await readConfig(path.join(paths.dir, "no-such-file"), {}), broken: [failed("config", failure)] };
  }
}

async function secretsCheck({ config }: WorkspacePaths) {
  const exposed = await exposedSecrets(config);
  return exposed ? [{ type: "check" as const, id: "secrets", status: "warn" as const, ...exposed }] : [];
}

/** Exit code 0, or that of the first check that rules a start out. */
export async function runDoctor(options: Options<"doctor">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const { config, broken } = await configOf(paths, io.env);
  const [state, agent] = await Promise.all([readState(paths), findAgent(paths)]);
  const named = options.edge ?? (state.edge?.configured === config.edge ? state.edge.edge : config.edge);
  const local = named === "local" || (options.edge === undefined && state.sandbox === true);
  const edge = local ? null : parseEdge(named, "doctor");
  const [way, checks, ...more] = await Promise.all([
    edge ? lookAtWay(edge) : [],
    preflight({
      workspace: paths.root,
      engine: state.engine ?? "embedded",
      ports: agent ? [] : heldByUs(state, paths, io).then((held) => portWishes({ ...portsOf(state, named), held })),
      edge,
      graphUrl: config.graphUrl,
    }),
    capped("engine-docker", checkEngine("docker", io)),
    capped("compose", checkCompose()),
    capped("engine-embedded", checkEngine("embedded", io)),
  ]);
  const found: Check[] = [...broken, ...checks, ...more, ...(await secretsCheck(paths)), ...(await deliveries(paths))];
  const failure = found.find(({ error }) => error)?.error;
  const events = found.map(({ type, id, status, message, action }) => ({
    type,
    id,
    status,
    message,
    ...(action !== undefined && { action }),
  }));
  const lines = createLines();
  const text = events.map((event) => lines.line(out.stamp(event) satisfies AiryEvent)).filter((line) => line !== null);
  const advice = failure?.code === "SSH_UNREACHABLE" ? "airy up --sandbox does without an edge on the internet." : "";
  out.result(
    {
      checks: [...events, ...way].map(({ id, status, message, action }) => ({
        id,
        status,
        message,
        ...(action !== undefined && { action }),
      })),
    },
    {
      text: `${text.join("\n")}${edge ? `\nThe way to ${edge.host}:\n${wayText(way)}` : ""}`,
      hint: advice,
      exit: failure ? exitCode(failure) : 0,
    },
  );
}

function portsOf({ ports, sandbox }: State, edge: string | null): PortsInput {
  return { asked: undefined, stored: ports, sandbox: sandbox ?? false, localEdge: edge === "local", running: false, lost: new Set() };
}

/** Containers may run without the agent process. */
async function heldByUs(state: State, paths: WorkspacePaths, io: Io): Promise<ReadonlySet<number>> {
  if (state.engine !== "docker") return new Set();
  const engine = await loadEngine("docker", io, state);
  return (await engine.held?.(paths.root).catch(() => null)) ?? new Set();
}

async function checkEngine(name: EngineName, io: Io): Promise<Check> {
  const facts = await (await loadEngine(name, io, null)).facts();
  const id = `engine-${name}`;
  if (facts.usable) return { type: "check", id, status: "ok", message: `engine ${name}: ${facts.detail}` };
  const { error: _, action, ...said } = failed(id, facts.error);
  return { ...said, status: "warn", message: `engine ${name} cannot be used: ${facts.reason}`, ...(action !== undefined && { action }) };
}

/** Also where the engine is down. */
async function checkCompose(): Promise<Check> {
  const { requireCompose } = await import("../platform/compose/cli.ts");
  return requireCompose().then(
    (version) => ({ type: "check", id: "compose", status: "ok", message: `docker compose ${version}` }),
    (error: unknown) => {
      const { error: _, ...said } = failed("compose", asAiryError(error));
      return { ...said, status: "warn" };
    },
  );
}
