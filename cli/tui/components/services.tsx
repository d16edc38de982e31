/** ` › ✔ postgres      running   healthy    up 2h05m` */
import { useFrame } from "../frame.ts";
import type { ServiceView } from "../state.ts";
import { printable } from "../text.ts";
import { serviceTone } from "../theme.ts";
import type { Ui } from "../ui.ts";
import { windowOf } from "../window.ts";
import { Mark } from "./mark.tsx";
import { Pane } from "./pane.tsx";
import { Row, Toned } from "./row.tsx";

interface ServicesProps {
  services: readonly ServiceView[];
  ui: Ui;
  width: number;
  height: number;
}

export function Services({ services, ui, width, height }: ServicesProps) {
  const focused = ui.pane === "services";
  const chosen = Math.max(
    0,
    services.findIndex((service) => service.name === ui.service),
  );
  const nameWidth = Math.min(24, Math.max(12, ...services.map((service) => service.name.length)));
  const up = services.filter((service) => serviceTone(service) === "ok").length;
  return (
    <Pane title="1 Services" note={`${up} of ${services.length} up`} focused={focused} width={width} height={height}>
      {services.length === 0 ? <Row>none</Row> : null}
      {windowOf(services, chosen, height - 1).map((service) => (
        <ServiceRow
          key={service.name}
          service={service}
          nameWidth={nameWidth}
          chosen={focused && service === services[chosen]}
          shown={ui.shown.includes(service.name)}
          width={width}
        />
      ))}
    </Pane>
  );
}

interface ServiceRowProps {
  service: ServiceView;
  nameWidth: number;
  chosen: boolean;
  shown: boolean;
  width: number;
}

function ServiceRow({ service, nameWidth, chosen, shown, width }: ServiceRowProps) {
  const { glyphs, now } = useFrame();
  const tone = serviceTone(service);
  const name = printable(service.name).slice(0, nameWidth).padEnd(nameWidth);
  const health = service.health === "none" ? "" : service.health;
  const again = service.restarts ? `  restarted ${service.restarts} times` : "";
  const age = width < 45 ? "" : `${tone === "ok" ? "up " : "for "}${ageText(now - Date.parse(service.since))}`;
  return (
    <Row indent={0} right={<Toned tone="dim">{age}</Toned>}>
      {chosen ? glyphs.pointer : " "}
      <Mark tone={tone} /> {chosen ? <Toned tone="strong">{name}</Toned> : name} {service.state.padEnd(8)}{" "}
      <Toned tone={tone}>{health.padEnd(9)}</Toned>
      {shown ? <Toned tone="link"> log</Toned> : ""}
      <Toned tone="dim">{again + (service.detail === null ? "" : `  ${printable(service.detail)}`)}</Toned>
    </Row>
  );
}

/** `34s`, `4m`, `2h05m`, `3d04h`: no finer than the screen moves. */
function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  const two = (n: number) => String(n).padStart(2, "0");
  if (minutes === 0) return `${seconds}s`;
  if (hours === 0) return `${minutes}m`;
  return hours < 24 ? `${hours}h${two(minutes % 60)}m` : `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
}
