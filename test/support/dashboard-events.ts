/** Scripted event streams for tests of the terminal interface. */
import type { AiryEventBody, RequestRecord, ServiceStatus, StatusData, TunnelStatus } from "../../cli/events.ts";

export type Scenario = "starting" | "ready" | "busy" | "waiting" | "failed" | "stopped" | "throw" | "crash" | "exit" | "ended" | "flood";

export interface Script {
  events: AiryEventBody[];
  /** What the stream does after its last event. */
  end: "hang" | "return" | "throw" | "crash" | "exit";
}

const at = "2026-11-22T09:14:05.000Z";

export const openTunnel: TunnelStatus = {
  state: "open",
  url: "http://abcdefghij.tunnel.localhost:4280",
  identifier: "abcdefghij",
  edge: "127.0.0.1:2222",
  since: at,
  reconnects: 0,
  rttMs: 3.4,
  retryAt: null,
  reason: null,
  held: null,
};

export function service(name: string, state: ServiceStatus["state"], health: ServiceStatus["health"]): AiryEventBody {
  return { type: "service", service: { name, state, health } };
}

export function request(n: number, over: Partial<RequestRecord> = {}): RequestRecord {
  return { id: `r${n}`, at, method: "POST", path: "/facebook", status: 200, durationMs: 12.3, bytesIn: 640, bytesOut: 15, ...over };
}

export const readyStatus: StatusData = {
  state: "running",
  engine: "embedded",
  edition: "basic",
  sandbox: true,
  platform: {
    url: "http://127.0.0.1:4200/",
    services: [
      { name: "postgres", state: "running", health: "healthy" },
      { name: "platform", state: "running", health: "healthy" },
      { name: "edge", state: "running", health: "none" },
      { name: "facebook", state: "running", health: "healthy" },
    ],
  },
  tunnel: openTunnel,
  webhooks: [{ source: "facebook", object: "page", state: "active", callbackUrl: "http://abcdefghij.tunnel.localhost:4280/facebook" }],
  control: { url: "http://127.0.0.1:4300" },
};

const starting: AiryEventBody[] = [
  {
    type: "plan",
    steps: [
      { id: "check", title: "Check this machine" },
      { id: "platform", title: "Start the platform" },
      { id: "tunnel", title: "Open the tunnel" },
      { id: "probe", title: "Probe from outside" },
      { id: "webhook", title: "Register the webhook" },
    ],
  },
  { type: "step", id: "check", state: "running" },
  { type: "check", id: "memory", status: "warn", message: "1.2 GB of memory free; 2 GB are better", action: "airy doctor" },
  { type: "step", id: "check", state: "done", detail: "engine embedded: docker does not answer", ms: 240 },
  { type: "step", id: "platform", state: "running" },
  service("postgres", "starting", "starting"),
  service("platform", "created", "none"),
  { type: "step", id: "platform", state: "running", detail: "waits for postgres to be healthy" },
  { type: "service", service: { name: "postgres", state: "running", health: "healthy" } },
  { type: "service", service: { name: "platform", state: "starting", health: "starting" }, detail: "applying migrations" },
];

const rest: AiryEventBody[] = [
  service("platform", "running", "healthy"),
  service("edge", "running", "none"),
  service("facebook", "running", "healthy"),
  { type: "step", id: "platform", state: "done", ms: 3100 },
  { type: "step", id: "tunnel", state: "running" },
  { type: "tunnel", tunnel: { ...openTunnel, state: "connecting", url: null, rttMs: null } },
  { type: "tunnel", tunnel: openTunnel },
  { type: "step", id: "tunnel", state: "done", detail: openTunnel.url ?? "", ms: 210 },
  { type: "step", id: "probe", state: "done", ms: 40 },
  { type: "step", id: "webhook", state: "running" },
  {
    type: "request",
    request: request(1, { method: "GET", path: "/facebook?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=x" }),
  },
  { type: "step", id: "webhook", state: "done", ms: 180 },
  { type: "ready", status: readyStatus },
];

const requests = Array.from({ length: 24 }, (_, i): AiryEventBody => ({
  type: "request",
  request: request(i + 2, i % 7 === 6 ? { status: 502, durationMs: 2504, bytesOut: 120 } : { durationMs: 8 + i, bytesIn: 600 + 97 * i }),
}));

export function scenario(name: Scenario): Script {
  switch (name) {
    case "starting":
      return { events: starting, end: "hang" };
    case "ready":
      return { events: [...starting, ...rest], end: "hang" };
    case "busy":
    case "flood":
      return { events: [...starting, ...rest, ...requests], end: "hang" };
    case "waiting":
      return {
        events: [
          ...starting,
          ...rest,
          ...requests,
          {
            type: "tunnel",
            tunnel: {
              ...openTunnel,
              state: "waiting",
              reason: "SSH_UNREACHABLE",
              retryAt: "2026-11-22T09:14:09.000Z",
              reconnects: 3,
              held: { entries: 5, bytes: 3200, dead: 1, oldest: at },
            },
          },
          { type: "service", service: { name: "platform", state: "exited", health: "none" }, detail: "exit code 137" },
        ],
        end: "hang",
      };
    case "failed":
      return {
        events: [
          ...starting,
          {
            type: "failed",
            error: { code: "INTERNAL", category: "internal", message: "It broke.", retryable: false, details: {}, actions: ["airy logs"] },
          },
        ],
        end: "hang",
      };
    case "stopped":
      return { events: [...starting, ...rest, { type: "stopped" }], end: "hang" };
    case "throw":
      return { events: starting, end: "throw" };
    case "crash":
      return { events: [...starting, ...rest], end: "crash" };
    case "exit":
      return { events: [...starting, ...rest], end: "exit" };
    case "ended":
      return { events: [...starting, ...rest], end: "return" };
  }
}
