/**
 * ```
 *  airy · running · embedded · sandbox                              since 09:14:02
 *  Public URL  only /facebook is public, since 09:14:05
 *  http://abcdefghij.tunnel.localhost:4280/facebook
 *  Inbox    http://127.0.0.1:4200/
 *  Tunnel   ✔ open  3 ms  since 09:14:05  edge 127.0.0.1:2222
 *  Webhook  ✔ active  facebook page  last delivery 09:15:01 (200)
 *  [2 Requests] ...
 * ›2 Requests ▁▁█─────────────────────────────────────────────────────────────
 *  09:15:01 POST   /facebook                                    200    12 ms
 *  q quit  x stop  ? help  Tab pane ...
 * ```
 * Draws what it is given; keys and time are the business of `dashboard-app.tsx`.
 */
import { Box } from "ink";
import type { RequestDetail } from "../deck.ts";
import { useFrame } from "../frame.ts";
import { keysOf } from "../keys.ts";
import type { Deck } from "../deck.ts";
import { type Layout, layoutOf } from "../layout.ts";
import type { LogBuffer } from "../log-buffer.ts";
import type { View } from "../state.ts";
import { initialUi, type Ui } from "../ui.ts";
import { Detail } from "./detail.tsx";
import { Exposure } from "./exposure.tsx";
import { Facts } from "./facts.tsx";
import { Headline } from "./headline.tsx";
import { Help } from "./help.tsx";
import { Keybar } from "./keybar.tsx";
import { Logs } from "./logs.tsx";
import { MessageLine } from "./message-line.tsx";
import { Notices } from "./notices.tsx";
import { Requests } from "./requests.tsx";
import { Row } from "./row.tsx";
import { Services } from "./services.tsx";
import { Tabs } from "./tabs.tsx";

export interface DashboardProps {
  view: View;
  ui: Ui;
  deck: Deck;
  logs: LogBuffer;
  detail: RequestDetail | null | "gone" | "none";
}

export function Dashboard(props: DashboardProps) {
  const { view, ui, deck } = props;
  const frame = useFrame();
  const layout = layoutOf(view, ui, deck, frame);
  const low = frame.height < 17;
  const gap = layout.gaps ? <Row> </Row> : null;
  const line = <MessageLine ui={ui} view={view} />;
  return (
    <Box flexDirection="column" width={frame.width} height={frame.height} overflow="hidden">
      {low && (ui.message || ui.typing || ui.stopping) ? line : <Headline view={view} />}
      <Exposure view={view} />
      {gap}
      <Facts view={view} layout={layout} />
      <Notices notices={view.notices.slice(0, layout.notices)} />
      {gap}
      {layout.tabs ? <Tabs pane={ui.pane} /> : null}
      <Body {...props} layout={layout} />
      {gap}
      {low ? null : line}
      <Keybar keys={layout.keys} />
    </Box>
  );
}

function Body({ layout, ...props }: DashboardProps & { layout: Layout }) {
  const { view, ui, deck, logs } = props;
  const { width, glyphs } = useFrame();
  const { body, leftWidth } = layout;
  if (ui.help) return <Help keys={keysOf(view, initialUi, deck, glyphs)} height={body} />;
  const opened = ui.detail === null ? undefined : view.requests.find((request) => request.id === ui.detail);
  const detail = (wide: number) =>
    opened && <Detail request={opened} detail={props.detail} scroll={ui.detailScroll} width={wide} height={body} />;
  const hint = view.sandbox ? 'none yet: airy trigger message --text "Hi"' : "none yet";
  const services = <Services services={view.services} ui={ui} width={leftWidth} height={layout.services} />;
  const requests = <Requests view={view} ui={ui} width={leftWidth} height={layout.requests} hint={hint} />;
  if (layout.panes === "beside") {
    const rest = width - leftWidth - 1;
    return (
      <Box height={body} flexShrink={0}>
        <Box flexDirection="column" width={leftWidth} flexShrink={0}>
          {services}
          {requests}
        </Box>
        <Box width={1} flexShrink={0} />
        {detail(rest) ?? <Logs logs={logs} ui={ui} width={rest} height={body} />}
      </Box>
    );
  }
  if (opened) return detail(width);
  if (ui.pane === "logs") return <Logs logs={logs} ui={ui} width={width} height={body} />;
  return (
    <Box flexDirection="column" height={body} flexShrink={0}>
      {layout.panes === "stacked" || ui.pane === "services" ? services : null}
      {layout.panes === "stacked" || ui.pane === "requests" ? requests : null}
    </Box>
  );
}
