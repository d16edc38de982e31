/** The thin part that is Ink: lines become `Text`, keys become two calls. */
import { Box, Text, useInput } from "ink";
import { useLayoutEffect } from "react";
import type { Line } from "./line.ts";
import { textStyle } from "./theme.ts";

export function Lines({ lines }: { lines: Line[] }) {
  return (
    <Box flexDirection="column">
      {lines.map((line, row) => (
        <Text key={row} wrap="truncate">
          {line.length === 0
            ? " "
            : line.map((part, index) => (
                <Text key={index} {...textStyle(part.tone)}>
                  {part.text}
                </Text>
              ))}
        </Text>
      ))}
    </Box>
  );
}

interface ScreenProps {
  lines: Line[];
  onQuit: () => void;
  onInterrupt: () => void;
  /** Runs when Ink takes the screen down, which it does on every way out of the process, also `process.exit` and uncaught errors. */
  onGone: () => void;
}

export function Screen({ lines, onQuit, onInterrupt, onGone }: ScreenProps) {
  useInput((input, key) => {
    // Ctrl-C typed twice at once arrives as one chunk that Ink does not take apart.
    if ((key.ctrl && input === "c") || input.includes("\u0003")) onInterrupt();
    else if (input === "q") onQuit();
  });
  useLayoutEffect(() => onGone, [onGone]);
  return <Lines lines={lines} />;
}
