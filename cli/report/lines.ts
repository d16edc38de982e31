/** Events -> plain lines: for logs, scripts, small terminals and screen readers. One line an event, nothing is redrawn. */
import type { AiryEvent, DeliveriesStatus, HeldStatus, PageStatus, ServiceStatus, StatusData } from "../events.ts";
import { asCalled } from "./called.ts";

export interface Lines {
  /** The line for an event; null for those that say nothing new to a reader. */
  line(event: AiryEvent): string | null;
  /** What a step of the plan is called. */
  title(step: string): string;
}

/** Remembers the titles of the plan, and what was said last of each service, tunnel and webhook. */
export function createLines(): Lines {
  const titles = new Map<string, string>();
  const said = new Map<string, string>();

  const once = (key: string, text: string): string | null => {
    if (said.get(key) === text) return null;
    said.set(key, text);
    return text;
  };

  return {
    title: (step) => titles.get(step) ?? step,
    line(event) {
      switch (event.type) {
        case "plan":
          for (const step of event.steps) titles.set(step.id, step.title);
          return null;
        case "step": {
          const title = titles.get(event.id) ?? event.id;
          const detail = event.detail ? `: ${event.detail}` : "";
          if (event.state === "pending") return null;
          if (event.state === "running") return once(`step ${event.id}`, `..    ${title}${detail}`);
          const word = { done: "ok  ", failed: "FAIL", skipped: "skip" }[event.state];
          return `${word}  ${title}${detail}${event.ms === undefined || event.state === "skipped" ? "" : ` (${seconds(event.ms)})`}`;
        }
        case "check":
          if (event.status === "ok") return once(`check ${event.id}`, `ok    ${event.message}`);
          return `${event.status === "warn" ? "warn" : "FAIL"}  ${event.message}${actionText(event.action)}`;
        case "service": {
          const { name, state, health } = event.service;
          const text = `      ${name}: ${state}${health === "none" || health === "starting" ? "" : `, ${health}`}${event.detail ? ` (${event.detail})` : ""}`;
          return once(`service ${name}`, text);
        }
        case "tunnel": {
          const { state, edge, reason } = event.tunnel;
          // Attempt after attempt with the same end says nothing new.
          if (state === "connecting" && reason) return null;
          return once("tunnel", `      tunnel: ${state}${reason ? ` (${reason})` : ""}, edge ${edge}`);
        }
        case "webhook": {
          const { source, object, state, callbackUrl } = event.webhook;
          const change = event.previousUrl ? `, was ${event.previousUrl}` : "";
          const text = `      webhook ${source}/${object}: ${state}${callbackUrl ? ` -> ${callbackUrl}` : ""}${change}${event.detail ? ` (${event.detail})` : ""}`;
          return once(`webhook ${source} ${object}`, text);
        }
        case "pages":
          return event.pages.length === 0
            ? null
            : once("pages", `      pages: ${event.pages.map((page) => pageText(page, false)).join(", ")}`);
        case "deliveries": {
          const text = deliveriesTexts(event.deliveries).join("; ");
          return text === "" ? null : once("deliveries", `      ${text}`);
        }
        case "request":
          return `      ${event.request.method} ${event.request.path} ${event.request.status || "aborted"} ${event.request.durationMs} ms`;
        case "warning":
          return `warn  ${event.message}${actionText(event.action)}`;
        case "ready":
          return "Ready.";
        case "failed":
        case "stopped":
          return null;
      }
    },
  };
}

