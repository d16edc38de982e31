/** All services of the embedded engine, running in this process (the agent's), with Postgres as its child. */
import path from "node:path";
import { startPlatform, type FacebookConfig } from "../../../compose/basic/src/index.ts";
import { startFacebookSandbox } from "../../../compose/sandbox/src/index.ts";
import { startEdge } from "../../../edge/index.ts";
import { holderOf, holderText, isFree } from "../../checks/ports.ts";
import { makePrivateDir, tailLines, writeAtomic } from "../../io/files.ts";
import { createHttpClient } from "../../io/http.ts";
import type { Emit, ServiceStatus } from "../../events.ts";
import { AiryError, fail } from "../../errors.ts";
import { platformOptions, type PlatformSpec } from "../platform.ts";
import { logFileOf, openLog } from "./logs.ts";
import { startPostgres, type Host } from "./postgres.ts";

export interface StackOptions {
  spec: PlatformSpec;
  host: Host;
  /** Folder with the built inbox page. */
  webDir: string;
  emit: Emit;
  signal: AbortSignal;
}

export interface RunningStack {
  status(): ServiceStatus[];
  /** Stops what faces outward first and the database last. */
  close(): Promise<void>;
}

/** Milliseconds that requests in flight get when the local edge stops. */
const edgeGraceMs = 2000;

type SandboxSpec = NonNullable<PlatformSpec["sandbox"]>;

interface Part {
  status(): ServiceStatus;
  close(): Promise<void>;
}

/**
 * Starts all services and returns when they are healthy; when one fails, the others are stopped again.
 * Throws PORT_TAKEN, SERVICE_EXITED, POSTGRES_*, or the signal's reason.
 */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const { spec, signal } = options;
  // In the order in which they are stopped.
  const parts: Part[] = [];
  const close = async (): Promise<void> => {
    for (const part of parts) await part.close();
  };

  const starting = [startDatabaseAndPlatform(options)];
  if (spec.sandbox) starting.push(startFacebook(options, spec.sandbox), startLocalEdge(options, spec.sandbox));
  const settled = await Promise.allSettled(starting);
  const failed = settled.find((result) => result.status === "rejected");
  for (const result of settled) if (result.status === "fulfilled") parts.unshift(...result.value);
  if (failed || signal.aborted) {
    await close();
    signal.throwIfAborted();
    throw failed?.reason;
  }
  return { status: () => parts.map((part) => part.status()).reverse(), close };
}

async function startDatabaseAndPlatform(options: StackOptions): Promise<Part[]> {
  const { spec, host, emit, signal, webDir } = options;
  const { workspace, secrets } = spec;
  emit({ type: "service", service: { name: "platform", state: "created", health: "none" }, detail: "waits for postgres" });
  const database = await startPostgres({ workspace, password: secrets.databasePassword, host, emit, signal });
  const port = spec.ports.platform;
  try {
    const platform = await startPart(options, "platform", [port], (log) =>
      startPlatform({
        databaseUrl: database.url,
        listen: { host: "127.0.0.1", port },
        workspace: path.basename(workspace),
        ...platformOptions(spec),
        facebook: facebookOf(spec),
        webDir,
        log,
      }),
    );
    return [platform, database];
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function startLocalEdge(options: StackOptions, sandbox: SandboxSpec): Promise<Part[]> {
  const { workspace, ports } = options.spec;
  const dataDir = path.join(workspace, ".airy", "edge");
  const edge = await startPart(options, "edge", [ports.edgeHttp, ports.edgeSsh], async (log) => {
    const authorizedKeys = path.join(dataDir, "authorized_keys");
    await makePrivateDir(dataDir);
    await writeAtomic(authorizedKeys, sandbox.edgeKeys);
    const running = await startEdge({
      domain: sandbox.domain,
      ssh: { host: "127.0.0.1", port: ports.edgeSsh },
      http: { host: "127.0.0.1", port: ports.edgeHttp },
      admin: null,
      dataDir,
      access: { authorizedKeys, deniedKeys: null },
      hostKey: sandbox.edgeHostKey,
      publicPort: null,
      log,
    });
    return { close: () => running.close(edgeGraceMs) };
  });
  return [edge];
}

async function startFacebook(options: StackOptions, sandbox: SandboxSpec): Promise<Part[]> {
  const { workspace, facebook, ports } = options.spec;
  if (!facebook) return fail("INTERNAL", { reason: "a sandbox needs the app of its stand-in for Facebook" });
  const port = ports.facebook;
  const stand = await startPart(options, "facebook", [port], (log) =>
    startFacebookSandbox({
      listen: { host: "127.0.0.1", port },
      app: { id: facebook.appId, secret: facebook.appSecret, name: "Airy Sandbox" },
      page: sandbox.page,
      commandToken: sandbox.commandToken,
      dataDir: path.join(workspace, ".airy", "facebook"),
      chatDir: path.join(options.webDir, "chat"),
      http: createHttpClient(),
      log,
    }),
  );
  return [stand];
}

/** One service: its log file, its events, and what went wrong in the catalogue's words. */
async function startPart(
  { spec, emit }: StackOptions,
  name: string,
  ports: readonly number[],
  start: (log: (line: string) => void) => Promise<{ close(): Promise<void> }>,
): Promise<Part> {
  let status: ServiceStatus = { name, state: "starting", health: "starting" };
  const report = (state: ServiceStatus["state"], health: ServiceStatus["health"]): void => {
    status = { name, state, health };
    emit({ type: "service", service: status });
  };
  report("starting", "starting");
  const log = openLog(spec.workspace, name);
  try {
    const running = await start(log.line);
    report("running", "healthy");
    const close = async (): Promise<void> => {
      await running.close();
      report("exited", "none");
      log.close();
    };
    return { status: () => status, close };
  } catch (error) {
    log.close();
    report("exited", "none");
    throw await explain(error, name, ports, spec.workspace);
  }
}

function facebookOf(spec: PlatformSpec): FacebookConfig | null {
  return spec.facebook && { ...spec.facebook, verifyToken: spec.secrets.verifyToken };
}

async function explain(error: unknown, service: string, ports: readonly number[], workspace: string): Promise<AiryError> {
  if (error instanceof AiryError) return error;
  // Asked instead of read from the error, whose shape differs from service to service.
  for (const port of ports) {
    if (await isFree(port)) continue;
    const holder = await holderOf(port);
    return new AiryError("PORT_TAKEN", { port, service, holder: holder && holderText(holder) }, { cause: error });
  }
  const reason = error instanceof Error ? error.message : String(error);
  const { code } = error as { code?: string };
  if (code === "DATA_NEWER") return new AiryError("DATA_NEWER", { service, reason }, { cause: error });
  const log = await tailLines(logFileOf(workspace, service), 10);
  return new AiryError("SERVICE_EXITED", { service, reason, log }, { cause: error });
}
