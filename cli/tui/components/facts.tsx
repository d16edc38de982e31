/**
 * ```
 *  Inbox    http://127.0.0.1:4200/
 *  Tunnel   ✔ open  3 ms ▂▃▂  since 09:14:05  edge 127.0.0.1:2222  2 reconnects
 *  Held     ! 5 webhooks wait at the edge, oldest 09:14:05, 1 set aside
 *  Webhook  ✔ active  facebook page  last delivery 09:15:01 (200)  2 rejected signatures
 * ```
 */
import { asCalled } from "../../report/called.ts";
import { Text } from "ink";
import type { ReactNode } from "react";
import type { DeliveriesStatus, PageStatus, TunnelStatus } from "../../events.ts";
import { timeText } from "../format.ts";
import { useFrame } from "../frame.ts";
import type { Layout } from "../layout.ts";
import type { View, WebhookView } from "../state.ts";
import { cutMiddle, printable } from "../text.ts";
import { tunnelTones, webhookTones } from "../theme.ts";
import { Mark } from "./mark.tsx";
import { Row, Toned } from "./row.tsx";
import { Sparkline } from "./sparkline.tsx";

const labelWidth = 9;

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Row>
      <Toned tone="strong">{label.padEnd(labelWidth)}</Toned>
      {children}
    </Row>
  );
}

export function Facts({ view, layout }: { view: View; layout: Layout }) {
  return (
    <>
      {layout.inbox ? <Inbox url={view.inboxUrl} /> : null}
      <Tunnel tunnel={view.tunnel} trips={view.trips} />
      <Held tunnel={view.tunnel} />
      {layout.pages && view.pages ? <Pages pages={view.pages} /> : null}
      {layout.heard && view.heard ? <Heard heard={view.heard} /> : null}
      {view.webhooks.length === 0 ? <Fact label="Webhook">none</Fact> : null}
      {view.webhooks.slice(0, layout.webhooks).map((webhook, index) => (
        <Webhook key={`${webhook.source} ${webhook.object}`} webhook={webhook} view={view} first={index === 0} />
      ))}
    </>
  );
}

function Inbox({ url }: { url: string | null }) {
  const { width, glyphs } = useFrame();
  return (
    <Fact label="Inbox">
      {url === null ? (
        <Toned tone="dim">not up</Toned>
      ) : (
        <Toned tone="link">{cutMiddle(url, width - labelWidth - 1, glyphs.ellipsis)}</Toned>
      )}
    </Fact>
  );
}

function Tunnel({ tunnel, trips }: { tunnel: TunnelStatus | null; trips: readonly number[] }) {
  const { now, width } = useFrame();
  if (tunnel === null) {
    return (
      <Fact label="Tunnel">
        <Toned tone="dim">not up</Toned>
      </Fact>
    );
  }
  const tone = tunnelTones[tunnel.state];
  const facts: string[] = [];
  if (tunnel.state === "waiting" && tunnel.retryAt !== null) facts.push(retryText(tunnel.retryAt, now));
  if (tunnel.reason !== null && tunnel.state !== "open") facts.push(printable(tunnel.reason));
  const measured = tunnel.state === "open" && tunnel.rttMs !== null;
  const rest = [`since ${timeText(tunnel.since, now)}`, `edge ${printable(tunnel.edge)}`];
  if (tunnel.reconnects > 0) rest.push(`${tunnel.reconnects} reconnect${tunnel.reconnects === 1 ? "" : "s"}`);
  return (
    <Fact label="Tunnel">
      <Mark tone={tone} /> <Toned tone={tone}>{tunnel.state}</Toned>
      {measured ? `  ${Math.round(tunnel.rttMs ?? 0)} ms ` : ""}
      {measured && trips.length > 1 ? <Sparkline values={trips} width={width >= 99 ? 20 : 8} /> : null}
      {`  ${[...facts, ...rest].join("  ")}`}
    </Fact>
  );
}

