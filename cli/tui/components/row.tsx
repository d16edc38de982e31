/** One row: what stands at the left gives way to what stands at the right. */
import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { textStyle, type Tone } from "../theme.ts";

export function Toned({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <Text {...textStyle(tone)}>{children}</Text>;
}

export function Row({ children, right, indent = 1 }: { children: ReactNode; right?: ReactNode; indent?: number }) {
  return (
    <Box height={1} flexShrink={0} paddingLeft={indent}>
      <Box flexGrow={1} flexShrink={1} minWidth={0} height={1}>
        <Text wrap="truncate">{children}</Text>
      </Box>
      {right === undefined ? null : (
        <Box flexShrink={0} marginLeft={1}>
          <Text>{right}</Text>
        </Box>
      )}
    </Box>
  );
}
