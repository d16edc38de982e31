/** The dashboard: what is public, the tunnel, the webhooks, the services and the last requests. */
import { timeText } from "../format.ts";
import type { Frame } from "../frame.ts";
import { blank, cutMiddle, justify, type Line, printable, span } from "../line.ts";
import { mark, serviceTone, serviceWord, tunnelTone, webhookTone } from "../parts/mark.ts";
import { noticeLines } from "../parts/notice.ts";
import { requestLines } from "../parts/requests.ts";
import { condition, type View, type WebhookView } from "../state.ts";

/** Rows that the list of requests keeps for itself when the frame is low. */
const leastRequests = 2;

/**
 * ```
 *  airy · running · embedded · sandbox         since 09:14:02
 *
 *  Public URL  only /facebook is public, since 09:14:05
 *  http://abcdefghij.tunnel.localhost:4280/facebook
 *
 *  Inbox     http://127.0.0.1:4200/
 *  Tunnel    ✔ open  3 ms  edge 127.0.0.1:2222  since 09:14:05
 *  Webhook   ✔ active  facebook page
 *
 *  Services
 *  ✔ postgres      running   healthy
 *
 *  Requests
 *  09:15:01  POST   /facebook              200    12 ms
 *
 *  q quit, Ctrl-C too (all keeps running)   stop with: airy down
 * ```
 * A low frame drops blank lines first, then folds the services into one line, then shortens the requests.
 */
export function dashboardScreen(view: View, frame: Frame, publicPaths: readonly string[]): Line[] {
  const head = [headline(view, frame)];
  const exposure = publicLines(view, frame, publicPaths);
  const facts = [inboxLine(view, frame), ...tunnelLines(view, frame), ...webhookLines(view, frame)];
  const notices = view.notices.slice(0, 2).flatMap((n) => noticeLines(n, frame));
  const services = serviceLines(view, frame);
  const keys = keysLine(frame);

  const roomy = [
    ...head,
    blank,
    ...exposure,
    blank,
    ...facts,
    ...(notices.length > 0 ? [blank, ...notices] : []),
    blank,
    ...services,
    blank,
  ];
  const folded = [...head, ...exposure, ...facts, foldedServices(view, frame), ...notices];
  // One more for the heading of the requests, one for the keys.
  const base = roomy.length + leastRequests + 3 <= frame.height ? roomy : folded;
  const gap = base === roomy ? [blank] : [];
  const requests = requestLines(view, frame, Math.max(0, frame.height - base.length - gap.length - 1));
  return [...base.slice(0, frame.height - 1), ...requests, ...gap, keys];
}

/** What stays in the scrollback after the dashboard was left: where everything is. The caller says how to stop it. */
export function dashboardRecord(view: View, publicPaths: readonly string[]): Line[] {
  const rows: [string, string | null][] = [
    ["Inbox", view.inboxUrl],
    ["Public URL", publicUrl(view, publicPaths)],
  ];
  return rows
    .filter((row): row is [string, string] => row[1] !== null)
    .map(([name, text]): Line => [span(` ${name.padEnd(12)}`, "strong"), span(text, "link")]);
}

function headline(view: View, frame: Frame): Line {
  const state = condition(view);
  const facts = [view.engine, view.sandbox ? "sandbox" : null].filter((fact) => fact !== null);
  const rest = facts.map((fact) => ` ${frame.glyphs.separator} ${fact}`).join("");
  const left: Line = [
    span(" "),
    span("airy", "strong"),
    span(` ${frame.glyphs.separator} `),
    span(state, state === "running" ? "ok" : "warn"),
    span(rest),
  ];
  return justify(left, view.readyAt ? [span(`since ${timeText(view.readyAt, frame.now)}`, "dim")] : [], frame.width, frame.glyphs.ellipsis);
}

function publicUrl(view: View, publicPaths: readonly string[]): string | null {
  const url = view.tunnel?.url ?? null;
  if (url === null) return null;
  return publicPaths.length === 1 ? url.replace(/\/$/, "") + publicPaths[0] : url;
}

/** The URL stands alone on its line, at the left edge, so that it can be marked and copied; only a frame that is too narrow cuts it. */
function publicLines(view: View, frame: Frame, publicPaths: readonly string[]): Line[] {
  const url = publicUrl(view, publicPaths);
  if (url === null) return [[span(" Public URL  ", "strong"), span("none yet: nothing on this machine is public", "dim")]];
  const what = publicPaths.length === 0 ? "everything is public" : `only ${publicPaths.join(", ")} is public`;
  const when = view.tunnel?.state === "open" ? `, since ${timeText(view.tunnel.since, frame.now)}` : ", but not connected now";
  const margin = url.length + 1 <= frame.width ? " " : "";
  return [
    [span(" Public URL  ", "strong"), span(what + when, publicPaths.length === 0 ? "warn" : "dim")],
    [span(margin + cutMiddle(url, frame.width - margin.length, frame.glyphs.ellipsis), "link")],
  ];
}

