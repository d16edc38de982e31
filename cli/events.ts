/**
 * The one event union: everything that happens in a workspace, in the order it happened. The agent process and the launcher
 * append events to `.airy/events.ndjson`; plain lines, NDJSON, the terminal UI and a second terminal are readers of that stream.
 */
import type { ErrorBody } from "./errors.ts";

export type StepState = "pending" | "running" | "done" | "failed" | "skipped";
export type ServiceState = "created" | "starting" | "running" | "exited";
export type ServiceHealth = "healthy" | "unhealthy" | "starting" | "none";
export type TunnelState = "idle" | "connecting" | "open" | "waiting" | "closed";
export type WebhookState = "unconfigured" | "pending" | "active" | "inactive" | "foreign" | "error";
export type EngineName = "docker" | "embedded";

export interface ServiceStatus {
  name: string;
  state: ServiceState;
  health: ServiceHealth;
}

export interface TunnelStatus {
  state: TunnelState;
  /** Public base URL, e.g. `http://abcdefghij.tunnel.localhost:4280`; null until the edge has said it once. */
  url: string | null;
  identifier: string | null;
  /** SSH address of the edge, `host:port`. */
  edge: string;
  /** ISO time at which the present state began. */
  since: string;
  /** How many times the connection was lost and made again. */
  reconnects: number;
  /** Round trip through the SSH connection in milliseconds; null before the first measurement. */
  rttMs: number | null;
  /** While `waiting`: ISO time of the next attempt. */
  retryAt: string | null;
  /** While `waiting` or `closed`: the error code of what ended the connection. */
  reason: string | null;
  /** What the edge holds for this tunnel; null where nothing is held. */
  held: HeldStatus | null;
}

export interface HeldStatus {
  /** Webhooks acknowledged by the edge and not delivered yet. */
  entries: number;
  bytes: number;
  /** Webhooks set aside because the local service refused them for good. */
  dead: number;
  /** Received time of the oldest waiting webhook, ISO; null when none waits. */
  oldest: string | null;
}

export interface WebhookStatus {
  source: "facebook";
  object: string;
  state: WebhookState;
  callbackUrl: string | null;
}

export interface RequestRecord {
  id: string;
  /** ISO time of arrival at the tunnel client. */
  at: string;
  method: string;
  path: string;
  /** Status answered; 0 when the request was aborted before an answer. */
  status: number;
  durationMs: number;
  bytesIn: number;
  bytesOut: number;
}

/** What `airy status --json` prints as `data`, and what the result of `airy up` carries. */
export interface StatusData {
  state: "running" | "degraded" | "stopped";
  engine: EngineName | null;
  edition: "basic";
  sandbox: boolean;
  platform: { url: string | null; services: ServiceStatus[] };
  tunnel: TunnelStatus | null;
  webhooks: WebhookStatus[];
  control: { url: string | null };
}

export type AiryEventBody =
  | { type: "plan"; steps: { id: string; title: string }[] }
  /** A step of the plan moved on; `detail` says what it waits for or what came of it. */
  | { type: "step"; id: string; state: StepState; detail?: string; ms?: number }
  | { type: "check"; id: string; status: "ok" | "warn" | "fail"; message: string; action?: string }
  | { type: "service"; service: ServiceStatus; detail?: string }
  | { type: "tunnel"; tunnel: TunnelStatus }
  | { type: "webhook"; webhook: WebhookStatus; previousUrl?: string; detail?: string }
  | { type: "request"; request: RequestRecord }
  | { type: "warning"; code: string; message: string; action?: string }
  | { type: "ready"; status: StatusData }
  | { type: "failed"; error: ErrorBody }
  | { type: "stopped" };

export type AiryEvent = AiryEventBody & {
  /** ISO time. */
  at: string;
};

export type Emit = (event: AiryEventBody) => void;
