/** What came of the last key; or the line that is typed; or the question that waits for an answer. */
import { asCalled } from "../../report/called.ts";
import { useFrame } from "../frame.ts";
import type { View } from "../state.ts";
import { printable } from "../text.ts";
import type { Ui } from "../ui.ts";
import { Row, Toned } from "./row.tsx";

export function MessageLine({ ui, view }: { ui: Ui; view: View }) {
  const { glyphs, width } = useFrame();
  if (ui.stopping) {
    return (
      <Row>
        <Toned tone="warn">Stop everything? Webhooks are not delivered meanwhile. y/n</Toned>
      </Row>
    );
  }
  if (ui.typing) {
    const label = ui.typing.what === "filter" ? `Filter ${ui.pane === "requests" ? "requests" : "logs"}: ` : "Write as a customer: ";
    const room = Math.max(1, width - label.length - 2);
    return (
      <Row>
        <Toned tone="strong">{label}</Toned>
        {printable(ui.typing.text).slice(-room)}
        <Toned tone="link">{glyphs.rule}</Toned>
      </Row>
    );
  }
  if (ui.message) {
    return (
      <Row>
        <Toned tone={ui.message.tone}>{printable(ui.message.text)}</Toned>
      </Row>
    );
  }
  return (
    <Row>
      <Toned tone="dim">
        {asCalled(view.requests.length === 0 ? "stop from anywhere: airy down" : "all keeps running after q; stop: airy down")}
      </Toned>
    </Row>
  );
}
