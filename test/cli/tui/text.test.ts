import { describe, expect, it } from "vitest";
import { copySequence } from "../../../cli/tui/clipboard.ts";
import { cutEnd, cutMiddle, printable } from "../../../cli/tui/text.ts";
import { windowOf } from "../../../cli/tui/window.ts";

describe("text", () => {
  it("from outside becomes one column a character", () => {
    expect(printable("a\u001B[2Jb\r\nc\u0301漢 Grüße Ω")).toBe("a?[2Jb c?? Grüße Ω");
  });

  it.each([
    ["http://abc.example/facebook", 30, "http://abc.example/facebook"],
    ["http://abc.example/facebook", 15, "http://…acebook"],
    ["abcdef", 2, "a…"],
  ])("%s is cut in the middle to %d", (text, width, expected) => {
    expect(cutMiddle(text, width, "…")).toBe(expected);
  });

  it("is never longer than it may be", () => {
    for (let width = 0; width < 12; width++) {
      expect(cutEnd("abcdefghi", width, "...").length).toBe(Math.min(9, width));
      expect(cutMiddle("abcdefghi", width, "...").length).toBe(Math.min(9, width));
    }
  });
});

it("a window on a list has the chosen item in it, and is full while it can be", () => {
  const items = Array.from({ length: 20 }, (_, i) => i);
  for (let chosen = 0; chosen < 20; chosen++) {
    for (let rows = 1; rows < 25; rows++) {
      const shown = windowOf(items, chosen, rows);
      expect(shown).toContain(chosen);
      expect(shown).toHaveLength(Math.min(rows, 20));
    }
  }
  expect(windowOf(items, 3, 0)).toEqual([]);
});

describe("the clipboard", () => {
  it("gets the text, and what is said does not promise that it did", () => {
    const { sequence, text } = copySequence("http://x/", { TERM: "xterm-256color" });
    expect(sequence).toBe(`\u001B]52;c;${Buffer.from("http://x/").toString("base64")}\u0007`);
    expect(text).toContain("if this terminal allows it");
  });

  it.each([{ TERM: "linux" }, { TERM_PROGRAM: "Apple_Terminal" }])("is refused by %o, which is said, with the URL", (env) => {
    expect(copySequence("http://x/", env)).toMatchObject({ sequence: "", likely: false, text: expect.stringContaining("http://x/") });
  });
});
