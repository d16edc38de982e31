/** ` › 09:15:01 POST   /facebook        200   12 ms   640 B    15 B`: what came through the tunnel, newest first. */
import { Text } from "ink";
import type { RequestRecord } from "../../events.ts";
import { durationText, sizeText, timeText } from "../format.ts";
import { useFrame } from "../frame.ts";
import { pointMs, rateAt, type View } from "../state.ts";
import { cutMiddle, printable, shownPath } from "../text.ts";
import { statusTone } from "../theme.ts";
import type { Ui } from "../ui.ts";
import { windowOf } from "../window.ts";
import { Pane } from "./pane.tsx";
import { Row, Toned } from "./row.tsx";
import { sparkText } from "./sparkline.tsx";

/** From this width on, the sizes of request and answer have columns of their own. */
const wide = 70;
const numberWidth = 8;

export function filteredRequests(view: View, text: string): readonly RequestRecord[] {
  if (text === "") return view.requests;
  const wanted = text.toLowerCase();
  return view.requests.filter((r) => `${r.method} ${r.path.split("?", 1)[0]} ${r.status}`.toLowerCase().includes(wanted));
}

interface RequestsProps {
  view: View;
  ui: Ui;
  width: number;
  height: number;
  hint: string;
}

export function Requests({ view, ui, width, height, hint }: RequestsProps) {
  const { now, glyphs } = useFrame();
  const focused = ui.pane === "requests";
  const filter = ui.filter.requests;
  const shown = filteredRequests(view, filter);
  const found = shown.findIndex((request) => request.id === ui.request);
  const chosen = Math.max(0, found);
  const spark = sparkText(rateAt(view.rate, Math.floor(now / pointMs)).counts, 24, glyphs);
  const filtered = filter === "" ? "" : `with "${printable(filter)}" `;
  return (
    <Pane
      title="2 Requests"
      note={`${filtered}${view.requests.length > 0 ? spark : ""}`.trim()}
      focused={focused}
      width={width}
      height={height}
    >
      {shown.length === 0 ? (
        <Row indent={2}>
          <Toned tone="dim">{filter === "" ? hint : "none with that text"}</Toned>
        </Row>
      ) : null}
      {windowOf(shown, chosen, height - 1).map((request) => (
        <RequestRow key={request.id} request={request} chosen={focused && request === shown[chosen]} width={width} />
      ))}
    </Pane>
  );
}

function RequestRow({ request, chosen, width }: { request: RequestRecord; chosen: boolean; width: number }) {
  const { now, glyphs } = useFrame();
  const numbers = [durationText(request.durationMs), ...(width >= wide ? [sizeText(request.bytesIn), sizeText(request.bytesOut)] : [])];
  const status = request.status === 0 ? "aborted" : String(request.status);
  // Pointer, time, method, and the numbers at the right.
  const room = Math.max(4, width - 1 - 9 - 7 - numberWidth - numbers.length * (numberWidth + 1));
  const path = cutMiddle(shownPath(request.path, glyphs.ellipsis), room, glyphs.ellipsis).padEnd(room);
  return (
    <Row indent={0}>
      {chosen ? glyphs.pointer : " "}
      <Toned tone="dim">{timeText(request.at, now).slice(-8)} </Toned>
      <Text bold={chosen}>{`${printable(request.method).slice(0, 6).padEnd(7)}${path}`}</Text>
      <Toned tone={statusTone(request.status)}>{status.padStart(numberWidth)}</Toned>
      {numbers.map((text) => text.padStart(numberWidth + 1)).join("")}
    </Row>
  );
}
