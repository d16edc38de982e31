import { beforeAll, describe, expect, it } from "vitest";
import { StartRecord } from "../../../cli/tui/components/record.tsx";
import { LogBuffer } from "../../../cli/tui/log-buffer.ts";
import { scenario } from "../../support/dashboard-events.ts";
import { draw, drawNode, eventsAt, everySize, goldenSizes, logsOf, sizes, viewOf } from "../../support/frames.tsx";

beforeAll(() => {
  process.env["TZ"] = "UTC";
});

const starting = viewOf(scenario("starting").events);

describe("golden frames", () => {
  it.each(everySize)("starting at %dx%d", async (columns, rows) => {
    await expect(`${draw(starting, columns, rows)}\n`).toMatchFileSnapshot(`golden/starting-${columns}x${rows}.txt`);
  });

  it.each(goldenSizes)("slow, with logs, at %dx%d", async (columns, rows) => {
    const frame = draw(starting, columns, rows, { later: 31_000, showLogs: true });
    await expect(`${frame}\n`).toMatchFileSnapshot(`golden/slow-${columns}x${rows}.txt`);
  });

  it.each(goldenSizes)("failed, as it stays in the scrollback, at %dx%d", async (columns, rows) => {
    const record = drawNode(<StartRecord view={viewOf(scenario("failed").events)} />, columns, rows);
    await expect(`${record}\n`).toMatchFileSnapshot(`golden/failed-${columns}x${rows}.txt`);
  });
});

describe("every frame", () => {
  it.each(sizes)("fits %dx%d and says how to stop", (columns, rows) => {
    for (const shown of [{}, { later: 31_000 }, { later: 31_000, showLogs: true }]) {
      const lines = draw(starting, columns, rows, shown).split("\n");
      expect(lines.length).toBeLessThanOrEqual(rows - 1);
      for (const line of lines) expect(line.length).toBeLessThan(columns);
      expect(lines.at(-1)).toContain("Ctrl-C");
    }
  });
});

it("says what a slow service waits for, and the last line of its log", () => {
  const logs = new LogBuffer();
  logs.push({ service: "platform", at: new Date(eventsAt).toISOString(), line: "\u001B[31mapplying 0007_conversations\u001B[0m" });
  expect(draw(starting, 80, 24, { logs, later: 2000 })).not.toContain("0007");
  const frame = draw(starting, 80, 24, { logs, later: 6000 });
  expect(frame).toContain("waits for postgres to be healthy");
  expect(frame).toContain("· applying 0007_conversations");
});

it("asks after 30 seconds", () => {
  expect(draw(starting, 80, 24, { later: 29_000 })).not.toContain("keep waiting");
  const frame = draw(starting, 80, 24, { later: 31_000 });
  expect(frame).toContain("This takes long: platform is not ready yet.");
  expect(frame).toContain("k keep waiting  l show logs  Ctrl-C stop the start");
});

it("shows the logs where they are asked for", () => {
  expect(draw(starting, 80, 24, { logs: logsOf(), showLogs: true })).toContain("POST /facebook 200 59 ms");
});
