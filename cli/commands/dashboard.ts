/** What `airy up` and `airy attach` share: where the dashboard's events come from, and what its keys do. */
import { setTimeout as sleep } from "node:timers/promises";
import { fetchState, followEvents, replayRequest, showRequest } from "../agent/client.ts";
import type { ShownMessage } from "../agent/inspect.ts";
import { findAgent, type AgentRecord } from "../agent/record.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readSecrets, readState } from "../config/state.ts";
import type { Context } from "../context.ts";
import { AiryError, asAiryError, exitCode, fail } from "../errors.ts";
import type { AiryEvent } from "../events.ts";
import { openInBrowser } from "../io/browser.ts";
import { createHttpClient } from "../io/http.ts";
import { loadEngine } from "../platform/engines.ts";
import { asCalled } from "../report/called.ts";
import { triggerEvent } from "../sources/facebook/trigger.ts";
import type { Deck } from "../tui/deck.ts";
import type { DashboardResult } from "../tui/app.tsx";
import { runDown } from "./down.ts";
import type { Feed } from "./feed.ts";

/** Log lines of each service that the viewer begins with. */
const TAIL = 200;
/** How often the round-trip time is asked for; a new one alone is no event. */
const MEASURE_MS = 10_000;

export function deckOf(paths: WorkspacePaths, ctx: Context): Deck {
  const { io, signal } = ctx;
  const http = createHttpClient();
  return {
    async *logs(over) {
      const state = await readState(paths);
      // Before the start has chosen there is none; it is asked for again.
      if (state.engine === null) return;
      const engine = await loadEngine(state.engine, io, state);
      yield* engine.logs(paths.root, { service: null, tail: TAIL, follow: true, signal: over });
    },
    async open() {
      const url = await inboxUrl(paths);
      return (await openInBrowser(url, io)) ? `Opened ${url}` : `There is no browser here; the inbox is at ${url}`;
    },
    async trigger(text) {
      const [state, secrets] = [await readState(paths), await readSecrets(paths)];
      if (!state.sandbox || !state.ports || !secrets) return fail("NO_SANDBOX");
      const standIn = { http, signal, sandboxUrl: `http://127.0.0.1:${state.ports.facebook}`, commandToken: secrets.sandbox.commandToken };
      const { status } = await triggerEvent(standIn, { kind: "message", text });
      return status === 0 ? `"${text}" was written; the webhook did not answer` : `"${text}" was written; the webhook answered ${status}`;
    },
    async request(id) {
      try {
        const { request, response } = await showRequest(await agentOf(paths), id);
        return {
          requestHeaders: request.headers,
          requestBody: bodyOf(request),
          responseHeaders: response?.headers ?? [],
          responseBody: response && bodyOf(response),
        };
      } catch (error) {
        if (asAiryError(error).code === "REQUEST_UNKNOWN") return null;
        throw error;
      }
    },
    async replay(id) {
      const { status, durationMs } = await replayRequest(await agentOf(paths), id, {});
      return `Request ${id} was sent again; the answer was ${status} after ${Math.round(durationMs)} ms`;
    },
    async restart(service) {
      const state = await readState(paths);
      const engine = await loadEngine(state.engine ?? fail("NOT_RUNNING", { workspace: paths.root }), io, state);
      if (!engine.restart) return asCalled("The services of the embedded engine restart together: airy down, then airy up");
      await engine.restart(paths.root, service);
      return `Restarted ${service}`;
    },
  };
}

async function agentOf(paths: WorkspacePaths): Promise<AgentRecord> {
  return (await findAgent(paths)) ?? fail("NOT_RUNNING", { workspace: paths.root });
}

function bodyOf({ body, encoding, cut }: ShownMessage): string {
  const kept = encoding === "base64" && body !== "" ? `(base64) ${body}` : body;
  return cut > 0 ? `${kept}\n(${cut} bytes more were not kept)` : kept;
}

async function inboxUrl(paths: WorkspacePaths): Promise<string> {
  const { ports } = await readState(paths);
  return ports ? `http://127.0.0.1:${ports.platform}` : fail("NOT_RUNNING", { workspace: paths.root });
}

/** Everything the agent process has seen since it started, then how all is now, then what comes; ends when it does. */
export async function feedFrom(agent: AgentRecord, feed: Pick<Feed<AiryEvent>, "push">, ctx: Context, signal: AbortSignal): Promise<void> {
  const { status, seq: present } = await fetchState(agent);
  let told = false;
  const ready = (): void => {
    told = true;
    feed.push(ctx.out.stamp({ type: "ready", status }));
    void measure(agent, feed, ctx, signal);
  };
  if (present === 0) ready();
  for await (const { seq, ...event } of followEvents(agent, 0, signal)) {
    // A failure of before has passed: the process lives.
    if (seq > present || (event.type !== "failed" && event.type !== "stopped")) feed.push(event as AiryEvent);
    if (!told && seq >= present) ready();
  }
}

async function measure(agent: AgentRecord, feed: Pick<Feed<AiryEvent>, "push">, ctx: Context, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(MEASURE_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const state = await fetchState(agent).catch(() => null);
    if (state?.status.tunnel && !signal.aborted) feed.push(ctx.out.stamp({ type: "tunnel", tunnel: state.status.tunnel }));
  }
}

/** What follows from how the dashboard was left. Throws AGENT_EXITED. */
export async function afterDashboard(result: DashboardResult, paths: WorkspacePaths, ctx: Context): Promise<void> {
  const { out, signal } = ctx;
  if (result === "stopped") return out.line(asCalled("Stopped from another terminal. airy up starts it again."));
  if (result === "ended") fail("AGENT_EXITED", { service: "agent", reason: "Its connection ended." });
  if (result === "stop")
    return runDown({ json: false, workspace: paths.root, adopt: false, restoreWebhook: false, verifyToken: undefined }, ctx);
  out.line(asCalled("Everything keeps running in the background.  back here: airy attach   stop: airy down"));
  if (signal.reason instanceof AiryError) out.exit = exitCode(signal.reason);
}
