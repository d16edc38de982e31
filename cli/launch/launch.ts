/** The start of a workspace, in the foreground: services, agent process, and waiting until all is ready. */
import { fetchState, followEvents, requestCheck } from "../agent/client.ts";
import { findAgent, type AgentRecord } from "../agent/record.ts";
import { secretsOf, settingsHash, type AgentSettings } from "../agent/settings.ts";
import { startAgent, stopAgent } from "../agent/start.ts";
import type { Config } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { writeState } from "../config/state.ts";
import type { Build } from "../io/build.ts";
import { tailLines } from "../io/files.ts";
import type { Io } from "../io/io.ts";
import { gone } from "../io/process.ts";
import { joinSignals } from "../io/signals.ts";
import { AiryError, errorBody, fail, fromErrorBody } from "../errors.ts";
import { apply } from "../steps/apply.ts";
import { webhookWell, type AiryEvent, type Emit, type EngineName, type StatusData } from "../events.ts";
import { plan, stepsFor, type Course, type Step } from "../steps/plan.ts";
import { findCourse, type Found } from "./course.ts";
import { requireUsable } from "./engine.ts";
import { corrected } from "./public-url.ts";
import { decide, provide, provided, settingsOf, stateOf, type Asked, type Decision } from "./prepare.ts";

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
  /** Says who writes the journal of events from now on. */
  handOver: (writer: "launcher" | "agent") => void;
  /** Runs what takes as long as the network does, without using up the user's patience. */
  unhurried: <T>(work: () => Promise<T>) => Promise<T>;
}

export interface Launched {
  status: StatusData;
  agent: AgentRecord;
  /** Number of the newest event of the agent process. */
  seq: number;
  /** Everything ran already; nothing was changed. */
  already: boolean;
}

/** One try with the ports that are left. */
interface Round extends LaunchInput {
  /** What to say of a failure after which there is another try; null: it is the end. */
  passing: (failure: AiryError) => string | null;
}

/** What a start would do. */
export interface Planned {
  decision: Decision;
  steps: Step[];
}

/** The plan of a start, without anything being changed. Throws what a start would throw before its first step. */
export async function planLaunch(input: Pick<LaunchInput, "asked" | "config" | "paths" | "io" | "build" | "emit">): Promise<Planned> {
  const { paths, io, emit, build } = input;
  const agent = await findAgent(paths);
  const decision = await decide({ asked: input.asked, config: input.config, paths, agent, lost: new Set(), io, emit });
  const provisions = await provided(paths, decision.localEdge);
  const config = provisions && settingsHash(settingsOf(paths.root, decision, provisions));
  const { course } = await findCourse({ agent, build: build.id, config });
  return { decision, steps: await stepsOf(decision, course, emit) };
}

/**
 * Stops the agent process again when the start fails or is interrupted; containers are left for inspection. A port that was free a
 * moment ago and is taken when a service wants it (another workspace starts at the same time) is replaced, unless it was asked for.
 */
export async function launch(input: LaunchInput): Promise<Launched> {
  const lost = new Set<number>();
  for (;;) {
    try {
      return await attempt({ ...input, passing: movesOn(input, lost) }, lost);
    } catch (error) {
      const port = error instanceof AiryError ? lostPort(error, input, lost) : null;
      if (port === null) throw error;
      lost.add(port);
    }
  }
}

/** The port that somebody else took between looking and listening, where another one will do as well. */
function lostPort(
  { code, details: { port } }: AiryError,
  input: Pick<LaunchInput, "asked" | "config">,
  lost: ReadonlySet<number>,
): number | null {
  if (code !== "PORT_TAKEN" || typeof port !== "number" || lost.size >= PORT_ATTEMPTS) return null;
  return port === (input.asked.port ?? input.config.port) || lost.has(port) ? null : port;
}

/** What is said of a step that is tried again with another port. */
function movesOn(input: LaunchInput, lost: ReadonlySet<number>): (failure: AiryError) => string | null {
  return (failure) => {
    const port = lostPort(failure, input, lost);
    return port === null ? null : `port ${port} was taken just now; once more with another one`;
  };
}