function retryText(retryAt: string, now: number): string {
  const seconds = Math.ceil((Date.parse(retryAt) - now) / 1000);
  return seconds > 0 ? `next attempt in ${seconds} s` : "next attempt now";
}

function Held({ tunnel }: { tunnel: TunnelStatus | null }) {
  const { now } = useFrame();
  const held = tunnel?.held ?? null;
  if (held === null || (held.entries === 0 && held.dead === 0)) return null;
  const parts = [held.entries === 1 ? "1 webhook waits at the edge" : `${held.entries} webhooks wait at the edge`];
  if (held.oldest !== null) parts.push(`oldest ${timeText(held.oldest, now)}`);
  if (held.dead > 0) parts.push(`${held.dead} set aside (${asCalled("airy replay --dead")})`);
  return (
    <Fact label="Held">
      <Mark tone="warn" /> <Toned tone="warn">{parts.join(", ")}</Toned>
    </Fact>
  );
}

/** Those that are not well first, because the line may be too short for all. */
function Pages({ pages }: { pages: readonly PageStatus[] }) {
  if (pages.length === 0) {
    return (
      <Fact label="Pages">
        <Mark tone="warn" /> <Toned tone="warn">none connected, so that nothing will arrive: airy webhook connect</Toned>
      </Fact>
    );
  }
  const order = ["broken", "unknown", "ok"] as const;
  return (
    <Fact label="Pages">
      {pages
        .toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
        .map(({ id, name, state, reason }) => (
          <Text key={id}>
            <Mark tone={pageTones[state]} /> {printable(name)} <Toned tone={pageTones[state]}>{pageWords[state]}</Toned>
            {state === "broken" && reason !== null ? `: ${printable(reason)}` : ""}
            {"  "}
          </Text>
        ))}
    </Fact>
  );
}

const pageTones = { ok: "ok", broken: "bad", unknown: "warn" } as const;
const pageWords = { ok: "connected", broken: "broken", unknown: "not asked" } as const;

/** One line, of what matters most: who waits, then the test, then the rest. */
function Heard({ heard }: { heard: DeliveriesStatus }) {
  const { now } = useFrame();
  const waiting = heard.waiting.map(({ id, deliveries }) => `page ${id ?? "?"} is not connected: ${deliveries} wait`);
  const kinds = Object.entries(heard.kinds).filter(([kind]) => kind !== "Facebook's test");
  const parts = [
    ...(heard.lastTestAt === null ? [] : [`Facebook's test arrived ${timeText(heard.lastTestAt, now)}: the way is open`]),
    ...(kinds.length === 0 ? [] : [`no messages: ${kinds.map(([kind, count]) => `${count} x ${kind}`).join(", ")}`]),
  ];
  return (
    <Fact label="Arrived">
      {waiting.length === 0 ? null : (
        <>
          <Mark tone="warn" /> <Toned tone="warn">{printable(waiting.join(", "))}</Toned>
          {"  "}
        </>
      )}
      {printable(parts.join("  "))}
    </Fact>
  );
}

function Webhook({ webhook, view, first }: { webhook: WebhookView; view: View; first: boolean }) {
  const { now } = useFrame();
  const tone = webhookTones[webhook.state];
  const foreign = webhook.state === "foreign" && webhook.callbackUrl !== null;
  const { last, rejected } = view.deliveries;
  return (
    <Fact label={first ? "Webhook" : ""}>
      <Mark tone={tone} /> <Toned tone={tone}>{webhook.state}</Toned>
      {`  ${webhook.source} ${printable(webhook.object)}`}
      {foreign ? <Toned tone="warn">{`  points to ${printable(webhook.callbackUrl ?? "")}`}</Toned> : null}
      {first && last ? `  last delivery ${timeText(last.at, now)} (${last.status || "aborted"})` : ""}
      {first && rejected > 0 ? <Toned tone="warn">{`  ${rejected} rejected signature${rejected === 1 ? "" : "s"}`}</Toned> : null}
      {webhook.detail === null ? null : <Toned tone="dim">{`  ${printable(webhook.detail)}`}</Toned>}
    </Fact>
  );
}
