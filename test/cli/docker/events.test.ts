import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { Engine } from "../../../cli/docker/engine.ts";
import { listenToContainers } from "../../../cli/docker/events.ts";

test("an engine that goes in the middle of its events ends them, and nothing else", async () => {
  const stream = new PassThrough();
  const engine = { ask: async () => stream } as unknown as Engine;
  const seen: string[] = [];
  const ended = new Promise<void>((resolve) => {
    void listenToContainers(engine, "project", { onEvent: ({ action }) => void seen.push(action), onEnd: resolve });
  });
  stream.write(`${JSON.stringify({ Action: "die", Actor: { ID: "1", Attributes: { exitCode: "137" } } })}\n{"Act`);
  await expect.poll(() => seen).toEqual(["die"]);
  stream.destroy(new Error("aborted"));
  await ended;
  expect(seen).toEqual(["die"]);
});
