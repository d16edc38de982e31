import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { canAsk } from "../../../cli/tui/ask.ts";
import { lineAsker } from "../../../cli/tui/line-prompts.ts";

/** The asker on streams that are no terminals, and all that it wrote. */
function lines(answers: string) {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  let text = "";
  stdout.on("data", (data: Buffer) => (text += data.toString()));
  stdin.write(answers);
  const streams = { stdin, stdout } as unknown as { stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream };
  return { asker: lineAsker({ ...streams, env: {}, signal: new AbortController().signal }), text: () => text };
}

const question = {
  title: "App ID",
  hint: "On the page.",
  secret: false,
  later: "later" as string | null,
  validate: (text: string) => (/^\d*$/.test(text) ? null : "Digits only."),
  check: async (text: string) => (text === "13" ? "Nobody knows it." : null),
};

it.each([
  ["", "", false, true],
  ["--no-input", "", true, false],
  ["CI", "1", false, false],
])("may be asked, or not: %s", (_, ci, noInput, expected) => {
  expect(canAsk({ stdin: true, stdout: true }, ci ? { CI: ci } : {}, noInput)).toBe(expected);
  expect(canAsk({ stdin: false, stdout: true }, {}, noInput)).toBe(false);
});

it("as lines a wrong answer is asked again, with what is wrong", async () => {
  const { asker, text } = lines("x\r");
  const answer = asker.text(question);
  await expect.poll(text).toContain("Not accepted: Digits only.");
  expect(text()).toContain("On the page.");
  void answer.catch(() => {});
});

it("as lines an empty answer is later, and no consent", async () => {
  expect(await lines("\r").asker.text(question)).toBeNull();
  expect(await lines("\r").asker.confirm({ title: "Sure?", facts: [["now", "a\u001B[2J"]], consequence: "" })).toBe(false);
  const yes = lines("y\r");
  expect(await yes.asker.confirm({ title: "Sure?", facts: [["now", "a\u001B[2J"]], consequence: "" })).toBe(true);
  expect(yes.text()).toContain("now: a?[2J");
});

it("as lines choices have numbers", async () => {
  const options = [
    { value: "a", label: "Page A", picked: true },
    { value: "b", label: "Page B", picked: false },
  ];
  const two = lines("2 1\r");
  expect(await two.asker.select({ title: "Which?", options })).toEqual(["b", "a"]);
  expect(two.text()).toContain("1. Page A (picked)");
  expect(await lines("\r").asker.select({ title: "Which?", options })).toEqual(["a"]);
  expect(await lines("0\r").asker.select({ title: "Which?", options })).toBeNull();
});

it("as lines a secret is not shown", async () => {
  const { asker, text } = lines("4711\r");
  expect(await asker.text({ ...question, secret: true })).toBe("4711");
  expect(text()).not.toContain("4711");
});
