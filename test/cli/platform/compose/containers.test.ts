import { describe, expect, test } from "vitest";
import { healthOf, stateOf } from "../../../../cli/platform/compose/containers.ts";
import { parseLog } from "../../../../cli/platform/compose/logs.ts";
import { projectName } from "../../../../cli/platform/compose/project.ts";

describe("what the engine says of a container", () => {
  test.each([
    ["created", "Created", "created", "none"],
    ["restarting", "Restarting (1) Less than a second ago", "starting", "none"],
    ["running", "Up 2 seconds (health: starting)", "running", "starting"],
    ["running", "Up 2 minutes (healthy)", "running", "healthy"],
    ["running", "Up 2 minutes (unhealthy)", "running", "unhealthy"],
    ["running", "Up 2 minutes", "running", "none"],
    ["paused", "Up 2 minutes (Paused)", "running", "unhealthy"],
    ["exited", "Exited (137) 3 seconds ago", "exited", "none"],
    ["dead", "Dead", "exited", "none"],
  ])("%s, %s", (state, status, expectedState, expectedHealth) => {
    expect([stateOf(state), healthOf(state, status)]).toEqual([expectedState, expectedHealth]);
  });
});

test("a project's name follows from the workspace's path", () => {
  expect(projectName("/home/ada/shop")).toMatch(/^airy-[0-9a-f]{8}$/);
  expect(projectName("/home/ada/shop")).toBe(projectName("/home/ada/shop"));
  expect(projectName("/home/ada/shop2")).not.toBe(projectName("/home/ada/shop"));
});

test("log frames of stdout and stderr become lines", () => {
  const frame = (stream: number, text: string): Buffer => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const body = Buffer.concat([
    frame(1, "2026-01-02T03:04:05.678901234Z grüße aus dem Container\r\n"),
    frame(2, "2026-01-02T03:04:06.000000001Z \n"),
    frame(1, "2026-01-02T03:04:07.5Z a b  c\n"),
  ]);
  expect(parseLog(body, "edge").map(({ service, at, line }) => [service, at, line])).toEqual([
    ["edge", "2026-01-02T03:04:05.678Z", "grüße aus dem Container"],
    ["edge", "2026-01-02T03:04:06.000Z", ""],
    ["edge", "2026-01-02T03:04:07.500Z", "a b  c"],
  ]);
  expect(parseLog(Buffer.alloc(0), "edge")).toEqual([]);
});
