/**
 * Questions that commands can await. Whether something is drawn (`canRender`), whether somebody may be asked (`canAsk`) and what is
 * consented to without being asked (flags of the commands) are three different things.
 */
import type { ConfirmQuestion } from "./components/confirm-prompt.tsx";
import type { SelectQuestion } from "./components/select-prompt.tsx";
import type { TextQuestion } from "./components/text-prompt.tsx";
import { canRender, type Environment } from "./terminal.ts";

export interface Asking {
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  /** With NO_COLOR, FORCE_COLOR=0 is set in it before Ink is loaded. */
  env: Environment;
  signal: AbortSignal;
}

/** All reject with INTERRUPTED at Ctrl-C, and with the reason of the signal when that is aborted. */
export interface Asker {
  /** null: later. */
  text(question: TextQuestion): Promise<string | null>;
  /** Yes only where somebody has said so. */
  confirm(question: ConfirmQuestion): Promise<boolean>;
  /** The values that were picked; null: the question was put aside. */
  select(question: SelectQuestion): Promise<string[] | null>;
}

/** Whether there is somebody to ask. What is drawn does not matter: lines do as well. */
export function canAsk(tty: { stdin: boolean; stdout: boolean }, env: Environment, noInput: boolean): boolean {
  return !noInput && tty.stdin && tty.stdout && !env["CI"];
}

/** Drawn where that can be, else asked line by line, with numbers for choices: on dumb terminals and for screen readers. */
export async function createAsker(asking: Asking): Promise<Asker> {
  const { stdin, stdout, env } = asking;
  if (env["NO_COLOR"]) env["FORCE_COLOR"] = "0";
  if (canRender(stdin, stdout, env)) return (await import("./prompts.tsx")).drawnAsker(asking);
  return (await import("./line-prompts.ts")).lineAsker(asking);
}
