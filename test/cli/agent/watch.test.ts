import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeRecord, type AgentRecord } from "../../../cli/agent/record.ts";
import { watchRecord, watchServices } from "../../../cli/agent/watch.ts";
import { workspacePaths } from "../../../cli/config/paths.ts";
import { AiryError } from "../../../cli/errors.ts";
import type { AiryEventBody, ServiceStatus } from "../../../cli/events.ts";
import type { Platform } from "../../../cli/platform/platform.ts";

let controller: AbortController;
let events: AiryEventBody[];
const emit = (event: AiryEventBody): void => void events.push(event);

beforeEach(() => {
  controller = new AbortController();
  events = [];
});
afterEach(() => controller.abort());

test("a service that changes or goes is reported once for each change, one that was started is told, an engine that is away is a warning", async () => {
  const running = (health: ServiceStatus["health"]): ServiceStatus[] => [{ name: "platform", state: "running", health }];
  const down = new AiryError("DOCKER_DOWN", { reason: "nobody listens" });
  const seen = [running("healthy"), running("healthy"), running("unhealthy"), [], down, down, running("healthy")];
  const started: string[] = [];
  const platform: Pick<Platform, "status" | "changes"> = {
    status: async () => {
      const next = seen.shift();
      if (next instanceof AiryError) throw next;
      return next ?? [];
    },
    async *changes() {
      while (seen.length > 0) yield { started: seen.length === 1 ? ["platform"] : [], back: false };
    },
  };
  const onStarted = async (service: string): Promise<void> => void started.push(service);
  await watchServices({
    platform,
    workspace: "/",
    expected: ["platform"],
    emit,
    signal: controller.signal,
    onStarted,
    onDown: async () => {},
    onSeen: async () => {},
  });
  expect(events.map((event) => (event.type === "service" ? `${event.service.state} ${event.service.health}` : event.type))).toEqual([
    "running unhealthy",
    "missing none",
    "warning",
    "running healthy",
  ]);
  expect(started).toEqual(["platform"]);
});

test("services that are not back with their engine are brought back, once; nothing is done while all is well or the engine is away", async () => {
  const down = new AiryError("DOCKER_DOWN", { reason: "nobody listens" });
  const healthy: ServiceStatus = { name: "platform", state: "running", health: "healthy" };
  const exited: ServiceStatus = { name: "platform", state: "exited", health: "none" };
  // What the engine shows, whether it has just come back, how often services were brought back by then.
  const seen: [ServiceStatus | AiryError, boolean, number][] = [
    [exited, false, 0],
    [healthy, true, 0],
    [down, true, 0],
    [exited, true, 1],
    [exited, false, 1],
    [healthy, false, 1],
  ];
  let now = seen[0]!;
  let brought = 0;
  const counts: number[] = [];
  const platform: Pick<Platform, "status" | "changes"> = {
    status: async () => {
      if (now[0] instanceof AiryError) throw now[0];
      return [now[0]];
    },
    async *changes() {
      for (now of seen) {
        yield { started: [], back: now[1] };
        counts.push(brought);
      }
    },
  };
  const onDown = async (names: readonly string[]): Promise<void> => {
    expect(names).toEqual(["platform"]);
    brought += 1;
  };
  await watchServices({
    platform,
    workspace: "/",
    expected: ["platform"],
    emit,
    signal: controller.signal,
    onStarted: async () => {},
    onDown,
    onSeen: async () => {},
  });
  expect(counts).toEqual(seen.map(([, , count]) => count));
});

test("a process whose record is gone, or somebody else's, is told", async () => {
  const paths = workspacePaths(mkdtempSync(path.join(os.tmpdir(), "airy-record-")));
  mkdirSync(paths.dir);
  const record: AgentRecord = {
    version: 1,
    pid: 1,
    started: "",
    port: 1,
    token: "",
    build: "",
    startId: "mine",
    config: "",
    phase: "ready",
  };
  await writeRecord(paths, record);
  const watching = watchRecord(paths, "mine", controller.signal, 5);
  expect(await Promise.race([watching.then(() => "told"), new Promise((resolve) => setTimeout(resolve, 50, "quiet"))])).toBe("quiet");
  rmSync(paths.dir, { recursive: true });
  await watching;
  rmSync(paths.root, { recursive: true });
});
