import { describe, expect, it } from "vitest";
import { LogBuffer } from "../../../cli/tui/log-buffer.ts";

const line = (text: string, service = "platform") => ({ service, at: null, line: text });
const texts = (logs: LogBuffer, services: string[] = [], filter = "", skip = 0, count = 100) =>
  logs.window(services, filter, skip, count).map((each) => each.line);

describe("the log buffer", () => {
  it("gives the last lines, oldest first, of the services that are wanted, and further back", () => {
    const logs = new LogBuffer();
    for (let i = 0; i < 10; i++) logs.push(line(`Line ${i}`, i % 2 ? "odd" : "even"));
    expect(texts(logs, [], "", 0, 3)).toEqual(["Line 7", "Line 8", "Line 9"]);
    expect(texts(logs, ["odd"], "", 0, 2)).toEqual(["Line 7", "Line 9"]);
    expect(texts(logs, [], "", 8)).toEqual(["Line 0", "Line 1"]);
    expect(texts(logs, [], "LINE 4")).toEqual(["Line 4"]);
    expect(texts(logs, [], "", 0, -1)).toEqual([]);
    expect(logs.last("even")?.line).toBe("Line 8");
    expect(logs.last("none")).toBeNull();
  });

  it("keeps its order when old lines make room for new ones", () => {
    const logs = new LogBuffer();
    for (let i = 0; i < 10_001; i++) logs.push(line(String(i)));
    const kept = texts(logs, [], "", 0, 1_000_000).map(Number);
    expect(kept.at(-1)).toBe(10_000);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 10_001 - kept.length + i));
    expect(kept.length).toBeLessThan(5000);
  });

  it.each([
    ["colours", "\u001B[1;31mred\u001B[0m", "red"],
    ["a title", "\u001B]0;owned\u0007after", "after"],
    ["a title that never ends", `before\u001B]0;${"x".repeat(100)}`, "before"],
    ["a private string", "\u001BPq#0\u001B\\after", "after"],
    ["a lone escape", "a\u001B", "a"],
    ["wiping the scrollback", "\u001B[3Jstill", "still"],
    ["an unfinished CSI", "a\u001B[12;3", "a"],
    ["C1 controls", "a\u009b2Jb", "a?2Jb"],
  ])("takes %s out", (_, text, expected) => {
    const logs = new LogBuffer();
    logs.push(line(text));
    expect(texts(logs)).toEqual([expected]);
  });

  it("keeps 20 MB at most of a million lines, and of a control sequence of 100 MB that never ends nothing", () => {
    const logs = new LogBuffer();
    for (let i = 0; i < 20_000; i++) logs.push(line(`warm ${i} ${"y".repeat(200)}`));
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 1_000_000; i++) logs.push(line(`line ${i} ${"x".repeat(i % 200)}`));
    logs.push(line(`\u001B]0;${"z".repeat(100_000_000)}`));
    logs.push(line("after"));
    expect(texts(logs, [], "", 0, 2)).toEqual(["", "after"]);
    expect(logs.total).toBe(1_020_002);
    // Only where the collector can be asked does the size of the process say what is kept.
    if (globalThis.gc) {
      globalThis.gc();
      expect(process.memoryUsage().rss - before).toBeLessThan(20_000_000);
    }
  }, 120_000);
});
