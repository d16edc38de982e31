/** ` 1 Services  2 Requests  3 Logs`, where not all panes are visible. */
import type { Pane } from "../ui.ts";
import { panes } from "../ui.ts";
import { Row, Toned } from "./row.tsx";

const titles: Record<Pane, string> = { services: "1 Services", requests: "2 Requests", logs: "3 Logs" };

export function Tabs({ pane }: { pane: Pane }) {
  return (
    <Row>
      {panes.map((each) => (
        <Toned key={each} tone={each === pane ? "link" : "dim"}>
          {each === pane ? `[${titles[each]}] ` : ` ${titles[each]}  `}
        </Toned>
      ))}
    </Row>
  );
}
