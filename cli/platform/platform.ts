/** What brings the platform's services up. Two engines implement it: docker compose, and embedded (no docker). */
import type { Readable } from "node:stream";
import { z } from "zod";
import type { Emit, EngineName, ServiceStatus } from "../events.ts";
import type { AiryError } from "../errors.ts";
import type { EngineAt } from "../docker/engine.ts";
import { profileNames, type Profile } from "../config/core.ts";
import { coreServices, oneShots } from "./compose/core/profiles.ts";

const port = z.int().min(1).max(65_535);

/** `token`: who uses the API must send it; `origins`: other pages that may; `retentionDays`: how long raw deliveries are kept. */
const apiSchema = z.object({
  token: z.string().optional(),
  origins: z.array(z.string()).optional(),
  retentionDays: z.int().min(1).optional(),
});

/** The Core edition: Airy Core's own images. Left out: the basic edition. */
const coreSchema = z.object({
  /** Which of its optional parts run; those of compose/core/compose.yaml. */
  profiles: z.array(z.enum(profileNames)),
  /** What compose.yaml has no default for: credentials of the sources, by variable. */
  variables: z.record(z.string(), z.string()),
  /** The Facebook connector is one of 0.50 to 0.56, which wants a signature by a formula of its own. */
  resign: z.boolean(),
});

export type CoreSpec = z.output<typeof coreSchema>;

/** Everything an engine needs; ports are decided before (launch), secrets come from `.airy/`. */
export const specSchema = z.object({
  /** Absolute path of the workspace; its state is in `<workspace>/.airy`. */
  workspace: z.string(),
  /** `platform`: API, webhook and inbox page; the others only with `sandbox`. */
  ports: z.object({ platform: port, edgeSsh: port, edgeHttp: port, facebook: port }),
  secrets: z.object({ databasePassword: z.string(), verifyToken: z.string(), platformSecret: z.string().optional() }),
  core: coreSchema.optional(),
  /** How the platform is used, from airy.yaml. */
  api: apiSchema.optional(),
  facebook: z.object({ appId: z.string(), appSecret: z.string(), graphUrl: z.string(), graphVersion: z.string().optional() }).nullable(),
  /** Origin under which something forwards the inbox page, `https://name-4200.app.github.dev`; left out where nothing does. */
  inboxUrl: z.string().optional(),
  /** The local edge and the stand-in for Facebook; null without `--sandbox`. */
  sandbox: z
    .object({
      domain: z.string(),
      /** Private host key of the local edge, OpenSSH format. */
      edgeHostKey: z.string(),
      /** Public keys, OpenSSH lines: who may open tunnels at the local edge. Everybody on the machine can reach it. */
      edgeKeys: z.string(),
      page: z.object({ id: z.string(), name: z.string(), token: z.string() }),
      commandToken: z.string(),
    })
    .nullable(),
});

export type PlatformSpec = z.output<typeof specSchema>;

/** The services that run, in the order in which they are shown. `profiles`: of the Core edition; null: the basic one. */
export function servicesOf(sandbox: boolean, profiles: readonly Profile[] | null): string[] {
  const platform = profiles ? [...coreServices(profiles).keys()].filter((name) => !oneShots.has(name)) : ["postgres", "platform"];
  return sandbox ? [...platform, "edge", "facebook"] : platform;
}

/** Paths of the platform that are public. `profiles`: of the Core edition; the basic one has none. */
export function webhookPaths(profiles: readonly Profile[] = []): string[] {
  const sources = profiles.filter((name) => name === "whatsapp" || name === "twilio" || name === "viber");
  return ["/facebook", ...sources.map((name) => `/${name}`)];
}

/** Those whose deliveries may wait at the edge, which knows only Meta's signatures. Viber waits for an answer to some of its own. */
export function heldPaths(profiles?: readonly Profile[]): string[] {
  return webhookPaths(profiles).filter((path) => path === "/facebook" || path === "/whatsapp");
}

