import { expect, test } from "vitest";
import type { AiryEventBody, ServiceHealth, ServiceState } from "../../../../cli/events.ts";
import { healthOf, stateOf, type Container } from "../../../../cli/platform/compose/containers.ts";
import { createLogParser } from "../../../../cli/platform/compose/logs.ts";
import { createReporter } from "../../../../cli/platform/compose/watch.ts";
import { projectName } from "../../../../cli/platform/compose/project.ts";

test.each([
  ["created", null, "created", "none"],
  ["restarting", "unhealthy", "starting", "none"],
  ["running", "starting", "running", "starting"],
  ["running", "healthy", "running", "healthy"],
  ["running", "unhealthy", "running", "unhealthy"],
  ["running", "", "running", "none"],
  ["paused", "healthy", "running", "unhealthy"],
  ["exited", "unhealthy", "exited", "none"],
  ["dead", null, "exited", "none"],
])("a container that is %s, health %s", (state, health, expectedState, expectedHealth) => {
  expect([stateOf(state), healthOf(state, health)]).toEqual([expectedState, expectedHealth]);
});

test("where a workspace does not say who it is, its project's name follows from the path", async () => {
  expect(await projectName("/home/ada/shop")).toMatch(/^airy-[0-9a-f]{8}$/);
  expect(await projectName("/home/ada/shop")).toBe(await projectName("/home/ada/shop"));
  expect(await projectName("/home/ada/shop2")).not.toBe(await projectName("/home/ada/shop"));
});

test("log frames of stdout and stderr become lines, in whatever pieces they arrive", () => {
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
  for (const size of [1, 7, body.length]) {
    const parse = createLogParser("edge");
    const lines = Array.from({ length: Math.ceil(body.length / size) }, (_, i) => parse(body.subarray(i * size, (i + 1) * size))).flat();
    expect(lines.map(({ service, at, line }) => [service, at, line])).toEqual([
      ["edge", "2026-01-02T03:04:05.678Z", "grüße aus dem Container"],
      ["edge", "2026-01-02T03:04:06.000Z", ""],
      ["edge", "2026-01-02T03:04:07.500Z", "a b  c"],
    ]);
  }
  expect(createLogParser("edge")(Buffer.alloc(0))).toEqual([]);
});

test("a container that is not up yet says which services it waits for", () => {
  const events: AiryEventBody[] = [];
  const report = createReporter((event) => events.push(event));
  const one = (service: string, state: ServiceState, health: ServiceHealth, dependsOn: string[] = []): Container => ({
    id: service,
    service,
    status: { name: service, state, health },
    exitCode: null,
    configHash: "",
    paused: false,
    dependsOn,
    run: service,
    healthTest: ["CMD", "true"],
    healthOutput: null,
  });
  report([one("postgres", "running", "starting"), one("platform", "created", "none", ["postgres", "setup"])]);
  report([one("postgres", "running", "healthy"), one("platform", "running", "starting", ["postgres", "setup"])]);
  const said = events.map((event) =>
    event.type === "service" ? `${event.service.name} ${event.service.state} ${event.detail ?? ""}`.trim() : "",
  );
  expect(said).toEqual(["postgres running", "platform created waits for postgres", "postgres running", "platform running"]);
});
