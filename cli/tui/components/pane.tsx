/** A pane: a rule with its title, and below it so many rows. `› 2 Requests ──────────────` is the one that the keys act on. */
import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { useFrame } from "../frame.ts";
import { textStyle } from "../theme.ts";

interface PaneProps {
  title: string;
  /** Said behind the title. */
  note?: string;
  focused: boolean;
  width: number;
  height: number;
  children: ReactNode;
}

export function Pane({ title, note = "", focused, width, height, children }: PaneProps) {
  const { glyphs } = useFrame();
  const head = `${focused ? glyphs.pointer : " "}${title} `;
  const said = note === "" ? "" : `${note} `.slice(0, Math.max(0, width - head.length - 1));
  const rule = glyphs.rule.repeat(Math.max(0, width - head.length - said.length));
  return (
    <Box flexDirection="column" width={width} height={height} flexShrink={0} overflow="hidden">
      <Box height={1} flexShrink={0}>
        <Text wrap="truncate">
          <Text {...textStyle(focused ? "link" : "plain")} bold>
            {head}
          </Text>
          <Text {...textStyle("dim")}>{said + rule}</Text>
        </Text>
      </Box>
      {children}
    </Box>
  );
}
