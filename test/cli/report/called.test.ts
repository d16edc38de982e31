import { afterEach, describe, expect, test } from "vitest";
import { asCalled, calledAs } from "../../../cli/report/called.ts";

const commands = ["up", "logs", "edge", "proxy"];
afterEach(() => calledAs(undefined, commands));

describe("what is to be typed next", () => {
  test.each([
    ["./airy", "./airy up --edge HOST (docs)"],
    ["/opt/a b/airy", "'/opt/a b/airy' up --edge HOST (docs)"],
    ["/x/node_modules/.bin/airy", "npx airy up --edge HOST (docs)"],
    ["airy", "airy up --edge HOST (docs)"],
  ])("called as %s", (called, line) => {
    calledAs(called, commands);
    expect(asCalled("airy up --edge HOST (docs)")).toBe(line);
  });

  test("names of the tunnel alone follow, sentences, names and addresses stay", () => {
    calledAs("./airy", commands);
    expect(asCalled("Use airy-proxy PORT --identity FILE; airy down")).toBe("Use ./airy-proxy PORT --identity FILE; airy down");
    expect(asCalled("FOO=... airy logs; see `airy --help`")).toBe("FOO=... ./airy logs; see `./airy --help`");
    for (const text of [
      "an earlier airy upgraded it",
      "airy cannot keep it",
      "x@airy up",
      "tunnel.airy.co",
      "/opt/airy up",
      "airy uploads",
    ])
      expect(asCalled(text)).toBe(text);
  });
});
