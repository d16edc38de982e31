/** The start of a workspace, in the foreground: services, agent process, and waiting until all is ready. */
import { fetchState, followEvents } from "../agent/client.ts";
import { findAgent, type AgentRecord } from "../agent/record.ts";
import { secretsOf, settingsHash } from "../agent/settings.ts";
import { startAgent, stopAgent } from "../agent/start.ts";
import { isUp } from "../agent/status.ts";
import type { Config } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { writeState } from "../config/state.ts";
import type { Build } from "../io/build.ts";
import { tailLines } from "../io/files.ts";
import type { Io } from "../io/io.ts";
import { gone } from "../io/process.ts";
import { joinSignals } from "../io/signals.ts";
import type { Platform } from "../platform/platform.ts";
import { AiryError, fail, fromErrorBody, withDetails } from "../errors.ts";
import { apply } from "../steps/apply.ts";
import type { AiryEvent, Emit, EngineName, StatusData } from "../events.ts";
import { plan } from "../steps/plan.ts";
import { prepare, type Asked, type Prepared } from "./prepare.ts";

/** How long a tunnel that is down may take to come back before the user is told. */
const TUNNEL_MS = 10_000;

/** Ports that may be lost to somebody else between looking and listening. */
const PORT_ATTEMPTS = 8;

export interface LaunchInput {
  asked: Asked;
  config: Config;
  paths: WorkspacePaths;
  io: Io;
  build: Build;
  /** What the launcher does itself. */
  emit: Emit;
  /** What the agent process did, with its own times. */
  relay: (event: AiryEvent) => void;
  /** Interruption, or the end of the user's patience (READY_TIMEOUT as its reason). */
  signal: AbortSignal;
  /** Called with everything that must not be shown. */
  hide: (secret: string) => void;
  /** Called when it is decided which engine runs the services. */
  chosen: (engine: EngineName) => void;
}

export interface Launched {
  status: StatusData;
  agent: AgentRecord;
  /** Number of the newest event of the agent process. */
  seq: number;
  /** Everything ran already; nothing was changed. */
  already: boolean;
}

/**
 * Stops the agent process again when the start fails or is interrupted; containers are left for inspection. A port that was free a
 * moment ago and is taken when a service wants it (another workspace starts at the same time) is replaced, unless it was asked for.
 */
export async function launch(input: LaunchInput): Promise<Launched> {
  const lost = new Set<number>();
  for (;;) {
    try {
      return await attempt(input, lost);
    } catch (error) {
      if (!(error instanceof AiryError) || error.code !== "PORT_TAKEN" || lost.size >= PORT_ATTEMPTS) throw error;
      const { port } = error.details;
      if (typeof port !== "number" || port === input.asked.port || lost.has(port)) throw error;
      lost.add(port);
      input.emit({ type: "check", id: "ports", status: "warn", message: `Port ${port} was taken just now; another one is used.` });
    }
  }
}

async function attempt(input: LaunchInput, lost: ReadonlySet<number>): Promise<Launched> {
  const { paths, io, emit, signal } = input;
  const agent = await findAgent(paths);
  const prepared = await prepare({ asked: input.asked, config: input.config, paths, agent, lost, io, emit });
  input.chosen(prepared.platform.engine);
  for (const secret of secretsOf(prepared.settings)) input.hide(secret);
  if (agent) {
    const joined = await attach(input, prepared, agent);
    if ("agent" in joined) return joined;
    emit({ type: "check", id: "agent", status: "ok", message: `replacing the background process: ${joined.replace}` });
    await stopAgent(io, paths);
  }
  signal.throwIfAborted();
  await writeState(paths, prepared.state);
  announce(prepared, emit);
  await startServices(input, prepared);
  try {
    const started = await startAgent(io, paths, prepared.settings, signal);
    return await waitReady(input, started);
  } catch (error) {
    await stopAgent(io, paths);
    throw error;
  }
}