/** From where the page may be used beside this machine. */
function reachedFrom({ inboxUrl }: Pick<PlatformSpec, "inboxUrl">): { allowedHosts: string[]; allowedOrigins: string[] } {
  // What forwards it sends its own name as Host, or ours.
  return inboxUrl === undefined
    ? { allowedHosts: [], allowedOrigins: [] }
    : { allowedHosts: [new URL(inboxUrl).hostname], allowedOrigins: [inboxUrl] };
}

/** Who may use the platform, and what it keeps, in the words of its configuration. */
export function platformOptions(spec: PlatformSpec) {
  const { secrets, api } = spec;
  const { allowedHosts, allowedOrigins } = reachedFrom(spec);
  return {
    allowedHosts,
    allowedOrigins: [...allowedOrigins, ...(api?.origins ?? [])],
    apiToken: api?.token,
    secret: secrets.platformSecret,
    retentionDays: api?.retentionDays,
  };
}

export interface Caution {
  /** What was looked at. */
  id: string;
  message: string;
  action: string;
}

export interface Usable {
  usable: true;
  detail: string;
  /** Images that have to be pulled or built before anything can start. */
  lacks: string[];
  /** Which engine it is, where there can be several. */
  at: EngineAt | null;
  /** It works, but perhaps not as the user expects. */
  cautions: Caution[];
}

export interface Change {
  /** The services that were started since the last time. */
  started: readonly string[];
  /** The engine was away, or was started again, and answers now. */
  back: boolean;
}

export interface Platform {
  readonly engine: EngineName;
  /** Whether this engine can be used here, read-only; `reason` says why not in a line, `error` is what to throw where it was asked for. */
  facts(): Promise<Usable | { usable: false; reason: string; error: AiryError }>;
  /** Gets what {@link Usable.lacks}, so that {@link Platform.up} need not. May take as long as the network does. Throws AiryError. */
  fetch(workspace: string, emit: Emit, signal: AbortSignal): Promise<void>;
  /** Brings all services up and returns when they are healthy. Repeating it when all runs changes nothing. Throws AiryError. */
  up(spec: PlatformSpec, emit: Emit, signal: AbortSignal): Promise<void>;
  /** Whether messages may be stored: there is a database. */
  stored(workspace: string): Promise<boolean>;
  /** A backup of what is stored, compressed, while the services are stopped. Left out where that cannot be. Throws AiryError. */
  offline?(workspace: string, password: string, signal: AbortSignal): Promise<{ lines: Readable; close(): Promise<void> }>;
  /** Stops the services; data stays. */
  down(workspace: string, emit: Emit): Promise<void>;
  /** Stops the services and deletes their data. */
  destroy(workspace: string, emit: Emit): Promise<void>;
  /** Starts one service again. Left out where services cannot be started one by one. Throws AiryError. */
  restart?(workspace: string, service: string): Promise<void>;
  /**
   * Starts a service again that runs and has ended inside for lack of something that may be there by now; true: it had, and was. Left out
   * where that cannot be. Throws AiryError.
   */
  revive?(workspace: string, service: string): Promise<boolean>;
  /** Ports of this machine that its services hold, where that can be seen without the agent process; read-only. */
  held?(workspace: string): Promise<Set<number>>;
  /** What is there; a service that should be and is not is missing in it. */
  status(workspace: string): Promise<ServiceStatus[]>;
  /** Yields whenever a service may have changed. Ends with the signal. */
  changes(workspace: string, signal: AbortSignal): AsyncIterable<Change>;
  /** Log lines, oldest first. */
  logs(workspace: string, options: { service: string | null; tail: number; follow: boolean; signal: AbortSignal }): AsyncIterable<LogLine>;
}

export interface LogLine {
  service: string;
  /** ISO time, null where the source has none. */
  at: string | null;
  line: string;
}
