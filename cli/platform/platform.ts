/** What brings the platform's services up. Two engines implement it: docker compose, and embedded (no docker). */
import type { Emit, EngineName, ServiceStatus } from "../events.ts";
import type { AiryError } from "../errors.ts";

/** Everything an engine needs; ports are decided before (launch), secrets come from `.airy/`. */
export interface PlatformSpec {
  /** Absolute path of the workspace; its state is in `<workspace>/.airy`. */
  workspace: string;
  ports: {
    /** API, webhook and inbox page. */
    platform: number;
    /** Only with `sandbox`. */
    edgeSsh: number;
    edgeHttp: number;
    facebook: number;
  };
  secrets: {
    databasePassword: string;
    verifyToken: string;
  };
  facebook: { appId: string; appSecret: string; graphUrl: string } | null;
  /** The local edge and the stand-in for Facebook; null without `--sandbox`. */
  sandbox: SandboxSpec | null;
}

interface SandboxSpec {
  domain: string;
  /** Private host key of the local edge, OpenSSH format. */
  edgeHostKey: string;
  page: { id: string; name: string; token: string };
  commandToken: string;
}

export interface Platform {
  readonly engine: EngineName;
  /** Whether this engine can be used here, read-only; `reason` says why not in a line, `error` is what to throw where it was asked for. */
  facts(): Promise<{ usable: true; detail: string } | { usable: false; reason: string; error: AiryError }>;
  /** Brings all services up and returns when they are healthy. Repeating it when all runs changes nothing. Throws AiryError. */
  up(spec: PlatformSpec, emit: Emit, signal: AbortSignal): Promise<void>;
  /** Stops the services; data stays. */
  down(workspace: string, emit: Emit): Promise<void>;
  /** Stops the services and deletes their data. */
  destroy(workspace: string, emit: Emit): Promise<void>;
  status(workspace: string): Promise<ServiceStatus[]>;
  /** Log lines, oldest first. */
  logs(workspace: string, options: { service: string | null; tail: number; follow: boolean; signal: AbortSignal }): AsyncIterable<LogLine>;
}

export interface LogLine {
  service: string;
  /** ISO time, null where the source has none. */
  at: string | null;
  line: string;
}
