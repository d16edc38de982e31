/** What the interface shows, derived from events and nothing else: a pure reducer. Times stay ISO text; the screens know the clock. */
import type { ErrorBody } from "../errors.ts";
import { webhookWell } from "../events.ts";
import type {
  AiryEvent,
  DeliveriesStatus,
  EngineName,
  PageStatus,
  RequestRecord,
  ServiceStatus,
  StatusData,
  StepState,
  TunnelStatus,
  WebhookStatus,
} from "../events.ts";

/** Requests kept for the list. */
const keptRequests = 200;
/** Of the sparklines: so many points, and how long each of the requests' points is. */
const keptPoints = 60;
export const pointMs = 5000;
const keptNotices = 5;

export interface StepView {
  id: string;
  title: string;
  state: StepState;
  detail: string | null;
  /** ISO time at which it began to run. */
  startedAt: string | null;
  /** How long it took, once it is over. */
  ms: number | null;
}

export interface ServiceView extends ServiceStatus {
  detail: string | null;
  /** ISO time of the first news of it in this run. */
  startedAt: string;
  /** How long it took until it was up, or down for good; null while it is on its way. */
  ms: number | null;
  /** ISO time since which it is as it is. */
  since: string;
}

/** What arrived at the webhook, as far as this interface has heard. */
interface Deliveries {
  last: RequestRecord | null;
  /** Answered with 401 or 403: not signed with the app's secret. */
  rejected: number;
}

/** Requests in each stretch of {@link pointMs}, oldest first; the last one is the stretch `index` (epoch time divided by its length). */
export interface Rate {
  index: number;
  counts: number[];
}

export interface WebhookView extends WebhookStatus {
  previousUrl: string | null;
  detail: string | null;
}

export interface Notice {
  level: "warn" | "fail";
  text: string;
  action: string | null;
}

export interface View {
  phase: "start" | "dashboard" | "failed" | "stopped";
  /** ISO time of the first event. */
  startedAt: string | null;
  readyAt: string | null;
  engine: EngineName | null;
  sandbox: boolean;
  inboxUrl: string | null;
  steps: StepView[];
  services: ServiceView[];
  tunnel: TunnelStatus | null;
  webhooks: WebhookView[];
  /** Newest first. */
  requests: RequestRecord[];
  rate: Rate;
  deliveries: Deliveries;
  /** Path prefixes that the tunnel exposes; empty means all. */
  exposed: readonly string[];
  /** Pages and accounts that are connected; null before anybody has looked. */
  pages: PageStatus[] | null;
  /** What the platform says of deliveries; null before there is something to say. */
  heard: DeliveriesStatus | null;
  /** Round-trip times in milliseconds, oldest first. */
  trips: number[];
  /** Newest first. */
  notices: Notice[];
  error: ErrorBody | null;
}

export function initialView(mode: "start" | "attached"): View {
  return {
    phase: mode === "start" ? "start" : "dashboard",
    startedAt: null,
    readyAt: null,
    engine: null,
    sandbox: false,
    inboxUrl: null,
    steps: [],
    services: [],
    tunnel: null,
    webhooks: [],
    requests: [],
    rate: { index: 0, counts: [] },
    deliveries: { last: null, rejected: 0 },
    exposed: ["/facebook"],
    pages: null,
    heard: null,
    trips: [],
    notices: [],
    error: null,
  };
}

/** The view after an event; the same object when the event changes nothing that is shown. */
export function reduce(view: View, event: AiryEvent): View {
  const next = apply(view, event);
  if (next === view || view.startedAt !== null) return next;
  return { ...next, startedAt: event.at };
}

function apply(view: View, event: AiryEvent): View {
  switch (event.type) {
    case "plan":
      return { ...view, steps: event.steps.map((step) => ({ ...step, state: "pending", detail: null, startedAt: null, ms: null })) };
    case "step":
      return {
        ...view,
        steps: upsert(
          view.steps,
          (s) => s.id === event.id,
          (old) => step(old, event),
        ),
      };
    case "check":
      if (event.status === "ok") return view;
      return { ...view, notices: notice(view.notices, { level: event.status, text: event.message, action: event.action ?? null }) };
    case "warning":
      return { ...view, notices: notice(view.notices, { level: "warn", text: event.message, action: event.action ?? null }) };
    case "service":
      return {
        ...view,
        services: upsert(
          view.services,
          (s) => s.name === event.service.name,
          (old) => service(old, event),
        ),
      };
    case "tunnel":
      return same(view.tunnel, event.tunnel) ? view : { ...view, tunnel: event.tunnel, trips: trips(view, event.tunnel) };
    case "webhook":
      return {
        ...view,
        webhooks: upsert(
          view.webhooks,
          (w) => sameWebhook(w, event.webhook),
          () => webhook(event),
        ),
      };
    case "pages":
      return { ...view, pages: event.pages };
    case "deliveries":
      return { ...view, heard: event.deliveries };
    case "request":
      return request(view, event.request);
    case "ready":
      return ready(view, event.at, event.status);
    case "failed":
      if (view.phase === "start")
        return { ...view, phase: "failed", error: event.error, steps: view.steps.map((s) => abandon(s, event.at)) };
      return {
        ...view,
        notices: notice(view.notices, { level: "fail", text: event.error.message, action: event.error.actions[0] ?? null }),
      };
    case "stopped":
      return { ...view, phase: "stopped" };
  }
}

