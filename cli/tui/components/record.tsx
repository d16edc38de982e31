/** What stays in the scrollback: how the start went, and where everything is when it keeps running. */
import { Box, Text } from "ink";
import { useFrame } from "../frame.ts";
import type { View } from "../state.ts";
import { publicUrl } from "./exposure.tsx";
import { Notices } from "./notices.tsx";
import { Toned } from "./row.tsx";
import { nameWidthOf, progressOf, ProgressRows } from "./start.tsx";

/** The services only where they say why it did not end well. */
export function StartRecord({ view }: { view: View }) {
  const frame = useFrame();
  const list = progressOf(view.readyAt === null ? view : { ...view, services: [] }, null, frame, () => true);
  return (
    <Box flexDirection="column" width={frame.width}>
      <ProgressRows list={list} nameWidth={nameWidthOf(list, frame)} />
      <Notices notices={view.notices.toReversed()} />
    </Box>
  );
}

/** Wider than any line, so that a long URL is wrapped by the terminal, which lets it be copied whole. */
export function UrlRecord({ view }: { view: View }) {
  const rows: [string, string | null][] = [
    ["Inbox", view.inboxUrl],
    ["Public URL", publicUrl(view)],
  ];
  return (
    <Box flexDirection="column">
      {rows.map(([name, url]) =>
        url === null ? null : (
          <Text key={name}>
            {" "}
            <Toned tone="strong">{name.padEnd(12)}</Toned>
            <Toned tone="link">{url}</Toned>
          </Text>
        ),
      )}
    </Box>
  );
}
