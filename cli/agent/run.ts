/** The agent process of a workspace: control API first, then its part of the start, then watch until told to stop. */
import { randomBytes } from "node:crypto";
import type { Context } from "../context.ts";
import { workspacePaths, type WorkspacePaths } from "../config/paths.ts";
import { createHttpClient } from "../io/http.ts";
import { startTime } from "../io/process.ts";
import { joinSignals } from "../io/signals.ts";
import { loadEngine } from "../platform/engines.ts";
import type { Emit, TunnelStatus, WebhookStatus } from "../events.ts";
import { AiryError, asAiryError, errorBody, exitCode, whyOf } from "../errors.ts";
import { createFacebookSource } from "../sources/facebook/registrar.ts";
import type { Source, SourceTarget } from "../sources/source.ts";
import { loadOrCreateIdentity } from "../tunnel/identity.ts";
import { startTunnel, type RunningTunnel } from "../tunnel/tunnel.ts";
import { earlierCallbacks, rememberCallback } from "./callbacks.ts";
import { claimWorkspace } from "./claim.ts";
import { startControl } from "./control.ts";
import { createJournal, type Journal } from "./journal.ts";
import { removeRecord, writeRecord, type AgentRecord } from "./record.ts";
import { parseSettings, secretsOf, settingsHash, type AgentSettings } from "./settings.ts";
import { buildStatus } from "./status.ts";
import { watchServices, watchWebhooks } from "./watch.ts";
import { start } from "./work.ts";

/** Paths of the platform that are public, and whose POSTs the edge may keep while they cannot be delivered. */
const WEBHOOK_PATHS = ["/facebook"];

/** Runs until `POST /stop` or a signal; the exit code is that of a failed start, else 0. */
export async function runAgent(ctx: Context): Promise<void> {
  const settings = parseSettings(await readAll(ctx.io.stdin));
  for (const secret of secretsOf(settings)) ctx.out.hide(secret);
  const log = (line: string): void => ctx.out.note(`${ctx.io.now().toISOString()} ${line}`);
  const paths = workspacePaths(settings.spec.workspace);
  const claim = await claimWorkspace(paths, settings.startId, ctx.io);
  if (!claim) return log("a later start has taken over before this one began");
  const journal = createJournal({ file: paths.events, now: ctx.io.now, secrets: secretsOf(settings), log });
  const stopping = new AbortController();
  const { signal } = joinSignals([ctx.signal, stopping.signal]);
  const agent = await build({ ctx, settings, paths, journal, log, signal });

  const control = await startControl({
    port: settings.controlPort,
    token: agent.record.token,
    journal,
    state: agent.status,
    tunnel: agent.tunnel,
    stop: () => stopping.abort(new Error("asked to stop")),
  });
  agent.record.port = control.port;
  await writeRecord(paths, agent.record);
  log(`agent ${ctx.build.version} build ${ctx.build.id} listens on 127.0.0.1:${control.port}`);

  let failure: AiryError | null = null;
  try {
    const target = await agent.start();
    agent.record.phase = "ready";
    await writeRecord(paths, agent.record);
    journal.append({ type: "ready", status: await agent.status() });
    await Promise.all([
      watchWebhooks({ source: agent.source, target, emit: agent.emit, signal, log }),
      watchServices({ platform: agent.engine, workspace: paths.root, emit: agent.emit, signal }),
    ]);
  } catch (error) {
    if (!signal.aborted) failure = asAiryError(error);
  }
  if (ctx.signal.reason instanceof AiryError && ctx.signal.reason.code === "INTERNAL") failure = ctx.signal.reason;
  agent.record.phase = "stopping";
  await writeRecord(paths, agent.record);
  if (failure) {
    log(`failed: ${failure.code} ${failure.message} ${whyOf(failure)}`);
    journal.append({ type: "failed", error: errorBody(failure) });
  }
  await agent.stop();
  if (!failure) journal.append({ type: "stopped" });
  await journal.close();
  await control.close();
  await removeRecord(paths, settings.startId);
  await claim.release();
  log("stopped");
  ctx.out.exit = failure ? exitCode(failure) : 0;
}

