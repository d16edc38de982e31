/** The prompts as lines: nothing is redrawn, choices have numbers, and what is typed is ended by Enter. */
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { AiryError } from "../errors.ts";
import type { Asker, Asking } from "./ask.ts";
import { printable } from "./text.ts";

export function lineAsker(asking: Asking): Asker {
  const say = (text: string): void => void asking.stdout.write(`${text}\n`);
  return {
    async text(question) {
      say(`${question.title}. ${question.hint}`);
      const later = question.later === null ? "" : ` (empty: ${question.later})`;
      const note = question.secret ? " What you type is not shown." : "";
      for (;;) {
        const answer = (await line(asking, `${question.title}${later}:${note} `, question.secret)).trim();
        if (answer === "" && question.later !== null) return null;
        const wrong = answer === "" ? "An answer is needed." : (question.validate(answer) ?? (await question.check(answer)));
        if (wrong === null) return answer;
        say(`Not accepted: ${wrong}`);
      }
    },
    async confirm(question) {
      say(question.title);
      for (const [label, text] of question.facts) say(`  ${label}: ${printable(text)}`);
      say(question.consequence);
      return /^y(es)?$/i.test((await line(asking, "yes or no [no]: ", false)).trim());
    },
    async select(question) {
      say(question.title);
      question.options.forEach(({ label, picked }, i) => say(`  ${i + 1}. ${printable(label)}${picked ? " (picked)" : ""}`));
      for (;;) {
        const answer = (await line(asking, "Numbers, with blanks between them; empty: the picked ones; 0: none: ", false)).trim();
        if (answer === "0") return null;
        if (answer === "") return question.options.filter(({ picked }) => picked).map(({ value }) => value);
        const numbers = answer.split(/[\s,]+/).map(Number);
        const values = numbers.map((n) => question.options[n - 1]?.value);
        if (values.every((value) => value !== undefined)) return values;
        say("Not accepted: say numbers from the list.");
      }
    },
  };
}

/** Throws INTERRUPTED, and the reason of the signal. Ctrl-D is an empty answer. */
async function line({ stdin, stdout, signal }: Asking, question: string, secret: boolean): Promise<string> {
  signal.throwIfAborted();
  let hidden = false;
  const output = new Writable({ write: (chunk: Buffer, _, done) => (hidden ? done() : void stdout.write(chunk, () => done())) });
  const prompt = createInterface({ input: stdin, output, terminal: true });
  let aborted: () => void = () => {};
  try {
    return await new Promise<string>((resolve, reject) => {
      aborted = () => reject(signal.reason);
      signal.addEventListener("abort", aborted);
      // The terminal is in raw mode while it is asked, so that Ctrl-C arrives as a key.
      prompt.on("SIGINT", () => reject(new AiryError("INTERRUPTED", { signal: "SIGINT" })));
      prompt.on("close", () => resolve(""));
      prompt.question(question).then(resolve, reject);
      hidden = secret;
    });
  } finally {
    signal.removeEventListener("abort", aborted);
    prompt.close();
    if (secret) stdout.write("\n");
  }
}