async function attempt(input: Round, lost: ReadonlySet<number>): Promise<Launched> {
  const { paths, io, emit } = input;
  const agent = await findAgent(paths);
  input.handOver(agent ? "agent" : "launcher");
  const decision = await decide({ asked: input.asked, config: input.config, paths, agent, lost, io, emit });
  input.chosen(decision.platform.engine);
  // Shown before the keys are read, for which ssh2 is loaded.
  if (!agent) announce(await stepsOf(decision, { kind: "start" }, emit), emit);
  const settings = settingsOf(paths.root, decision, await provide(paths, decision.localEdge));
  for (const secret of secretsOf(settings)) input.hide(secret);
  const found = await findCourse({ agent, build: input.build.id, config: settingsHash(settings) });
  if (!agent) return begin(input, decision, settings, found.course);
  if (found.course.kind === "await") return awaitStart(input, decision, agent);
  if (found.course.kind === "join") {
    const joined = await join(input, decision, settings, agent, found);
    if ("agent" in joined) return joined;
    return begin(input, decision, settings, joined);
  }
  return begin(input, decision, settings, found.course);
}

/** Puts a new agent process in place of the one that runs, if one does. */
async function begin(input: Round, decision: Decision, settings: Omit<AgentSettings, "startId">, course: Course): Promise<Launched> {
  const { paths, io, emit, signal } = input;
  if (course.kind === "replace" && course.takenOver) emit(takenOver(settings));
  const steps = await stepsOf(decision, course, emit);
  signal.throwIfAborted();
  await writeState(paths, stateOf(decision));
  if (course.kind !== "start") announce(steps, emit);
  await runSteps(input, decision, settings, steps);
  input.handOver("agent");
  try {
    const launched = await waitReady(input, await startAgent(io, paths, settings, signal));
    const spec = corrected(settings, launched.status);
    if (spec) await decision.platform.up(spec, emit, signal);
    return launched;
  } catch (error) {
    await stopAgent(io, paths);
    throw error;
  }
}

/** The launcher's part of the plan. Containers are started here; the embedded services start inside the agent process. */
async function runSteps(input: Round, decision: Decision, settings: Pick<AgentSettings, "spec">, steps: readonly Step[]): Promise<void> {
  const { paths, io, emit, signal } = input;
  const { platform } = decision;
  await apply(
    stepsFor("launcher", steps),
    {
      stop: async () => {
        await stopAgent(io, paths);
        input.handOver("launcher");
        return {};
      },
      images: () => input.unhurried(() => platform.fetch(paths.root, emit, signal)).then(() => ({})),
      platform: () => platform.up(settings.spec, emit, signal).then(() => ({})),
    },
    emit,
    signal,
    input,
  );
}

/** Before anything is stopped or started the engine is asked; where the agent process runs that has not happened yet. */
async function stepsOf(decision: Decision, course: Course, emit: Emit): Promise<Step[]> {
  const { platform, sandbox, edge } = decision;
  const changes = course.kind === "start" || course.kind === "replace" || (course.kind === "join" && course.mend);
  if (changes) decision.usable ??= await requireUsable(platform, emit, "as before");
  const lacks = decision.usable?.lacks ?? [];
  return plan({ engine: platform.engine, sandbox, edge: `${edge.host}:${edge.port}`, course, lacks });
}

/** The start of another launcher, which may have been killed, is seen to its end. */
async function awaitStart(input: Round, decision: Decision, agent: AgentRecord): Promise<Launched> {
  announce(await stepsOf(decision, { kind: "await" }, input.emit), input.emit);
  try {
    return await waitReady(input, agent);
  } catch (error) {
    await stopAgent(input.io, input.paths);
    throw error;
  }
}

/** Joins the agent process that runs, after its services were mended; or says why it has to be replaced after all. */
async function join(
  input: Round,
  decision: Decision,
  settings: Pick<AgentSettings, "spec">,
  agent: AgentRecord,
  { course, live }: Found,
): Promise<Launched | Course> {
  if (live?.status.state === "running") return look(input, settings, agent, true);
  const steps = await stepsOf(decision, course, input.emit);
  if (steps.length > 0) {
    await writeState(input.paths, stateOf(decision));
    announce(steps, input.emit);
    await runSteps(input, decision, settings, steps);
  }
  const tunnel = await waitTunnel(input, agent, live?.seq ?? 0);
  if (tunnel === "closed") return (await findCourse({ agent, build: agent.build, config: agent.config })).course;
  return look(input, settings, agent, false);
}

