/**
 * ```
 * ? Replace the webhook of the Facebook app 2348192?
 *   now    https://other.example/facebook
 *   then   https://abcdefghij.tunnel.airy.co/facebook
 *   y yes   n no
 * ```
 */
import { Box, Text } from "ink";
import { useEffect, useState } from "react";
import { isInterrupt, useKeys } from "../keypress.ts";
import { printable } from "../text.ts";
import { Toned } from "./row.tsx";

export interface ConfirmQuestion {
  title: string;
  /** Facts, each with its label. */
  facts: readonly (readonly [label: string, text: string])[];
  /** What follows from yes. */
  consequence: string;
}

interface ConfirmPromptProps {
  question: ConfirmQuestion;
  onAnswer: (yes: boolean) => void;
  onInterrupt: () => void;
}

export function ConfirmPrompt({ question, onAnswer, onInterrupt }: ConfirmPromptProps) {
  const [answer, setAnswer] = useState<boolean | null>(null);
  useKeys((input, key) => {
    if (isInterrupt(input, key)) return onInterrupt();
    if (answer !== null) return;
    if (input === "y" || input === "Y") setAnswer(true);
    // Enter alone consents to nothing.
    else if (input === "n" || input === "N" || key.escape || key.return) setAnswer(false);
  });
  // After the frame that shows it, which stays on the terminal.
  useEffect(() => {
    if (answer !== null) onAnswer(answer);
  }, [answer]);
  const labelWidth = Math.max(0, ...question.facts.map(([label]) => label.length));
  return (
    <Box flexDirection="column">
      <Text>
        <Toned tone="link">?</Toned> <Toned tone="strong">{question.title}</Toned>
        {answer === null ? "" : answer ? " yes" : " no"}
      </Text>
      {question.facts.map(([label, text]) => (
        <Text key={label}>
          {"  "}
          <Toned tone="dim">{label.padEnd(labelWidth)}</Toned> {printable(text)}
        </Text>
      ))}
      {answer === null ? (
        <>
          <Toned tone="dim">{`  ${question.consequence}`}</Toned>
          <Text>
            {"  "}
            <Toned tone="strong">y</Toned> yes <Toned tone="strong">n</Toned> no
          </Text>
        </>
      ) : null}
    </Box>
  );
}
