/** Which tone and which glyph go with a state. The word of the state is always shown beside it. */
import type { ServiceStatus, StepState, TunnelState, WebhookState } from "../../events.ts";
import type { Frame } from "../frame.ts";
import { type Span, span, type Tone } from "../line.ts";

const stepTones: Record<StepState, Tone> = { pending: "dim", running: "busy", done: "ok", failed: "bad", skipped: "dim" };

const tunnelTones: Record<TunnelState, Tone> = { idle: "dim", connecting: "busy", open: "ok", waiting: "warn", closed: "bad" };

const webhookTones: Record<WebhookState, Tone> = {
  unconfigured: "dim",
  pending: "busy",
  active: "ok",
  inactive: "warn",
  foreign: "warn",
  error: "bad",
};

export function stepTone(state: StepState): Tone {
  return stepTones[state];
}

export function tunnelTone(state: TunnelState): Tone {
  return tunnelTones[state];
}

export function webhookTone(state: WebhookState): Tone {
  return webhookTones[state];
}

/** "Healthy" is said only of a service that has a health check; one without is "running". */
export function serviceWord(service: ServiceStatus): string {
  return service.state === "running" && service.health !== "none" ? service.health : service.state;
}

export function serviceTone(service: ServiceStatus): Tone {
  if (service.state === "exited") return "bad";
  if (service.state === "created") return "dim";
  if (service.state === "starting" || service.health === "starting") return "busy";
  return service.health === "unhealthy" ? "bad" : "ok";
}

export function mark(tone: Tone, frame: Frame): Span {
  const { glyphs } = frame;
  if (tone === "busy") return span(glyphs.busy[frame.tick % glyphs.busy.length] ?? glyphs.idle, tone);
  if (tone === "ok") return span(glyphs.ok, tone);
  if (tone === "warn") return span(glyphs.warn, tone);
  return tone === "bad" ? span(glyphs.bad, tone) : span(glyphs.idle, tone);
}
