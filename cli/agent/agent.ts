/** The state of a workspace that runs, which the control API shows, and what changes it. */
import { randomBytes } from "node:crypto";
import type { WorkspacePaths } from "../config/paths.ts";
import { acquireLock } from "../config/lock.ts";
import { readState } from "../config/state.ts";
import type { Context } from "../context.ts";
import { asAiryError } from "../errors.ts";
import type { Emit, StatusData, TunnelStatus, WebhookStatus } from "../events.ts";
import { askHealth, deliveriesOf } from "../checks/deliveries.ts";
import { createHttpClient } from "../io/http.ts";
import { startTime } from "../io/process.ts";
import { loadEngine } from "../platform/engines.ts";
import { gateTokenOf } from "../platform/compose/core/secrets.ts";
import { heldPaths, servicesOf, webhookPaths, type Platform } from "../platform/platform.ts";
import { createFacebookSource } from "../sources/facebook/registrar.ts";
import { checkPages } from "../sources/facebook/pages.ts";
import { fileLease } from "../sources/lease.ts";
import type { SourceTarget } from "../sources/source.ts";
import { loadOrCreateIdentity, type Identity } from "../tunnel/identity.ts";
import { startTunnel, type RunningTunnel } from "../tunnel/tunnel.ts";
import { earlierCallbacks, rememberCallback } from "./callbacks.ts";
import { DeliveryWatch } from "./deliveries.ts";
import type { Journal } from "./journal.ts";
import type { AgentRecord } from "./record.ts";
import { settingsHash, type AgentSettings } from "./settings.ts";
import { Reviver } from "./reviver.ts";
import { startSignatureGate, type SignatureGate } from "./signature-gate.ts";
import { buildStatus, lookAtServices } from "./status.ts";
import { watchServices } from "./watch.ts";
import { startLocalEdge } from "./local-edge.ts";
import { Registration, type Checked } from "./registration.ts";
import { connect, start, type WorkContext } from "./work.ts";

export interface AgentOptions {
  ctx: Pick<Context, "io" | "build">;
  settings: AgentSettings;
  paths: WorkspacePaths;
  journal: Journal;
  log: (line: string) => void;
  signal: AbortSignal;
}

export async function createAgent(options: AgentOptions): Promise<Agent> {
  const { ctx, settings, paths } = options;
  const engine = await loadEngine(settings.engine, ctx.io, await readState(paths));
  const gate = await gateOf(settings.spec);
  return new Agent(options, engine, await loadOrCreateIdentity(paths.identity), (await startTime(ctx.io.pid)) ?? "", gate);
}

/** Airy's own inbox is below a path. */
function inboxAddress({ core, inboxUrl, ports }: AgentSettings["spec"]): string | undefined {
  return core ? `${inboxUrl ?? `http://127.0.0.1:${ports.platform}`}/inbox/` : inboxUrl;
}

/** Checks Meta's signatures where the platform does not. */
async function gateOf(spec: AgentSettings["spec"]): Promise<SignatureGate | null> {
  if (!spec.core) return null;
  const others = webhookPaths(spec.core.profiles).filter((path) => path !== "/facebook");
  const { resign } = spec.core;
  return startSignatureGate({
    port: spec.ports.platform,
    token: gateTokenOf(spec),
    appSecret: spec.facebook?.appSecret ?? null,
    resign,
    others,
  });
}

class Agent {
  readonly record: AgentRecord;
  tunnel: RunningTunnel | null = null;
  readonly #options: AgentOptions;
  readonly #engine: Platform;
  readonly #identity: Identity;
  readonly #gate: SignatureGate | null;
  readonly #registration: Registration;
  readonly #deliveries: DeliveryWatch;
  readonly #reviver: Reviver;
  #target: SourceTarget | null = null;
  #edge: { close(): Promise<void> } | null = null;
  readonly #expected: string[];
  readonly #work: WorkContext;
  #webhooks: WebhookStatus[] = [];
  #shown = "";

