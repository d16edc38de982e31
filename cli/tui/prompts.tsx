/** The prompts as Ink draws them, below what is on the terminal already: they are lower than any terminal that Ink is used on. */
import { render } from "ink";
import type { ReactNode } from "react";
import { AiryError } from "../errors.ts";
import type { Asker, Asking } from "./ask.ts";
import { ConfirmPrompt } from "./components/confirm-prompt.tsx";
import { SelectPrompt } from "./components/select-prompt.tsx";
import { TextPrompt } from "./components/text-prompt.tsx";
import { FrameContext, frameOf } from "./frame.ts";
import { isUtf8 } from "./terminal.ts";

/** Of choices that are visible at once. */
const leastRows = 5;

export function drawnAsker(asking: Asking): Asker {
  const ask = <T,>(draw: (onAnswer: (answer: T) => void, onInterrupt: () => void) => ReactNode) => drawn(asking, draw);
  return {
    text: (question) => ask((onAnswer, onInterrupt) => <TextPrompt {...{ question, onAnswer, onInterrupt }} />),
    confirm: (question) => ask((onAnswer, onInterrupt) => <ConfirmPrompt {...{ question, onAnswer, onInterrupt }} />),
    select: (question) => {
      const rows = Math.max(leastRows, (asking.stdout.rows ?? 24) - 4);
      return ask((onAnswer, onInterrupt) => <SelectPrompt {...{ question, rows, onAnswer, onInterrupt }} />);
    },
  };
}

/** The last frame stays on the terminal, as a record of what was answered. */
async function drawn<T>(
  { stdin, stdout, env, signal }: Asking,
  draw: (onAnswer: (answer: T) => void, onInterrupt: () => void) => ReactNode,
): Promise<T> {
  signal.throwIfAborted();
  const frame = frameOf({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 }, { now: 0, tick: 0 }, isUtf8(env));
  let aborted: () => void = () => {};
  let unmount: () => void = () => {};
  try {
    return await new Promise<T>((resolve, reject) => {
      aborted = () => reject(signal.reason);
      signal.addEventListener("abort", aborted);
      const prompt = draw(resolve, () => reject(new AiryError("INTERRUPTED", { signal: "SIGINT" })));
      ({ unmount } = render(<FrameContext value={frame}>{prompt}</FrameContext>, {
        stdin,
        stdout,
        exitOnCtrlC: false,
        patchConsole: false,
      }));
    });
  } finally {
    signal.removeEventListener("abort", aborted);
    unmount();
  }
}
