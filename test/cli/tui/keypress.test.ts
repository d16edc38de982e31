import type { Key } from "ink";
import { expect, it } from "vitest";
import { keysIn } from "../../../cli/tui/keypress.ts";

const plain = { meta: false, escape: false, ctrl: false } as Key;

/** The keys in short: what is printed as itself, the others by name. */
function told(input: string, key = plain): string[] | undefined {
  return keysIn(input, key)?.map(([one, its]) => {
    const name = (["return", "tab", "backspace", "escape"] as const).find((each) => its[each]);
    return name ?? (its.ctrl ? `ctrl-${one}` : one);
  });
}

it.each([
  ["q", ["q"]],
  ["?q", ["?", "q"]],
  ["3/err\r", ["3", "/", "e", "r", "r", "return"]],
  ["\t\t\u007F", ["tab", "tab", "backspace"]],
  ["a\u0003", ["a", "ctrl-c"]],
  ["[1;5P", []],
  ["OS", []],
])("what arrives together as %j is taken apart", (input, keys) => {
  expect(told(input)).toEqual(keys);
});

it("Escape and a key at once are those two", () => {
  expect(told("q", { ...plain, meta: true })).toEqual(["escape", "q"]);
});

it("a long text is no row of keys", () => {
  expect(told("x".repeat(33))).toBeUndefined();
});
