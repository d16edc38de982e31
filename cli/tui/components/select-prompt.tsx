/**
 * ```
 * ? Which pages shall be connected?
 * › [x] Airy Demo
 *   [ ] Other page
 *   Space picks, a all, Enter goes on, Esc: none
 * ```
 */
import { Box, Text } from "ink";
import { useRef, useState } from "react";
import { useFrame } from "../frame.ts";
import { isInterrupt, useKeys } from "../keypress.ts";
import { cutEnd, printable } from "../text.ts";
import { windowOf } from "../window.ts";
import { Toned } from "./row.tsx";

export interface SelectQuestion {
  title: string;
  options: readonly { value: string; label: string; picked: boolean }[];
}

interface SelectPromptProps {
  question: SelectQuestion;
  /** Options that are visible at once. */
  rows: number;
  onAnswer: (values: string[] | null) => void;
  onInterrupt: () => void;
}

export function SelectPrompt({ question, rows, onAnswer, onInterrupt }: SelectPromptProps) {
  const { glyphs, width } = useFrame();
  const { options } = question;
  const [shown, setShown] = useState(() => ({ at: 0, picked: options.filter(({ picked }) => picked).map(({ value }) => value) }));
  // Keys that are typed fast arrive before the handler of the next drawing.
  const newest = useRef(shown);
  const change = (part: Partial<typeof shown>) => {
    newest.current = { ...newest.current, ...part };
    setShown(newest.current);
  };
  useKeys((input, key) => {
    if (isInterrupt(input, key)) return onInterrupt();
    const { at, picked } = newest.current;
    if (key.escape) return onAnswer(null);
    if (key.return) return onAnswer(options.map(({ value }) => value).filter((value) => picked.includes(value)));
    if (key.upArrow || input === "k") change({ at: Math.max(0, at - 1) });
    else if (key.downArrow || input === "j") change({ at: Math.min(options.length - 1, at + 1) });
    else if (input === "a") change({ picked: picked.length === options.length ? [] : options.map(({ value }) => value) });
    else if (input === " ") change({ picked: toggled(picked, options[at]?.value) });
  });
  const { at, picked } = shown;
  return (
    <Box flexDirection="column">
      <Text>
        <Toned tone="link">?</Toned> <Toned tone="strong">{question.title}</Toned>
      </Text>
      {windowOf(options, at, rows).map((option) => (
        <Text key={option.value}>
          {option === options[at] ? glyphs.pointer : " "} [{picked.includes(option.value) ? "x" : " "}]{" "}
          {cutEnd(printable(option.label), width - 7, glyphs.ellipsis)}
        </Text>
      ))}
      <Toned tone="dim">{"  Space picks, a all, Enter goes on, Esc: none"}</Toned>
    </Box>
  );
}

function toggled(picked: readonly string[], value: string | undefined): string[] {
  if (value === undefined) return [...picked];
  return picked.includes(value) ? picked.filter((one) => one !== value) : [...picked, value];
}