function step(old: StepView | undefined, event: Extract<AiryEvent, { type: "step" }>): StepView {
  const startedAt = old?.startedAt ?? (event.state === "pending" ? null : event.at);
  const over = event.state === "done" || event.state === "failed" || event.state === "skipped";
  return {
    id: event.id,
    title: old?.title ?? event.id,
    state: event.state,
    // A detail says what is waited for; the next state without one ends it.
    detail: event.detail ?? (old?.state === event.state ? old.detail : null),
    startedAt,
    ms: over ? (event.ms ?? elapsed(startedAt, event.at)) : null,
  };
}

/** A step that was still running when the start failed did not finish either. */
function abandon(step: StepView, at: string): StepView {
  if (step.state !== "running") return step;
  return { ...step, state: "failed", ms: elapsed(step.startedAt, at) };
}

function service(old: ServiceView | undefined, event: Extract<AiryEvent, { type: "service" }>): ServiceView {
  const { state, health } = event.service;
  const settled = state === "exited" || (state === "running" && health !== "starting");
  const startedAt = old && !(old.ms !== null && !settled) ? old.startedAt : event.at;
  const ms = settled ? (old?.ms ?? elapsed(startedAt, event.at)) : null;
  const since = old?.state === state && old.health === health ? old.since : event.at;
  return { ...event.service, detail: event.detail ?? null, startedAt, ms, since };
}

function request(view: View, request: RequestRecord): View {
  if (view.requests.some((known) => known.id === request.id)) return view;
  const delivery = request.method === "POST";
  const { last, rejected } = view.deliveries;
  return {
    ...view,
    requests: [request, ...view.requests].slice(0, keptRequests),
    rate: counted(view.rate, Math.floor(Date.parse(request.at) / pointMs)),
    deliveries: {
      last: delivery ? request : last,
      rejected: rejected + (delivery && (request.status === 401 || request.status === 403) ? 1 : 0),
    },
  };
}

/** The counts with one more in the stretch `index`, which may be an earlier one. */
function counted(rate: Rate, index: number): Rate {
  if (Number.isNaN(index)) return rate;
  const moved = rateAt(rate, Math.max(index, rate.index));
  const place = moved.counts.length - 1 - (moved.index - index);
  return { ...moved, counts: moved.counts.map((count, i) => (i === place ? count + 1 : count)) };
}

/** The same counts seen at a later time: what passed since is nothing. */
export function rateAt(rate: Rate, index: number): Rate {
  const passed = Math.min(keptPoints, Math.max(0, index - rate.index));
  return { index: Math.max(index, rate.index), counts: [...rate.counts, ...Array<number>(passed).fill(0)].slice(-keptPoints) };
}

function trips(view: View, tunnel: TunnelStatus): number[] {
  if (tunnel.rttMs === null || tunnel.state !== "open") return view.trips;
  return [...view.trips, tunnel.rttMs].slice(-keptPoints);
}

function webhook(event: Extract<AiryEvent, { type: "webhook" }>): WebhookView {
  return { ...event.webhook, previousUrl: event.previousUrl ?? null, detail: event.detail ?? null };
}

/** `ready` carries the whole status; what it does not know (details, requests) stays. */
function ready(view: View, at: string, status: StatusData): View {
  return {
    ...view,
    phase: "dashboard",
    readyAt: at,
    engine: status.engine,
    sandbox: status.sandbox,
    inboxUrl: status.platform.inboxUrl ?? status.platform.url,
    tunnel: status.tunnel,
    heard: status.deliveries ?? view.heard,
    exposed: status.platform.exposed ?? view.exposed,
    pages: status.pages ?? view.pages,
    deliveries: { ...view.deliveries, rejected: Math.max(view.deliveries.rejected, status.refused ?? 0) },
    trips: status.tunnel ? trips(view, status.tunnel) : view.trips,
    services: status.platform.services.map((now) => {
      const old = view.services.find((s) => s.name === now.name);
      return old && old.state === now.state && old.health === now.health
        ? old
        : { ...now, detail: null, startedAt: at, ms: null, since: at };
    }),
    webhooks: status.webhooks.map((now) => {
      const old = view.webhooks.find((w) => sameWebhook(w, now));
      return old && old.state === now.state ? { ...old, ...now } : { ...now, previousUrl: null, detail: null };
    }),
  };
}

/** Whether there is something to say of what arrived and is not in the inbox. */
export function hasNews(heard: DeliveriesStatus | null): heard is DeliveriesStatus {
  return heard !== null && (heard.waiting.length > 0 || Object.keys(heard.kinds).length > 0);
}

/** Whether all that should be up is up; the word in the dashboard's first line. */
export function condition(view: View): "running" | "degraded" {
  const servicesUp = view.services.every((s) => s.state === "running" && s.health !== "unhealthy");
  const webhooksUp = view.webhooks.every((w) => webhookWell(w) || w.state === "pending");
  const pagesUp = view.pages?.every(({ source, state }) => source !== "facebook" || state !== "broken") ?? true;
  return servicesUp && webhooksUp && pagesUp && view.tunnel?.state === "open" ? "running" : "degraded";
}

function notice(notices: Notice[], add: Notice): Notice[] {
  return [add, ...notices.filter((n) => n.text !== add.text)].slice(0, keptNotices);
}

function upsert<T>(items: T[], is: (item: T) => boolean, make: (old: T | undefined) => T): T[] {
  const index = items.findIndex(is);
  if (index < 0) return [...items, make(undefined)];
  return items.map((item, i) => (i === index ? make(item) : item));
}

function sameWebhook(a: WebhookStatus, b: WebhookStatus): boolean {
  return a.source === b.source && a.object === b.object;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function elapsed(from: string | null, to: string): number | null {
  return from === null ? null : Math.max(0, Date.parse(to) - Date.parse(from));
}