function actionText(action: string | undefined): string {
  return action ? ` (${asCalled(action)})` : "";
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** What waits at the edge, null when nothing does. */
function heldText(held: HeldStatus | null): string | null {
  if (!held || (held.entries === 0 && held.dead === 0)) return null;
  const parts: string[] = [];
  if (held.entries > 0) parts.push(`${held.entries} at the edge${held.oldest ? `, the oldest since ${held.oldest}` : ""}`);
  if (held.dead > 0) parts.push(`${held.dead} set aside (${asCalled("airy replay --dead")})`);
  return parts.join("; ");
}

/**
 * What `airy status` shows to people.
 * ```
 * running (embedded, sandbox)
 *   inbox     http://127.0.0.1:4200
 *   public    http://abcdefghij.tunnel.localhost:4280  (open)
 *   webhook   facebook/page active -> http://abcdefghij.tunnel.localhost:4280/facebook
 *   services  postgres healthy, platform healthy
 * ```
 */
export function statusText(status: StatusData): string {
  const kind = [status.engine, status.edition === "core" && "Airy Core", status.sandbox && "sandbox"].filter(Boolean);
  const engine = status.engine ? ` (${kind.join(", ")})` : "";
  const lines = [`${status.state}${engine}`];
  const add = (label: string, text: string): void => void lines.push(`  ${label.padEnd(9)} ${text}`);
  const platform = status.platform.services.find(({ name }) => name === "platform");
  // Before it runs nothing is there to be opened; where the engine does not say, it may run.
  if (status.platform.url && (platform?.state ?? "running") === "running") add("inbox", status.platform.inboxUrl ?? status.platform.url);
  if (status.tunnel) {
    const { url, state, edge, reason } = status.tunnel;
    const { exposed = ["/facebook"] } = status.platform;
    const what = `only ${exposed.join(", ")} ${exposed.length === 1 ? "is" : "are"} exposed`;
    add("public", `${url ?? "no URL yet"}  (${state}${reason ? `: ${reason}` : ""}; ${what})`);
    add("edge", edge);
    const held = heldText(status.tunnel.held);
    if (held) add("waiting", held);
  }
  for (const webhook of status.webhooks) {
    add("webhook", `${webhook.source}/${webhook.object} ${webhook.state}${webhook.callbackUrl ? ` -> ${webhook.callbackUrl}` : ""}`);
  }
  if (status.pages?.length === 0)
    add("pages", asCalled("none connected, so nothing will arrive: FACEBOOK_USER_TOKEN=... airy webhook connect"));
  for (const page of status.pages ?? []) add("page", pageText(page, true));
  if (status.deliveries) for (const text of deliveriesTexts(status.deliveries)) add("arrived", text);
  if (status.refused)
    add(
      "refused",
      asCalled(`${status.refused} ${status.refused === 1 ? "request" : "requests"} (401, 403): airy doctor says what is likely wrong`),
    );
  const failure = status.lastFailure;
  if (failure) {
    add("failed", `the last start, at ${failure.at}: ${failure.message} (${failure.code})`);
    add("why", asCalled(failure.why));
    for (const action of failure.actions) add("do", asCalled(action));
  }
  if (status.platform.services.length > 0) {
    add("services", status.platform.services.map(serviceText).join(", "));
  }
  return lines.join("\n");
}

/** What arrived and is not in the inbox, each as what it is. */
function deliveriesTexts({ waiting, kinds, lastTestAt }: DeliveriesStatus): string[] {
  const texts: string[] = [];
  if (lastTestAt) texts.push(`Facebook's test arrived at ${lastTestAt}: the way is open`);
  const others = Object.entries(kinds).filter(([kind]) => kind !== "Facebook's test");
  if (others.length > 0) texts.push(`no messages: ${others.map(([kind, count]) => `${count} x ${kind}`).join(", ")}`);
  for (const { source, id, deliveries } of waiting) {
    texts.push(
      `page ${id ?? "?"} (${source ?? "unknown"}) is not connected: ${deliveries} ${deliveries === 1 ? "delivery waits" : "deliveries wait"}`,
    );
  }
  return texts;
}

function pageText({ name, id, state, reason }: PageStatus, inFull: boolean): string {
  const word = { ok: "", broken: " broken", unknown: " not asked" }[state];
  return `${name} (${id})${word}${inFull && reason ? `: ${reason}` : ""}`;
}

/** A service that comes back by itself after each crash is not well, however healthy it looks. */
function serviceText({ name, state, health, restarts, note }: ServiceStatus): string {
  const again = restarts === undefined ? "" : ` (started again ${restarts === 1 ? "once" : `${restarts} times`} after a crash)`;
  return `${name} ${health === "none" || state !== "running" ? state : health}${again}${note ? ` (${note})` : ""}`;
}
