import net from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AgentRecord } from "../../../cli/agent/record.ts";
import { findCourse } from "../../../cli/launch/course.ts";

/** Takes connections as the kernel does for a process that is halted, and never answers. */
const silent = net.createServer(() => {});

beforeEach(() => new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve)));
afterEach(() => void silent.close());

test("a process that was halted while it started is replaced, not waited for", async () => {
  const { port } = silent.address() as net.AddressInfo;
  const agent: AgentRecord = {
    version: 1,
    pid: process.pid,
    started: "",
    port,
    token: "",
    build: "b",
    startId: "s",
    config: "c",
    phase: "starting",
  };
  const { course } = await findCourse({ agent, build: "b", config: "c" });
  expect(course).toEqual({ kind: "replace", because: "it does not answer", takenOver: false });
});
