/** `09:14:05 platform │ listening on 4200`: log lines of all services, or of those that were picked. */
import { timeText } from "../format.ts";
import { useFrame } from "../frame.ts";
import type { LogBuffer } from "../log-buffer.ts";
import { printable } from "../text.ts";
import type { Ui } from "../ui.ts";
import { Pane } from "./pane.tsx";
import { Row, Toned } from "./row.tsx";

interface LogsProps {
  logs: LogBuffer;
  ui: Ui;
  width: number;
  height: number;
}

const serviceTones = ["ok", "link", "warn", "strong"] as const;

export function Logs({ logs, ui, width, height }: LogsProps) {
  const { now, glyphs } = useFrame();
  const lines = logs.window(ui.shown, ui.filter.logs, ui.logScroll, height - 1, ui.logsUntil);
  const whose = ui.shown.length === 0 ? "all services" : ui.shown.join(", ");
  const filter = ui.filter.logs === "" ? "" : ` with "${printable(ui.filter.logs)}"`;
  const newer = ui.logsUntil === null ? 0 : logs.total - ui.logsUntil;
  const back = ui.logScroll > 0 ? `, ${ui.logScroll} lines back${newer > 0 ? `, ${newer} new` : ""}` : "";
  const nameWidth = Math.min(10, Math.max(5, ...lines.map((line) => line.service.length)));
  return (
    <Pane title="3 Logs" note={`of ${whose}${filter}${back}`} focused={ui.pane === "logs"} width={width} height={height}>
      {lines.length === 0 ? (
        <Row>
          <Toned tone="dim">{logs.total === 0 ? "no lines yet" : "no line matches"}</Toned>
        </Row>
      ) : null}
      {lines.map((line, index) => (
        <Row key={index}>
          {width >= 60 && line.at !== null ? <Toned tone="dim">{timeText(line.at, now).slice(-8)} </Toned> : null}
          <Toned tone={toneOf(line.service)}>{line.service.slice(0, nameWidth).padEnd(nameWidth)}</Toned>
          <Toned tone="dim"> {glyphs.separator} </Toned>
          {line.line}
        </Row>
      ))}
    </Pane>
  );
}

/** The same for the same name. */
function toneOf(service: string): (typeof serviceTones)[number] {
  const sum = [...service].reduce((total, c) => total + c.charCodeAt(0), 0);
  return serviceTones[sum % serviceTones.length] ?? "ok";
}
