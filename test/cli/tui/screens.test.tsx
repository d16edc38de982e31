import { renderToString } from "ink";
import { beforeAll, describe, expect, it } from "vitest";
import type { AiryEventBody } from "../../../cli/events.ts";
import { fit, frameOf } from "../../../cli/tui/frame.ts";
import { cutLine, cutMiddle, justify, printable, span, widthOf } from "../../../cli/tui/line.ts";
import { Lines } from "../../../cli/tui/screen.tsx";
import { dashboardRecord, dashboardScreen } from "../../../cli/tui/screens/dashboard.ts";
import { startScreen } from "../../../cli/tui/screens/start.ts";
import { initialView, reduce, type View } from "../../../cli/tui/state.ts";
import { openTunnel, readyStatus, request, type Scenario, scenario } from "../../support/dashboard-events.ts";

const at = Date.parse("2026-11-22T09:14:05.000Z");

beforeAll(() => {
  process.env["TZ"] = "UTC";
});

function viewOf(events: AiryEventBody[]): View {
  return events.reduce((view, event) => reduce(view, { ...event, at: new Date(at).toISOString() }), initialView("start"));
}

/** A frame as text, drawn by Ink, three seconds after the last event. */
function draw(view: View, columns: number, rows: number, utf8 = true): string {
  const frame = frameOf({ columns, rows }, { now: at + 3000, tick: 1 }, utf8);
  const lines = view.phase === "dashboard" ? dashboardScreen(view, frame, ["/facebook"]) : startScreen(view, frame);
  return renderToString(<Lines lines={fit(lines, frame)} />, { columns });
}

const scenarios: Scenario[] = ["starting", "ready", "busy", "waiting", "failed"];

describe("golden frames", () => {
  const cases = scenarios.flatMap((name) =>
    [
      [40, 10],
      [50, 15],
      [80, 24],
      [120, 40],
    ].map(([columns, rows]) => [name, columns!, rows!] as const),
  );
  it.each(cases)("%s at %dx%d", async (name, columns, rows) => {
    await expect(`${draw(viewOf(scenario(name).events), columns, rows)}\n`).toMatchFileSnapshot(`golden/${name}-${columns}x${rows}.txt`);
  });

  it("the waiting dashboard without UTF-8", async () => {
    const frame = draw(viewOf(scenario("waiting").events), 80, 24, false);
    expect(frame).toMatch(/^[\n\u0020-\u007e]*$/);
    await expect(`${frame}\n`).toMatchFileSnapshot("golden/waiting-ascii-80x24.txt");
  });
});

describe("every frame", () => {
  const sizes = [40, 60, 80, 100, 120, 200].flatMap((columns) => [10, 24, 50].map((rows) => [columns, rows] as const));
  it.each(sizes)("fits %dx%d, with the keys in its last line and a word for every state", (columns, rows) => {
    for (const name of scenarios) {
      const lines = draw(viewOf(scenario(name).events), columns, rows).split("\n");
      expect(lines.length).toBeLessThanOrEqual(rows - 1);
      for (const line of lines) expect(line.length).toBeLessThan(columns);
      expect(lines.at(-1)).toContain("Ctrl-C");
      for (const line of lines.filter((l) => /[✔✘⠙]/u.test(l))) expect(line).toMatch(/[✔✘⠙] \S+/u);
    }
  });

  it("says how to stop, and what is public, at the smallest size too", () => {
    const frame = draw(viewOf(scenario("busy").events), 40, 10);
    expect(frame).toContain("airy down");
    expect(frame).toContain("only /facebook is public");
  });

  it("survives a hundred services, long names and hostile text", () => {
    const services = Array.from({ length: 100 }, (_, i) => ({
      name: `s${i}-${"x".repeat(90)}`,
      state: "running" as const,
      health: "healthy" as const,
    }));
    const view = viewOf([
      {
        type: "ready",
        status: {
          ...readyStatus,
          platform: { url: `http://${"u".repeat(300)}/`, services },
          tunnel: { ...openTunnel, edge: "\u001B[2Jedge" },
        },
      },
      { type: "request", request: request(1, { path: "/\u001B]0;owned\u0007\r\n漢字", method: "\u001B[31m" }) },
      { type: "warning", code: "W", message: "\u001B[3J gone 😀" },
    ]);
    const frame = draw(view, 80, 24);
    expect(frame.split("\n").length).toBeLessThanOrEqual(23);
    // oxlint-disable-next-line no-control-regex -- the point of the test
    expect(frame).not.toMatch(/[\u0000-\u0009\u000b-\u001f]|漢|😀/u);
  });
});

describe("the public URL", () => {
  it("stands whole on a line of its own", () => {
    const lines = draw(viewOf(scenario("ready").events), 80, 24).split("\n");
    expect(lines.map((l) => l.trim())).toContain("http://abcdefghij.tunnel.localhost:4280/facebook");
  });

  it("stays whole in the record, however narrow the terminal", () => {
    const record = dashboardRecord(viewOf(scenario("ready").events), ["/facebook"]);
    expect(record.map((line) => line.map((s) => s.text).join("")).join("\n")).toContain("http://abcdefghij.tunnel.localhost:4280/facebook");
  });
});

it("never shows a query string: verify tokens travel in it", () => {
  const view = viewOf([
    { type: "ready", status: readyStatus },
    { type: "request", request: request(1, { path: "/facebook?hub.verify_token=canary" }) },
  ]);
  expect(draw(view, 200, 50)).toContain("/facebook?");
  expect(draw(view, 200, 50)).not.toContain("canary");
});

describe("lines", () => {
  it("makes text from outside one column a character", () => {
    expect(printable("a\u001B[2Jb\r\nc\u0301漢 Grüße Ω")).toBe("a?[2Jb c?? Grüße Ω");
  });

  it.each([
    ["http://abc.example/facebook", 30, "http://abc.example/facebook"],
    ["http://abc.example/facebook", 15, "http://…acebook"],
    ["abcdef", 2, "a…"],
  ])("cuts %s in the middle to %d", (text, width, expected) => {
    expect(cutMiddle(text, width, "…")).toBe(expected);
  });

  it("cuts lines exactly", () => {
    for (let width = 0; width < 12; width++) {
      expect(widthOf(cutLine([span("abc"), span("def"), span("ghi")], width, "..."))).toBe(Math.min(9, width));
      if (width >= 4) expect(widthOf(justify([span("abcdef")], [span("xyz")], width, "…"))).toBe(width);
    }
  });
});
