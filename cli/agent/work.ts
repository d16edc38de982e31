/** The agent's part of a start: platform (embedded), tunnel, probe from outside, page, webhook; then it keeps watch. */
import type { HttpClient } from "../io/http.ts";
import { joinSignals } from "../io/signals.ts";
import { apply, type Outcome } from "../steps/apply.ts";
import { plan, stepsFor } from "../steps/plan.ts";
import type { Emit, TunnelStatus, WebhookStatus } from "../events.ts";
import type { Platform } from "../platform/platform.ts";
import { AiryError, fail } from "../errors.ts";
import { probeCallback } from "../sources/facebook/callback.ts";
import { instagramOf } from "../sources/facebook/accounts.ts";
import { Graph } from "../sources/facebook/graph.ts";
import { connectPage, subscribeStandInPage } from "../sources/facebook/connect.ts";
import type { Source, SourceTarget } from "../sources/source.ts";
import { isNearby } from "../tunnel/public-url.ts";
import type { RunningTunnel } from "../tunnel/tunnel.ts";
import type { AgentSettings } from "./settings.ts";

/** How long the edge may take to be reached at the start. Later the tunnel tries forever. */
const TUNNEL_START_MS = 10_000;
const PROBE_DELAYS_MS = [100, 250, 500, 1000, 2000];

export interface WorkContext {
  settings: AgentSettings;
  platform: Platform;
  /** null: no Facebook app is configured. */
  source: Source | null;
  http: HttpClient;
  emit: Emit;
  signal: AbortSignal;
  /** Where the edge is one of our own. Throws PORT_TAKEN, EDGE_START. */
  openEdge: () => Promise<void>;
  startTunnel: () => RunningTunnel;
  /** Looks at the pages that were connected before, and mends them. */
  pages: () => Promise<string[]>;
  /** Earlier callback URLs of this workspace; the present one is added by {@link WorkContext.remember}. */
  callbacks: () => Promise<readonly string[]>;
  /** Before anybody else is told of it, so that a URL of ours is never taken for somebody else's. */
  remember: (callbackUrl: string) => Promise<void>;
}

/** Runs the agent's part of the plan. Returns the target of the webhook. Throws AiryError at the first step that fails. */
export async function start(work: WorkContext): Promise<SourceTarget> {
  const { settings, platform, emit } = work;
  const { spec, engine, edge } = settings;
  const lost = new AbortController();
  const { signal, release } = joinSignals([work.signal, lost.signal]);
  let target: SourceTarget = { callbackUrl: "", verifyToken: spec.secrets.verifyToken, previousUrls: [] };
  const steps = plan({ engine, sandbox: spec.sandbox !== null, edge: addressOf(edge), course: { kind: "start" }, lacks: [] });
  await apply(
    stepsFor("agent", steps),
    {
      platform: () => platform.up(spec, emit, signal).then(() => ({})),
      tunnel: async () => {
        await work.openEdge();
        const tunnel = work.startTunnel();
        // Closed for good while it starts: what fails from then on fails because of that.
        void tunnel.closed.then((error) => error && lost.abort(error));
        const url = await openTunnel(tunnel, settings, signal);
        // A name under an edge on the internet could still lead to a service of this machine, or of its network.
        const refuse = (address: string): boolean => isNearby(address) && !isNearby(tunnel.edgeAddress() ?? "");
        work.source?.require(`${url}/facebook`);
        target = { ...target, callbackUrl: `${url}/facebook`, previousUrls: [...(await work.callbacks())], refuse };
        await work.remember(target.callbackUrl);
        return { detail: url };
      },
      probe: () => probe({ ...work, signal }, target),
      page: () => connect({ ...work, signal }),
      webhook: () => register({ ...work, signal }, target),
    },
    emit,
    signal,
  ).finally(release);
  return target;
}

function addressOf(edge: AgentSettings["edge"]): string {
  return `${edge.host}:${edge.port}`;
}

async function openTunnel(tunnel: RunningTunnel, settings: AgentSettings, signal: AbortSignal): Promise<string> {
  const status = await firstOpen(tunnel, settings, signal);
  return (
    status.url ?? fail("PROBE_FAILED", { url: `${status.edge}`, reason: "The edge did not say under which URL this workspace is public." })
  );
}

/** Rejects with SSH_UNREACHABLE when the edge could not be reached in time. */
async function firstOpen(tunnel: RunningTunnel, settings: AgentSettings, signal: AbortSignal): Promise<TunnelStatus> {
  const given = joinSignals([signal], TUNNEL_START_MS, () => {
    const { reason } = tunnel.status();
    const seconds = TUNNEL_START_MS / 1000;
    return new AiryError("SSH_UNREACHABLE", {
      edge: addressOf(settings.edge),
      reason: reason ? `The last attempt within ${seconds} s ended with ${reason}.` : `No answer within ${seconds} s.`,
    });
  });
  try {
    return await Promise.race([tunnel.opened, rejected(given.signal)]);
  } finally {
    given.release();
  }
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

async function probe(work: WorkContext, target: SourceTarget): Promise<Outcome> {
  const { http, signal } = work;
  const verifyToken = work.source ? target.verifyToken : null;
  const { callbackUrl, refuse } = target;
  await probeCallback({ http, callbackUrl, verifyToken, refuse, retryDelaysMs: PROBE_DELAYS_MS, signal });
  return { detail: work.source ? "the challenge came back" : "the platform answers" };
}

/** The page of the stand-in; others are connected by their owners. */
export async function connect(work: WorkContext): Promise<Outcome> {
  const { spec } = work.settings;
  if (!spec.sandbox) return { state: "skipped" };
  const { page } = spec.sandbox;
  if (spec.core) {
    const { graphUrl = "", graphVersion } = spec.facebook ?? {};
    await subscribeStandInPage({ http: work.http, graphUrl, graphVersion, pageId: page.id, pageToken: page.token, signal: work.signal });
    return { detail: `${page.name} is subscribed; Airy Core itself connects only pages of Facebook's` };
  }
  const platformUrl = `http://127.0.0.1:${spec.ports.platform}`;
  const { http, signal } = work;
  const apiToken = spec.api?.token;
  const given = { http, platformUrl, apiToken, pageId: page.id, pageToken: page.token, name: page.name, signal };
  await connectPage(given);
  // Its Instagram account as well: the stand-in has customers there.
  const instagramId = spec.facebook && (await instagramOf(new Graph({ http, ...spec.facebook }), page, signal));
  if (instagramId) await connectPage({ ...given, instagramId, name: `${page.name} Instagram account` });
  return { detail: page.name };
}

async function register(work: WorkContext, target: SourceTarget): Promise<Outcome> {
  if (!work.source) {
    const webhook: WebhookStatus = { source: "facebook", object: "page", state: "unconfigured", callbackUrl: null };
    work.emit({ type: "webhook", webhook });
    work.emit({
      type: "warning",
      code: "WEBHOOK_UNCONFIGURED",
      message: "No Facebook app is configured, so Facebook was not told about this URL.",
      action: "set FACEBOOK_APP_ID and FACEBOOK_APP_SECRET, or components.sources.facebook in airy.yaml, then: airy up",
    });
    return { state: "skipped", detail: "no Facebook app is configured" };
  }
  const app = await work.source.check(work.signal);
  await work.source.register(target, { replaceWebhook: work.settings.replaceWebhook, reached: true }, work.emit, work.signal);
  for (const message of await work.pages()) work.emit({ type: "warning", code: "WEBHOOK_REPAIRED", message });
  return { detail: `app ${app.account}` };
}
