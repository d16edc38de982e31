/** Whether Airy's services are ready, asked from outside through the gateway's second port: in their images is nothing to ask with. */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { profileNames } from "../../../config/core.ts";
import type { Engine } from "../../../docker/engine.ts";
import { AiryError } from "../../../errors.ts";
import type { Emit } from "../../../events.ts";
import { createHttpClient } from "../../../io/http.ts";
import { listContainers, type Container } from "../containers.ts";
import { logTail } from "../logs.ts";
import { coreServices, oneShots } from "./profiles.ts";

const EVERY_MS = 1000;
/** A probe that looks for its Kafka Streams stores tries for 11 s before it says that they are not there. */
const PROBE_MS = 14_000;
const GLANCE_MS = 2500;
/** How often a service whose streams have died is started again by us. */
const REVIVALS = 3;
const TAIL = 20;

/** What Kafka Streams 2.7 writes when a topic is missing at its start; the process stays, dead. */
const DEAD_STREAMS =
  /MissingSourceTopicException|INCOMPLETE_SOURCE_TOPIC_METADATA|source topics? .{0,80}(missing|unknown)|(BALANCING|RUNNING) to (PENDING_)?ERR/i;

type Verdict = { ready: true } | { ready: false; sick: boolean; reason: string };

const probed = new Set([...coreServices(profileNames)].flatMap(([name, { probe }]) => (probe ? [name] : [])));
const published = z.object({
  NetworkSettings: z.object({ Ports: z.record(z.string(), z.array(z.object({ HostPort: z.string() })).nullish()).nullish() }),
});
const http = createHttpClient();

/** The containers with health as seen from outside, without jobs that are done. Asks briefly: what does not answer is starting. */
export async function observeCore(engine: Engine, containers: readonly Container[]): Promise<Container[]> {
  const there = containers.filter((one) => !isDone(one));
  const port = await healthPort(engine, there);
  if (port === null) return there;
  return Promise.all(
    there.map(async (one) => {
      if (one.status.state !== "running" || one.paused || !probed.has(one.service)) return one;
      const verdict = await probe(port, one.service, GLANCE_MS);
      const health = verdict.ready ? ("healthy" as const) : verdict.sick ? ("unhealthy" as const) : ("starting" as const);
      return { ...one, status: { ...one.status, health } };
    }),
  );
}

/** A job that has done its work. */
export function isDone({ service, exitCode }: Pick<Container, "service" | "exitCode">): boolean {
  return oneShots.has(service) && exitCode === 0;
}

/**
 * Resolves when every service is ready, and says meanwhile what each one waits for. One whose streams have died for lack of topics is
 * started again, which is said. Throws SERVICE_EXITED, SERVICE_UNHEALTHY, or the signal's reason.
 */
export async function untilCoreReady(input: { engine: Engine; project: string; emit: Emit; signal: AbortSignal }): Promise<void> {
  const { engine, project, emit, signal } = input;
  setMaxListeners(0, signal); // all services are asked at once
  const told = new Map<string, string>();
  const revived = new Map<string, number>();
  const tell = (one: Container, health: "healthy" | "starting" | "unhealthy", detail?: string): void => {
    const text = `${health} ${detail ?? ""}`;
    if (told.get(one.service) === text) return;
    told.set(one.service, text);
    emit({ type: "service", service: { ...one.status, health }, ...(detail !== undefined && { detail }) });
  };
  for (;;) {
    signal.throwIfAborted();
    const containers = (await listContainers(engine, project)).filter((one) => !isDone(one));
    const dead = containers.find(({ exitCode, status }) => exitCode !== null && status.state === "exited");
    if (dead) {
      const { service, exitCode } = dead;
      throw new AiryError("SERVICE_EXITED", { service, exitCode, log: await logTail(engine, dead, TAIL) });
    }
    const port = await healthPort(engine, containers);
    const waited = await Promise.all(
      containers
        .filter(({ service }) => probed.has(service))
        .map(async (one) => {
          if (one.status.state !== "running" || port === null) return (tell(one, "starting", "its container starts"), false);
          const verdict = await probe(port, one.service, PROBE_MS, signal);
          if (verdict.ready) return (tell(one, "healthy"), true);
          if (verdict.sick && (await hasDeadStreams(engine, one))) await revive(one, verdict.reason);
          else tell(one, "starting", verdict.reason);
          return false;
        }),
    );
    if (port !== null && waited.every(Boolean)) return;
    await delay(EVERY_MS, undefined, { signal }).catch(() => {});
  }

  async function revive(one: Container, reason: string): Promise<void> {
    const count = (revived.get(one.service) ?? 0) + 1;
    if (count > REVIVALS) {
      const log = await logTail(engine, one, TAIL);
      throw new AiryError("SERVICE_UNHEALTHY", { service: one.service, reason: `It was started again ${REVIVALS} times: ${reason}`, log });
    }
    revived.set(one.service, count);
    tell(one, "unhealthy", `its streams had ended for lack of topics; it is started again (${count})`);
    await restart(engine, one);
  }
}

