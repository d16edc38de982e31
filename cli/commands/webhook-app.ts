/** The Facebook app of a workspace, as commands ask it without the agent process. */
import { earlierCallbacks } from "../agent/callbacks.ts";
import { facebookApp, readConfig } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readSecrets, readState } from "../config/state.ts";
import { fail } from "../errors.ts";
import { createHttpClient } from "../io/http.ts";
import type { Io } from "../io/io.ts";
import type { GraphConfig } from "../sources/facebook/graph.ts";
import { createFacebookSource } from "../sources/facebook/registrar.ts";
import { fileLease } from "../sources/lease.ts";
import type { Lease, Restored, Source, SourceTarget } from "../sources/source.ts";
import { loadOrCreateIdentity } from "../tunnel/identity.ts";

export interface KnownApp {
  graph: GraphConfig;
  source: Source;
  lease: Lease;
  /** With the callback URL that was registered last; empty where none was. */
  target: SourceTarget;
  sandbox: boolean;
  platform: { platformUrl: string; apiToken: string | undefined };
}

/** Throws APP_UNCONFIGURED, and what is wrong with the configuration. */
export async function openApp(paths: WorkspacePaths, io: Io): Promise<KnownApp> {
  const state = await readState(paths);
  const secrets = await readSecrets(paths);
  const config = await readConfig(paths.config, io.env);
  const sandbox = state.sandbox === true && secrets !== null && state.ports !== null;
  const app = sandbox ? null : facebookApp(config, paths.config);
  if (!sandbox && !app) fail("APP_UNCONFIGURED");
  const graph: GraphConfig = {
    http: createHttpClient(),
    appId: app?.appId ?? secrets?.sandbox.appId ?? "",
    appSecret: app?.appSecret ?? secrets?.sandbox.appSecret ?? "",
    graphVersion: config.graphVersion,
    graphUrl: sandbox ? `http://127.0.0.1:${state.ports?.facebook}` : config.graphUrl,
  };
  const previousUrls = await earlierCallbacks(paths, await loadOrCreateIdentity(paths.identity));
  const lease = fileLease(paths.lease, graph.appId);
  return {
    graph,
    lease,
    sandbox,
    platform: { platformUrl: `http://127.0.0.1:${state.ports?.platform ?? 1}`, apiToken: config.api.token },
    source: createFacebookSource({ ...graph, lease }),
    target: { callbackUrl: previousUrls.at(-1) ?? "", previousUrls, verifyToken: app?.webhookSecret ?? secrets?.verifyToken ?? "" },
  };
}

/** Throws APP_UNCONFIGURED, WEBHOOK_NOT_OURS, WEBHOOK_TOKEN_NEEDED, WEBHOOK_OLD_DEAD. */
export async function restoreWebhook(
  paths: WorkspacePaths,
  io: Io,
  oldToken: string | undefined,
  signal: AbortSignal,
): Promise<Restored[]> {
  const { source, target } = await openApp(paths, io);
  return source.restore(target, oldToken?.trim() || null, signal);
}

export function restoredText(restored: readonly Restored[]): string {
  return restored
    .map(({ object, outcome, callbackUrl }) => {
      if (outcome === "restored") return `The webhook for ${object} is ${callbackUrl} again.`;
      if (outcome === "removed") return `The webhook for ${object} was removed: there was none before.`;
      return `For ${object} there was nothing to put back.`;
    })
    .join("\n");
}