/** Joins the agent process that runs, or says why it has to be replaced. */
async function attach(input: LaunchInput, prepared: Prepared, agent: AgentRecord): Promise<Launched | { replace: string }> {
  const { paths, io, emit } = input;
  if (agent.build !== input.build.id) return { replace: "it is of another build" };
  if (agent.config !== settingsHash(prepared.settings)) return { replace: "the configuration has changed" };
  if (agent.phase === "stopping") return { replace: "it is stopping" };
  if (agent.phase === "starting") {
    announce(prepared, emit);
    try {
      return await waitReady(input, agent);
    } catch (error) {
      await stopAgent(io, paths);
      throw error;
    }
  }
  const before = await fetchState(agent).catch(() => null);
  if (!before) return { replace: "it does not answer" };
  if (before.status.state === "running") return { ...before, agent, already: true };
  const { services } = before.status.platform;
  if (services.length === 0 || !services.every(isUp)) {
    if (prepared.platform.engine === "embedded") return { replace: "a service is down" };
    announce(prepared, emit);
    await startServices(input, prepared);
  }
  await waitTunnel(input, agent, before.seq);
  const { status, seq } = await fetchState(agent);
  const broken = status.webhooks.find((webhook) => webhook.state !== "active" && webhook.state !== "unconfigured");
  return broken ? { replace: `the webhook is ${broken.state}` } : { status, agent, seq, already: false };
}

/** The process that runs goes on trying whatever comes of this. Throws SSH_UNREACHABLE. */
async function waitTunnel(input: LaunchInput, agent: AgentRecord, since: number): Promise<void> {
  let { tunnel } = (await fetchState(agent)).status;
  if (tunnel?.state === "open") return;
  const patience = joinSignals([input.signal], TUNNEL_MS);
  for await (const { seq: _, ...event } of followEvents(agent, since, patience.signal)) {
    input.relay(event as AiryEvent);
    if (event.type === "tunnel") tunnel = event.tunnel;
    if (tunnel?.state === "open") break;
  }
  patience.release();
  input.signal.throwIfAborted();
  if (tunnel?.state === "open") return;
  const reason = `The tunnel is ${tunnel?.state ?? "not there"}${tunnel?.reason ? ` (${tunnel.reason})` : ""}. What runs was left running and goes on trying.`;
  fail("SSH_UNREACHABLE", { edge: tunnel?.edge ?? "", reason });
}

function announce(prepared: Prepared, emit: Emit): void {
  const { engine, edge, spec } = prepared.settings;
  const steps = plan({ engine, sandbox: spec.sandbox !== null, edge: `${edge.host}:${edge.port}` });
  emit({ type: "plan", steps: steps.map(({ id, title }) => ({ id, title })) });
}

/** Containers are started in the foreground; the embedded services start inside the agent process. */
async function startServices(input: LaunchInput, { platform, settings }: Prepared): Promise<void> {
  if (platform.engine === "embedded") return;
  const { emit, signal } = input;
  await apply([{ id: "platform", run: () => platform.up(settings.spec, emit, signal).then(() => ({})) }], emit, signal);
}

async function waitReady(input: LaunchInput, agent: AgentRecord): Promise<Launched> {
  for await (const { seq, ...event } of followEvents(agent, 0, input.signal)) {
    if (event.type === "failed") {
      await gone(agent.pid, agent.started, 15_000);
      throw fromErrorBody(event.error);
    }
    if (event.type === "stopped") fail("AGENT_EXITED", { service: "agent", reason: "It was told to stop while it was starting." });
    if (event.type === "ready") return { status: event.status, agent: { ...agent, phase: "ready" }, seq, already: false };
    input.relay(event as AiryEvent);
  }
  input.signal.throwIfAborted();
  const log = await tailLines(input.paths.agentLog, 20);
  return fail("AGENT_EXITED", { service: "agent", reason: "Its connection ended before it was ready.", log });
}

/** Adds the last lines of the service that failed, where the error does not have them yet. Never throws. */
export async function withLog(error: AiryError, platform: Platform, workspace: string): Promise<AiryError> {
  const { service, log } = error.details;
  if (typeof service !== "string" || log !== undefined) return error;
  const lines: string[] = [];
  const given = joinSignals([], 3000);
  try {
    const options = { service, tail: 20, follow: false, signal: given.signal };
    for await (const { line } of platform.logs(workspace, options)) lines.push(line);
  } catch {
    return error;
  } finally {
    given.release();
  }
  return withDetails(error, { log: lines.slice(-20) });
}
