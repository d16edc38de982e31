/**
 * The one event union: everything that happens in a workspace, in the order it happened. The agent process appends events to
 * `.airy/events.ndjson`, the launcher does before there is one; plain lines, NDJSON, the terminal UI and a second terminal are readers of
 * that stream. What crosses a process boundary is described once, by a schema, and its type follows from it.
 */
import { z } from "zod";
import type { ErrorBody } from "./errors.ts";

const nullable = z.string().nullable();

export type StepState = "pending" | "running" | "done" | "failed" | "skipped";

const engineName = z.enum(["docker", "embedded"]);

const serviceSchema = z.object({
  name: z.string(),
  /** `missing`: it should be there and is not. */
  state: z.enum(["missing", "created", "starting", "running", "exited"]),
  health: z.enum(["healthy", "unhealthy", "starting", "none"]),
  /** How often the engine has started it again after a crash; left out while that is never. */
  restarts: z.number().optional(),
  /** What was done for it since the start. */
  note: z.string().optional(),
});

const heldSchema = z.object({
  /** Webhooks acknowledged by the edge and not delivered yet. */
  entries: z.number(),
  bytes: z.number(),
  /** Webhooks set aside because the local service refused them for good. */
  dead: z.number(),
  /** Received time of the oldest waiting webhook, ISO; null when none waits. */
  oldest: nullable,
});

const tunnelSchema = z.object({
  state: z.enum(["idle", "connecting", "open", "waiting", "closed"]),
  /** Public base URL, e.g. `http://abcdefghij.tunnel.localhost:4280`; null until the edge has said it once. */
  url: nullable,
  identifier: nullable,
  /** SSH address of the edge, `host:port`. */
  edge: z.string(),
  /** ISO time at which the present state began. */
  since: z.string(),
  /** How many times the connection was lost and made again. */
  reconnects: z.number(),
  /** Round trip through the SSH connection in milliseconds; null before the first measurement. */
  rttMs: z.number().nullable(),
  /** While `waiting`: ISO time of the next attempt. */
  retryAt: nullable,
  /** While `waiting` or `closed`: the error code of what ended the connection. */
  reason: nullable,
  /** What the edge holds for this tunnel; null where nothing is held. */
  held: heldSchema.nullable(),
});

const webhookSchema = z.object({
  source: z.enum(["facebook", "whatsapp"]),
  object: z.string(),
  state: z.enum(["unconfigured", "pending", "active", "inactive", "foreign", "error"]),
  callbackUrl: nullable,
});

const pageSchema = z.object({
  source: z.string(),
  id: z.string(),
  name: z.string(),
  /** `broken`: Facebook refuses its token, or what it may do. `unknown`: Facebook could not be asked. */
  state: z.enum(["ok", "broken", "unknown"]),
  /** What Facebook says, where it is not well. */
  reason: nullable,
});

const deliveriesSchema = z.object({
  /** Committed by the platform since its start. */
  arrived: z.number(),
  /** Deliveries for pages and accounts that are not connected. */
  waiting: z.array(z.object({ source: nullable, id: nullable, deliveries: z.number() })),
  /** What arrived and is no message, by kind: `optin`, `changes/feed`, `Facebook's test`. Receipts are not among them. */
  kinds: z.record(z.string(), z.number()),
  /** When the button "Test" of Facebook's dashboard was last pressed, ISO. */
  lastTestAt: nullable,
});

const problemSchema = z.object({ code: z.string(), message: z.string() });

/** What `airy status --json` prints as `data`, and what the result of `airy up` carries. */
export const statusSchema = z.object({
  state: z.enum(["running", "degraded", "stopped"]),
  /** Why the state could not be found out, or not all of it: the engine does not answer. */
  problems: z.array(problemSchema).optional(),
  /** Why the last start failed, while nothing has been started since. */
  lastFailure: z
    .object({ at: z.string(), code: z.string(), message: z.string(), why: z.string(), actions: z.array(z.string()) })
    .optional(),
  engine: engineName.nullable(),
  edition: z.enum(["basic", "core"]),
  sandbox: z.boolean(),
  platform: z.object({
    url: nullable,
    /** Where something forwards the inbox page to, beside `url`. */
    inboxUrl: z.string().optional(),
    /** Paths that the tunnel exposes, while it is there. */
    exposed: z.array(z.string()).optional(),
    services: z.array(serviceSchema),
  }),
  tunnel: tunnelSchema.nullable(),
  webhooks: z.array(webhookSchema),
  /** Pages and accounts that are connected, as they were seen last. Left out before anybody has looked. */
  pages: z.array(pageSchema).optional(),
  /** What the platform says of deliveries. Left out where it does not. */
  deliveries: deliveriesSchema.optional(),
  /** Requests through the tunnel that were answered 401 or 403 since its start; they are no silence. */
  refused: z.number().optional(),
  control: z.object({ url: nullable }),
});

export type EngineName = z.output<typeof engineName>;
export type ServiceStatus = z.output<typeof serviceSchema>;
export type ServiceState = ServiceStatus["state"];
export type ServiceHealth = ServiceStatus["health"];
export type HeldStatus = z.output<typeof heldSchema>;
export type TunnelStatus = z.output<typeof tunnelSchema>;
export type TunnelState = TunnelStatus["state"];
export type WebhookStatus = z.output<typeof webhookSchema>;
export type WebhookState = WebhookStatus["state"];
export type PageStatus = z.output<typeof pageSchema>;
export type DeliveriesStatus = z.output<typeof deliveriesSchema>;
export type Problem = z.output<typeof problemSchema>;
export type StatusData = z.output<typeof statusSchema>;

/** Whether the webhook is no reason to call the whole degraded: Instagram is an extra, which some apps cannot be given from here. */
export function webhookWell({ state, object }: Pick<WebhookStatus, "state" | "object">): boolean {
  return state === "active" || state === "unconfigured" || object === "instagram";
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

export type AiryEventBody =
  | { type: "plan"; steps: { id: string; title: string }[] }
  /** A step of the plan moved on; `detail` says what it waits for or what came of it. */
  | { type: "step"; id: string; state: StepState; detail?: string; ms?: number }
  | { type: "check"; id: string; status: "ok" | "warn" | "fail"; message: string; action?: string }
  | { type: "service"; service: ServiceStatus; detail?: string }
  | { type: "tunnel"; tunnel: TunnelStatus }
  | { type: "webhook"; webhook: WebhookStatus; previousUrl?: string; detail?: string }
  /** All connected pages and accounts, whenever one of them has changed. */
  | { type: "pages"; pages: PageStatus[] }
  /** Something arrived that is no message, or waits for a page that is not connected. */
  | { type: "deliveries"; deliveries: DeliveriesStatus }
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