interface Parts {
  ctx: Context;
  settings: AgentSettings;
  paths: WorkspacePaths;
  journal: Journal;
  log: (line: string) => void;
  signal: AbortSignal;
}

/** The state that the control API shows, and what changes it. */
async function build({ ctx, settings, paths, journal, log, signal }: Parts) {
  const engine = await loadEngine(settings.engine, ctx.io);
  const http = createHttpClient();
  const { facebook } = settings.spec;
  const source: Source | null = facebook && createFacebookSource({ http, ...facebook });
  let tunnel: RunningTunnel | null = null;
  let webhooks: WebhookStatus[] = [];
  let shown = "";

  const emit: Emit = (event) => {
    if (event.type === "webhook") webhooks = [event.webhook];
    journal.append(event);
  };
  /** A new round-trip time alone is not news. */
  const onStatus = (status: TunnelStatus): void => {
    const text = JSON.stringify({ ...status, rttMs: null });
    if (text === shown) return;
    shown = text;
    emit({ type: "tunnel", tunnel: status });
  };

  const identity = await loadOrCreateIdentity(paths.identity);
  const open = (): RunningTunnel => {
    tunnel = startTunnel({
      edge: settings.edge,
      hostKey: settings.edgeKey === null ? { kind: "pin", file: paths.knownEdges } : { kind: "known", key: settings.edgeKey },
      identity: identity.privateKey,
      target: { host: "127.0.0.1", port: settings.spec.ports.platform },
      paths: WEBHOOK_PATHS,
      hold: settings.hold ? WEBHOOK_PATHS : [],
      holdSigned: true,
      onStatus,
      onRequest: (request) => emit({ type: "request", request }),
      onFirstContact: (fingerprint) => {
        const { host, port } = settings.edge;
        const message = `first contact with the edge ${host}:${port}; its host key ${fingerprint} is trusted from now on`;
        emit({ type: "check", id: "edge-key", status: "ok", message });
      },
      onRefused: "retry",
      log: (line) => log(`tunnel: ${line}`),
    });
    void tunnel.closed.then((error) => {
      if (error) emit({ type: "warning", code: error.code, message: error.message, action: "airy up takes the name back" });
    });
    return tunnel;
  };

  const record: AgentRecord = {
    version: 1,
    pid: ctx.io.pid,
    started: (await startTime(ctx.io.pid)) ?? "",
    port: 0,
    token: randomBytes(24).toString("base64url"),
    build: ctx.build.id,
    startId: settings.startId,
    config: settingsHash(settings),
    phase: "starting",
  };

  return {
    record,
    engine,
    source,
    emit,
    tunnel: (): RunningTunnel | null => tunnel,
    status: async () =>
      buildStatus({
        engine: settings.engine,
        sandbox: settings.spec.sandbox !== null,
        platformPort: settings.spec.ports.platform,
        services: await engine.status(settings.spec.workspace),
        tunnel: tunnel?.status() ?? null,
        webhooks,
        controlPort: record.port,
        ready: record.phase === "ready",
      }),
    start: (): Promise<SourceTarget> =>
      start({
        settings,
        platform: engine,
        source,
        http,
        emit,
        signal,
        startTunnel: open,
        callbacks: () => earlierCallbacks(paths, identity),
        remember: (callbackUrl) => {
          const heldAt = settings.hold && !settings.spec.sandbox ? { ...settings.edge, key: settings.edgeKey } : null;
          return rememberCallback(paths, callbackUrl, ({ ports }) => ({ heldAt, ports: ports && { ...ports, control: record.port } }));
        },
      }),
    /** What faces outward first. Containers are the launcher's to stop. */
    stop: async (): Promise<void> => {
      await tunnel?.close();
      if (settings.engine === "embedded") await engine.down(settings.spec.workspace, emit);
    },
  };
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) text += String(chunk);
  return text;
}
