/** Glyphs and colours. A glyph never stands alone: a word beside it says the same, and colour adds nothing that the word does not say. */
import type { ServiceStatus, StepState, TunnelState, WebhookState } from "../events.ts";

export type Tone = "plain" | "ok" | "busy" | "warn" | "bad" | "dim" | "strong" | "link";

export interface Glyphs {
  ok: string;
  warn: string;
  bad: string;
  idle: string;
  /** Shown one after the other while something runs. */
  busy: readonly string[];
  ellipsis: string;
  separator: string;
  /** In front of the row that the keys act on. */
  pointer: string;
  rule: string;
  /** From nothing to much. */
  spark: readonly string[];
  up: string;
  down: string;
  enter: string;
  bullet: string;
}

/** The marks Compose uses; all of them one column wide. */
const unicode: Glyphs = {
  ok: "✔",
  warn: "!",
  bad: "✘",
  idle: "·",
  busy: ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇"],
  ellipsis: "…",
  separator: "·",
  pointer: "›",
  rule: "─",
  spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
  up: "↑",
  down: "↓",
  enter: "⏎",
  bullet: "•",
};

const ascii: Glyphs = {
  ok: "+",
  warn: "!",
  bad: "x",
  idle: ".",
  busy: ["|", "/", "-", "\\"],
  ellipsis: "~",
  separator: "-",
  pointer: ">",
  rule: "-",
  spark: ["_", ".", ":", "-", "=", "+", "*", "#"],
  up: "Up",
  down: "Dn",
  enter: "Enter",
  bullet: "*",
};

export function glyphsFor(utf8: boolean): Glyphs {
  return utf8 ? unicode : ascii;
}

/** Properties of Ink's `Text` for a tone; only the 16 colours of the terminal's own palette, so that light and dark both work. */
export function textStyle(tone: Tone): { color?: string; bold?: boolean; dimColor?: boolean } {
  switch (tone) {
    case "plain":
      return {};
    case "ok":
      return { color: "green" };
    case "busy":
    case "link":
      return { color: "cyan" };
    case "warn":
      return { color: "yellow" };
    case "bad":
      return { color: "red" };
    case "dim":
      return { dimColor: true };
    case "strong":
      return { bold: true };
  }
}

export const stepTones: Record<StepState, Tone> = { pending: "dim", running: "busy", done: "ok", failed: "bad", skipped: "dim" };

export const tunnelTones: Record<TunnelState, Tone> = { idle: "dim", connecting: "busy", open: "ok", waiting: "warn", closed: "bad" };

export const webhookTones: Record<WebhookState, Tone> = {
  unconfigured: "dim",
  pending: "busy",
  active: "ok",
  inactive: "warn",
  foreign: "warn",
  error: "bad",
};

/** "Healthy" is said only of a service that has a health check; one without is "running". */
export function serviceWord(service: ServiceStatus): string {
  return service.state === "running" && service.health !== "none" ? service.health : service.state;
}

export function serviceTone(service: ServiceStatus): Tone {
  if (service.state === "exited" || service.state === "missing") return "bad";
  if (service.state === "created") return "dim";
  if (service.state === "starting" || service.health === "starting") return "busy";
  return service.health === "unhealthy" ? "bad" : "ok";
}

export function statusTone(status: number): Tone {
  if (status === 0 || status >= 500) return "bad";
  if (status >= 400) return "warn";
  return status >= 300 ? "dim" : "ok";
}