/**
 * What runs is asked to look at the webhook at its source: it may have been changed or switched off there. Throws what could not be put
 * right, unless that may pass by itself; what runs goes on running.
 */
async function look(input: LaunchInput, { spec }: Pick<AgentSettings, "spec">, agent: AgentRecord, ran: boolean): Promise<Launched> {
  const { repairs, failure, since, status } = await requestCheck(agent, input.asked.replaceWebhook);
  for (const message of repairs) input.emit({ type: "warning", code: "WEBHOOK_REPAIRED", message });
  if (failure && !failure.retryable) throw fromErrorBody(failure);
  if (failure) input.emit({ type: "warning", code: failure.code, message: failure.message });
  const broken = status.webhooks.find((webhook) => !webhookWell(webhook));
  if (broken?.state === "foreign") {
    const callbackUrl = `${status.tunnel?.url ?? ""}/facebook`;
    fail("WEBHOOK_FOREIGN", { appId: spec.facebook?.appId ?? "", object: broken.object, current: broken.callbackUrl, callbackUrl });
  }
  return { status, agent, seq: since, already: ran && repairs.length === 0 };
}

/** Throws SSH_UNREACHABLE when the tunnel does not open in time; the process that runs goes on trying whatever comes of this. */
async function waitTunnel(input: LaunchInput, agent: AgentRecord, since: number): Promise<"open" | "closed"> {
  let { tunnel } = (await fetchState(agent)).status;
  const settled = (): boolean => tunnel?.state === "open" || tunnel?.state === "closed";
  const patience = joinSignals([input.signal], TUNNEL_MS);
  if (!settled()) {
    for await (const { seq: _, ...event } of followEvents(agent, since, patience.signal)) {
      input.relay(event as AiryEvent);
      if (event.type === "tunnel") tunnel = event.tunnel;
      if (settled()) break;
    }
  }
  patience.release();
  input.signal.throwIfAborted();
  if (tunnel?.state === "open" || tunnel?.state === "closed") return tunnel.state;
  const reason = `The tunnel is ${tunnel?.state ?? "not there"}${tunnel?.reason ? ` (${tunnel.reason})` : ""}. What runs was left running and goes on trying.`;
  return fail("SSH_UNREACHABLE", { edge: tunnel?.edge ?? "", reason });
}

function announce(steps: readonly Step[], emit: Emit): void {
  emit({ type: "plan", steps: steps.map(({ id, title }) => ({ id, title })) });
}

/** Said before the name is taken back. */
function takenOver({ edge }: Pick<AgentSettings, "edge">): Parameters<Emit>[0] {
  const { code, message } = errorBody(new AiryError("TAKEN_OVER", { identifier: "this workspace's name" }));
  const action = `if the other one is wanted, give it a key of its own: airy-proxy PORT --identity OTHER_FILE`;
  return { type: "warning", code, message: `${message} It is taken back now, at ${edge.host}.`, action };
}

type StepEvent = Extract<AiryEvent, { type: "step" }>;

function retold(event: StepEvent, passes: string | null): StepEvent {
  return passes === null ? event : { ...event, state: "skipped", detail: passes };
}

async function waitReady(input: Round, agent: AgentRecord): Promise<Launched> {
  let broken: StepEvent | null = null;
  for await (const { seq, ...event } of followEvents(agent, 0, input.signal)) {
    const failure = event.type === "failed" ? fromErrorBody(event.error) : null;
    // What becomes of a step that failed is known with the next event.
    if (broken) input.relay(failure ? retold(broken, input.passing(failure)) : broken);
    broken = event.type === "step" && event.state === "failed" ? event : null;
    if (failure) {
      await gone(agent.pid, agent.started, 15_000);
      throw failure;
    }
    if (event.type === "stopped") fail("AGENT_EXITED", { service: "agent", reason: "It was told to stop while it was starting." });
    if (event.type === "ready") return { status: event.status, agent: { ...agent, phase: "ready" }, seq, already: false };
    if (!broken) input.relay(event as AiryEvent);
  }
  input.signal.throwIfAborted();
  const log = await tailLines(input.paths.agentLog, 20);
  return fail("AGENT_EXITED", { service: "agent", reason: "Its connection ended before it was ready.", log });
}