  constructor(options: AgentOptions, engine: Platform, identity: Identity, started: string, gate: SignatureGate | null) {
    const { ctx, settings, signal } = options;
    const http = createHttpClient();
    const { spec } = settings;
    const { facebook, sandbox } = spec;
    this.#options = options;
    this.#engine = engine;
    this.#identity = identity;
    this.#gate = gate;
    const source = facebook && createFacebookSource({ http, ...facebook, lease: fileLease(options.paths.lease, facebook.appId) });
    this.#expected = servicesOf(sandbox !== null, settings.spec.core?.profiles ?? null);
    this.#work = {
      settings,
      platform: engine,
      source,
      http,
      emit: this.#emit,
      signal,
      openEdge: async () => {
        if (settings.localEdge) this.#edge = await startLocalEdge(spec, settings.localEdge, options.log);
      },
      startTunnel: () => this.#openTunnel(),
      pages: () => this.#registration.checkPages(),
      callbacks: () => earlierCallbacks(options.paths, identity),
      remember: (callbackUrl) => this.#remember(callbackUrl),
    };
    this.#registration = new Registration({
      source,
      pages: () => checkPages(http, { platformUrl: `http://127.0.0.1:${spec.ports.platform}`, apiToken: spec.api?.token }, signal),
      connectOwn: sandbox && { pageId: sandbox.page.id, connect: () => connect(this.#work) },
      emit: this.#emit,
      signal,
      log: options.log,
    });
    this.#deliveries = new DeliveryWatch({
      health: () => askHealth(http, `http://127.0.0.1:${spec.ports.platform}`),
      refused: () => this.tunnel?.traffic.counters().refused ?? 0,
      sandbox: sandbox !== null,
      emit: this.#emit,
      signal,
    });
    const { root: workspace } = options.paths;
    this.#reviver = new Reviver({
      platform: engine,
      workspace,
      emit: this.#emit,
      now: ctx.io.now,
      alone: (work) => this.#alone(work),
    });
    this.record = {
      version: 1,
      pid: ctx.io.pid,
      started,
      port: 0,
      token: randomBytes(24).toString("base64url"),
      build: ctx.build.id,
      startId: settings.startId,
      config: settingsHash(settings),
      phase: "starting",
    };
  }

  /** Throws AiryError at the first step that fails. */
  async start(): Promise<SourceTarget> {
    this.#target = await start(this.#work);
    return this.#target;
  }

  /** Looks at webhook and pages now, and mends what is ours. null: it is not ready. */
  async check(replaceWebhook: boolean): Promise<Checked | null> {
    return this.#target && this.#registration.check(this.#target, { replaceWebhook, asked: true });
  }

  /** Until the signal: mends what is ours, and says what changes. */
  async watch(target: SourceTarget): Promise<void> {
    const { paths, settings, signal } = this.#options;
    const watched = { emit: this.#emit, signal };
    await Promise.all([
      this.#registration.watch(target),
      watchServices({
        ...watched,
        platform: this.#engine,
        workspace: paths.root,
        expected: this.#expected,
        onStarted: async (service) => {
          if (service === "facebook" && settings.spec.sandbox) await this.#registration.afterStart(target);
        },
        onDown: (names) => this.#bringBack(names),
        onSeen: (services) => this.#reviver.look(services),
      }),
    ]);
  }

  /** Containers do not come back with their engine. Where a launcher is at work, that is its business. */
  async #bringBack(names: readonly string[]): Promise<void> {
    const { paths, signal, log } = this.#options;
    log(`docker is back, these are not, and are started again: ${names.join(", ")}`);
    try {
      await this.#alone(async () => void (await Promise.all(names.map((name) => this.#engine.restart?.(paths.root, name)))));
    } catch (error) {
      const { code, message } = asAiryError(error);
      if (signal.aborted) return;
      log(`docker is back, the services are not: ${code} ${message}`);
      this.#emit({ type: "warning", code, message, action: "airy up" });
    }
  }

  /** As one launcher at work keeps the others out; while one is at work nothing is done. */
  async #alone(work: () => Promise<void>): Promise<void> {
    const { ctx, paths } = this.#options;
    const lock = await acquireLock(paths.lock, "up", ctx.io).catch((error: unknown) => {
      if (asAiryError(error).code === "LOCKED") return null;
      throw error;
    });
    if (lock) await work().finally(() => lock.release());
  }

  async status(): Promise<StatusData> {
    const { engine, spec } = this.#options.settings;
    const [{ services, problems }, health] = await Promise.all([
      lookAtServices(this.#engine, spec.workspace, this.#expected),
      spec.core ? null : askHealth(this.#work.http, `http://127.0.0.1:${spec.ports.platform}`),
    ]);
    return buildStatus({
      engine,
      edition: spec.core ? "core" : "basic",
      sandbox: spec.sandbox !== null,
      platformPort: spec.ports.platform,
      inboxUrl: inboxAddress(spec),
      exposed: webhookPaths(spec.core?.profiles),
      services: this.#reviver.noted(services),
      problems,
      tunnel: this.tunnel?.status() ?? null,
      webhooks: this.#webhooks,
      pages: this.#registration.pages,
      deliveries: health && deliveriesOf(health),
      refused: this.tunnel?.traffic.counters().refused,
      controlPort: this.record.port,
      ready: this.record.phase === "ready",
    });
  }

  /** What faces outward first. Containers are the launcher's to stop. */
  async stop(): Promise<void> {
    const { engine, spec } = this.#options.settings;
    await this.tunnel?.close();
    await this.#edge?.close();
    await this.#gate?.close();
    if (engine === "embedded") await this.#engine.down(spec.workspace, this.#emit);
  }

  readonly #emit: Emit = (event) => {
    if (event.type === "webhook") {
      const { webhook } = event;
      const index = this.#webhooks.findIndex((each) => each.source === webhook.source && each.object === webhook.object);
      this.#webhooks = index < 0 ? [...this.#webhooks, webhook] : this.#webhooks.with(index, webhook);
    }
    this.#options.journal.append(event);
  };

  #openTunnel(): RunningTunnel {
    const { settings, paths, log } = this.#options;
    const { edge, edgeKey, spec, hold } = settings;
    this.tunnel = startTunnel({
      edge,
      hostKey: edgeKey === null ? { kind: "pin", file: paths.knownEdges } : { kind: "known", key: edgeKey },
      identity: this.#identity.privateKey,
      target: { host: "127.0.0.1", port: this.#gate?.port ?? spec.ports.platform },
      paths: webhookPaths(spec.core?.profiles),
      hold: hold ? heldPaths(spec.core?.profiles) : [],
      holdSigned: true,
      inspect: settings.inspect,
      onStatus: (status) => this.#onTunnel(status),
      onRequest: (request) => {
        this.#emit({ type: "request", request });
        this.#deliveries.seen(request);
      },
      onFirstContact: (fingerprint) => {
        const message = `first contact with the edge ${edge.host}:${edge.port}; its host key ${fingerprint} is trusted from now on`;
        this.#emit({ type: "check", id: "edge-key", status: "ok", message });
      },
      onRefused: "retry",
      log: (line) => log(`tunnel: ${line}`),
    });
    void this.tunnel.closed.then((error) => {
      if (error) this.#emit({ type: "warning", code: error.code, message: error.message, action: "airy up takes the name back" });
    });
    return this.tunnel;
  }

  /** A new round-trip time alone is not news. */
  #onTunnel(status: TunnelStatus): void {
    const text = JSON.stringify({ ...status, rttMs: null });
    if (text === this.#shown) return;
    this.#shown = text;
    this.#emit({ type: "tunnel", tunnel: status });
  }

  async #remember(callbackUrl: string): Promise<void> {
    const { paths, settings } = this.#options;
    const heldAt = settings.hold && !settings.spec.sandbox && !settings.localEdge ? { ...settings.edge, key: settings.edgeKey } : null;
    await rememberCallback(paths, callbackUrl, ({ ports }) => ({ heldAt, ports: ports && { ...ports, control: this.record.port } }));
  }
}
