/**
 * ```
 * ? Which pages shall be connected?
 * › [x] Airy Demo
 *   [ ] Other page
 *   Space picks, a all, Enter goes on, Esc: none
 * ```
 */
import { Box, Text, useInput } from "ink";
import { useState } from "react";
import { useFrame } from "../frame.ts";
import { cutEnd, printable } from "../text.ts";
import { windowOf } from "../window.ts";
import { isInterrupt } from "./dashboard-app.tsx";
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
  const [at, setAt] = useState(0);
  const [picked, setPicked] = useState(() => new Set(options.filter((option) => option.picked).map(({ value }) => value)));
  useInput((input, key) => {
    if (isInterrupt(input, key)) return onInterrupt();
    if (key.escape) return onAnswer(null);
    if (key.return) return onAnswer(options.filter(({ value }) => picked.has(value)).map(({ value }) => value));
    if (key.upArrow || input === "k") setAt(Math.max(0, at - 1));
    else if (key.downArrow || input === "j") setAt(Math.min(options.length - 1, at + 1));
    else if (input === "a") setPicked(new Set(picked.size === options.length ? [] : options.map(({ value }) => value)));
    else if (input === " ") toggle(options[at]?.value);
  });
  return (
    <Box flexDirection="column">
      <Text>
        <Toned tone="link">?</Toned> <Toned tone="strong">{question.title}</Toned>
      </Text>
      {windowOf(options, at, rows).map((option) => (
        <Text key={option.value}>
          {option === options[at] ? glyphs.pointer : " "} [{picked.has(option.value) ? "x" : " "}]{" "}
          {cutEnd(printable(option.label), width - 7, glyphs.ellipsis)}
        </Text>
      ))}
      <Toned tone="dim">{"  Space picks, a all, Enter goes on, Esc: none"}</Toned>
    </Box>
  );

  function toggle(value: string | undefined): void {
    if (value === undefined) return;
    const next = new Set(picked);
    if (!next.delete(value)) next.add(value);
    setPicked(next);
  }
}