const label = (text: string) => span(` ${text.padEnd(9)}`, "strong");

function inboxLine(view: View, frame: Frame): Line {
  if (view.inboxUrl === null) return [label("Inbox"), span("not up", "dim")];
  return [label("Inbox"), span(cutMiddle(view.inboxUrl, frame.width - 10, frame.glyphs.ellipsis), "link")];
}

function tunnelLines(view: View, frame: Frame): Line[] {
  const { tunnel } = view;
  if (tunnel === null) return [[label("Tunnel"), span("not up", "dim")]];
  const tone = tunnelTone(tunnel.state);
  const facts: string[] = [];
  if (tunnel.state === "waiting" && tunnel.retryAt !== null) facts.push(retryText(tunnel.retryAt, frame.now));
  if (tunnel.reason !== null && tunnel.state !== "open") facts.push(printable(tunnel.reason));
  if (tunnel.state === "open" && tunnel.rttMs !== null) facts.push(`${Math.round(tunnel.rttMs)} ms`);
  facts.push(`since ${timeText(tunnel.since, frame.now)}`, `edge ${printable(tunnel.edge)}`);
  if (tunnel.reconnects > 0) facts.push(`${tunnel.reconnects} reconnect${tunnel.reconnects === 1 ? "" : "s"}`);
  const lines: Line[] = [[label("Tunnel"), mark(tone, frame), span(` ${tunnel.state}`, tone), span(`  ${facts.join("  ")}`)]];
  const held = tunnel.held;
  if (held === null || (held.entries === 0 && held.dead === 0)) return lines;
  const parts = [held.entries === 1 ? "1 webhook waits at the edge" : `${held.entries} webhooks wait at the edge`];
  if (held.oldest !== null) parts.push(`oldest ${timeText(held.oldest, frame.now)}`);
  if (held.dead > 0) parts.push(`${held.dead} set aside`);
  return [...lines, [label("Held"), mark("warn", frame), span(` ${parts.join(", ")}`, "warn")]];
}

function retryText(retryAt: string, now: number): string {
  const seconds = Math.ceil((Date.parse(retryAt) - now) / 1000);
  return seconds > 0 ? `next attempt in ${seconds} s` : "next attempt now";
}

function webhookLines(view: View, frame: Frame): Line[] {
  if (view.webhooks.length === 0) return [[label("Webhook"), span("none", "dim")]];
  return view.webhooks.map((webhook, index) => [
    label(index === 0 ? "Webhook" : ""),
    mark(webhookTone(webhook.state), frame),
    span(` ${webhook.state}`, webhookTone(webhook.state)),
    span(`  ${webhook.source} ${printable(webhook.object)}`),
    ...webhookRest(webhook),
  ]);
}

function webhookRest(webhook: WebhookView): Line {
  if (webhook.state === "foreign" && webhook.callbackUrl !== null) return [span(`  points to ${printable(webhook.callbackUrl)}`, "warn")];
  return webhook.detail === null ? [] : [span(`  ${printable(webhook.detail)}`, "dim")];
}

function serviceLines(view: View, frame: Frame): Line[] {
  const width = Math.max(12, ...view.services.map((s) => s.name.length));
  const rows = view.services.map((service): Line => {
    const tone = serviceTone(service);
    const health = service.health === "none" ? "" : service.health;
    const detail = service.detail === null ? [] : [span(` ${printable(service.detail)}`, "dim")];
    return [
      span(" "),
      mark(tone, frame),
      span(` ${printable(service.name).padEnd(width)}  ${service.state.padEnd(9)}`),
      span(` ${health.padEnd(9)}`, tone),
      ...detail,
    ];
  });
  return [[span(" Services", "strong")], ...(rows.length > 0 ? rows : [[span(" none", "dim")]])];
}

/** `Services  4 of 4 up`, or the names of those that are not. */
function foldedServices(view: View, frame: Frame): Line {
  const down = view.services.filter((s) => serviceTone(s) !== "ok");
  const up = `${view.services.length - down.length} of ${view.services.length} up`;
  const worst = down.find((s) => serviceTone(s) === "bad") ?? down[0];
  const tone = worst ? serviceTone(worst) : "ok";
  const names = down.map((s) => `${printable(s.name)} ${serviceWord(s)}`).join(", ");
  return [label("Services"), mark(tone, frame), span(` ${up}`, tone), span(names === "" ? "" : `  ${names}`)];
}

function keysLine(frame: Frame): Line {
  const left: Line = [span(" "), span("q", "strong"), span(" or "), span("Ctrl-C", "strong"), span(" quit", "plain")];
  const long: Line = [...left, span(", all keeps running", "dim")];
  const right: Line = [span("stop: ", "dim"), span("airy down", "strong")];
  return justify(frame.width >= 56 ? long : left, right, frame.width, frame.glyphs.ellipsis);
}
