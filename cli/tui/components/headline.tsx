/** ` airy · running · embedded · sandbox                 since 09:14:02` */
import { timeText } from "../format.ts";
import { useFrame } from "../frame.ts";
import { condition, type View } from "../state.ts";
import { Row, Toned } from "./row.tsx";

export function Headline({ view }: { view: View }) {
  const { glyphs, now } = useFrame();
  const state = condition(view);
  const facts = [view.engine, view.sandbox ? "sandbox" : null].filter((fact) => fact !== null);
  return (
    <Row right={view.readyAt === null ? undefined : <Toned tone="dim">since {timeText(view.readyAt, now)}</Toned>}>
      <Toned tone="strong">airy</Toned> {glyphs.separator} <Toned tone={state === "running" ? "ok" : "warn"}>{state}</Toned>
      {facts.map((fact) => ` ${glyphs.separator} ${fact}`).join("")}
    </Row>
  );
}