/** Starts a service again whose streams have died for lack of topics, once these were looked for; false: it has not. */
export async function reviveCore(engine: Engine, project: string, service: string): Promise<boolean> {
  const containers = await listContainers(engine, project);
  const one = containers.find((container) => container.service === service);
  const port = await healthPort(engine, containers);
  if (!one || port === null || !probed.has(service) || one.status.state !== "running" || one.paused) return false;
  if (!(await hasDeadStreams(engine, one)) || (await probe(port, service, PROBE_MS)).ready) return false;
  const job = containers.find((container) => container.service === "topics");
  if (job) {
    await restart(engine, job);
    await engine.ask((docker, abortSignal) => docker.getContainer(job.id).wait({ abortSignal }), { timeoutMs: 120_000 });
  }
  await restart(engine, one);
  return true;
}

async function restart(engine: Engine, { id }: Container): Promise<void> {
  await engine.ask((docker, abortSignal) => docker.getContainer(id).restart({ abortSignal }), { timeoutMs: 60_000 });
}

/** Only what it has written since it was started: what it died of the last time is over. */
async function hasDeadStreams(engine: Engine, { id, run }: Container): Promise<boolean> {
  const since = Math.floor(Date.parse(run.slice(id.length + 1)) / 1000);
  const options = { follow: false as const, stdout: true, stderr: true, tail: 400, ...(Number.isFinite(since) && { since }) };
  const log = await engine.ask((docker) => docker.getContainer(id).logs(options));
  return DEAD_STREAMS.test(log?.toString("utf8") ?? "");
}

async function healthPort(engine: Engine, containers: readonly Container[]): Promise<number | null> {
  const gateway = containers.find(({ service, status }) => service === "gateway" && status.state === "running");
  if (!gateway) return null;
  const detail = await engine.ask((docker, abortSignal) => docker.getContainer(gateway.id).inspect({ abortSignal }));
  const port = published.safeParse(detail).data?.NetworkSettings.Ports?.["8081/tcp"]?.[0]?.HostPort;
  return port === undefined ? null : Number(port);
}

async function probe(port: number, service: string, timeoutMs: number, signal?: AbortSignal): Promise<Verdict> {
  try {
    const { status, body } = await http({ url: `http://127.0.0.1:${port}/${service}`, timeoutMs, ...(signal && { signal }) });
    if (status === 200) return { ready: true };
    const said = body.toString("utf8");
    // Its own answer, and not the gateway's for it.
    if (/^\s*\{/.test(said))
      return { ready: false, sick: true, reason: `it says of itself: ${said.replaceAll(/\s+/g, " ").slice(0, 120)}` };
    const reason = status === 502 || status === 504 ? "it does not listen yet" : `it answers with status ${status}`;
    return { ready: false, sick: false, reason };
  } catch {
    return { ready: false, sick: false, reason: `it takes more than ${timeoutMs / 1000} s to say how it is` };
  }
}
