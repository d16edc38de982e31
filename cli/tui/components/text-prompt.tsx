/**
 * ```
 * ? Facebook App ID  2348192
 *   Of your app: https://developers.facebook.com/apps -> App settings -> Basic.
 *   Enter to go on, Esc for later: airy up asks no more, airy.yaml takes it
 * ```
 */
import { Box, Text, useInput } from "ink";
import { useEffect, useRef, useState } from "react";
import { useFrame } from "../frame.ts";
import { isInterrupt } from "../keypress.ts";
import { printable } from "../text.ts";
import { Mark } from "./mark.tsx";
import { Toned } from "./row.tsx";

export interface TextQuestion {
  title: string;
  /** Where to find the answer. */
  hint: string;
  /** Shown as dots. */
  secret: boolean;
  /** What happens with Esc; null: an answer is needed. */
  later: string | null;
  /** What is wrong with what was typed so far; null: nothing. Asked at each key. */
  validate: (text: string) => string | null;
  /** Asked once it is complete, and may ask somebody else; null: it is right. */
  check: (text: string) => Promise<string | null>;
}

interface TextPromptProps {
  question: TextQuestion;
  onAnswer: (text: string | null) => void;
  onInterrupt: () => void;
}

export function TextPrompt({ question, onAnswer, onInterrupt }: TextPromptProps) {
  const { glyphs, width } = useFrame();
  const [text, setText] = useState("");
  // Keys that are typed fast arrive before the handler of the next drawing.
  const newest = useRef("");
  const [state, setState] = useState<"typing" | "checking" | "answered">("typing");
  const [problem, setProblem] = useState<string | null>(null);
  useInput((input, key) => {
    if (isInterrupt(input, key)) return onInterrupt();
    if (state !== "typing") return;
    if (key.escape && question.later !== null) return onAnswer(null);
    if (key.return) return submit(newest.current);
    if (key.backspace || key.delete) return type([...newest.current].slice(0, -1).join(""));
    if (key.ctrl && input === "u") return type("");
    if (key.ctrl || key.meta || key.tab || input === "") return;
    // A paste arrives whole, with the end of its line.
    const [line = "", ...rest] = input.split(/[\r\n]/);
    const typed = newest.current + line.replaceAll(/\p{Cc}/gu, "");
    type(typed);
    if (rest.length > 0) submit(typed);
  });
  // After the frame that shows it, which stays on the terminal.
  useEffect(() => {
    if (state === "answered") onAnswer(text.trim());
  }, [state]);
  const shown = question.secret ? glyphs.bullet.repeat(text.length) : printable(text);
  return (
    <Box flexDirection="column">
      <Text wrap="truncate">
        <Toned tone="link">?</Toned> <Toned tone="strong">{question.title}</Toned>{" "}
        {shown.slice(-Math.max(8, width - question.title.length - 6))}
        <Toned tone="link">{state === "typing" ? glyphs.rule : ""}</Toned>
      </Text>
      {state === "answered" ? null : (
        <>
          <Box paddingLeft={2}>
            {state === "checking" ? (
              <Text>
                <Mark tone="busy" /> checking
              </Text>
            ) : (
              <Toned tone={problem === null ? "dim" : "bad"}>{problem ?? question.hint}</Toned>
            )}
          </Box>
          <Toned tone="dim">{`  Enter to go on${question.later === null ? "" : `, Esc: ${question.later}`}`}</Toned>
        </>
      )}
    </Box>
  );

  function type(typed: string): void {
    newest.current = typed;
    setText(typed);
    setProblem(typed === "" ? null : question.validate(typed.trim()));
  }

  function submit(typed: string): void {
    const wrong = typed.trim() === "" ? "An answer is needed." : question.validate(typed.trim());
    if (wrong !== null) return setProblem(wrong);
    setState("checking");
    void question.check(typed.trim()).then((found) => {
      if (found !== null) {
        setProblem(found);
        return setState("typing");
      }
      setState("answered");
    });
  }
}
