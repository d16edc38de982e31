/** `airy wait`: for scripts that go on when everything, or one service, is as it should be. */
import { setTimeout as sleep } from "node:timers/promises";
import { isUp } from "../agent/status.ts";
import { profileNames } from "../config/core.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import type { StatusData } from "../events.ts";
import { servicesOf } from "../platform/platform.ts";
import { statusNow } from "./status.ts";
import type { Options } from "./table.ts";

const TIMEOUT_S = 120;
/** The agent process answers from memory; without one the engine is asked, which is some work for it. */
const PAUSE_MS = 300;

type Wanted = "ready" | "healthy" | "down";

/** Also before anything was started: another terminal may be about to. Throws INVALID_ARGUMENT, WAIT_TIMEOUT. */
export async function runWait(options: Options<"wait">, ctx: Context): Promise<void> {
  const { io, out, signal } = ctx;
  const { service = null } = options;
  if (service !== null) requireService(service);
  const wanted = (options.for ?? "ready") as Wanted;
  const seconds = options.timeout ?? TIMEOUT_S;
  const paths = await openWorkspace(io, options.workspace);
  const since = performance.now();
  for (;;) {
    const status = await statusNow(paths, io);
    signal.throwIfAborted();
    if (isSo(status, service, wanted)) {
      const waitedMs = Math.round(performance.now() - since);
      return out.result({ service, for: wanted, waitedMs, status }, { text: `${service ?? "Everything"} is ${wanted}.` });
    }
    const left = seconds * 1000 - (performance.now() - since);
    if (left <= 0)
      fail("WAIT_TIMEOUT", {
        seconds,
        wanted: `${service ?? "Not everything"} is ${service ? "not " : ""}${wanted}`,
        seen: seenText(status),
      });
    await sleep(Math.min(PAUSE_MS, left), undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

function isSo(status: StatusData, name: string | null, wanted: Wanted): boolean {
  const { services } = status.platform;
  if (name !== null) {
    const service = services.find((one) => one.name === name);
    if (wanted !== "down") return service !== undefined && isUp(service);
    // An engine that does not answer says nothing of its containers.
    if (!service) return status.problems === undefined;
    return service.state === "exited" || service.state === "missing" || service.state === "created";
  }
  if (wanted === "healthy") return services.length > 0 && services.every(isUp);
  return status.state === (wanted === "ready" ? "running" : "stopped");
}

function seenText({ state, platform, tunnel, webhooks, lastFailure, problems }: StatusData): string {
  const services = platform.services.filter((service) => !isUp(service)).map(({ name, state: is, health }) => `${name} ${is} ${health}`);
  const parts = [
    `The state is ${state}`,
    ...services,
    ...(tunnel && tunnel.state !== "open" ? [`tunnel ${tunnel.state}`] : []),
    ...webhooks.filter((one) => one.state !== "active").map((one) => `webhook ${one.object} ${one.state}`),
    ...(problems ?? []).map(({ message }) => message),
    ...(lastFailure ? [`the last start failed: ${lastFailure.message}`] : []),
  ];
  return `${parts.join("; ").replace(/\.$/, "")}.`;
}

function requireService(service: string): void {
  const known = new Set([...servicesOf(true, null), ...servicesOf(true, profileNames)]);
  if (known.has(service)) return;
  fail("INVALID_ARGUMENT", { command: "wait", reason: `There is no service "${service}"; there are: ${[...known].join(", ")}.` });
}
