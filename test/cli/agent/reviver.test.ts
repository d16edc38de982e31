/** What the agent process does for services that run and have ended inside. */
import { expect, test } from "vitest";
import { Reviver } from "../../../cli/agent/reviver.ts";
import { AiryError } from "../../../cli/errors.ts";
import type { AiryEventBody, ServiceStatus } from "../../../cli/events.ts";

const service = (health: ServiceStatus["health"], name = "api-admin"): ServiceStatus => ({ name, state: "running", health });

function create(revive: (name: string) => Promise<boolean>): { reviver: Reviver; events: AiryEventBody[]; tried: string[] } {
  const events: AiryEventBody[] = [];
  const tried: string[] = [];
  const reviver = new Reviver({
    platform: { revive: (_, name) => (tried.push(name), revive(name)) },
    workspace: "/",
    emit: (event) => void events.push(event),
    now: () => new Date("2026-01-02T03:04:05Z"),
    alone: (work) => work(),
  });
  return { reviver, events, tried };
}

test("one that had ended is started again, which is said and stays with it; what is well, gone or has something else is left alone", async () => {
  const { reviver, events, tried } = create(async (name) => name === "unread-counter");
  const services = [service("healthy", "api-websocket"), service("starting"), service("unhealthy", "unread-counter")];
  await reviver.look([...services, { name: "kafka", state: "exited", health: "none" }]);
  expect(tried).toEqual(["api-admin", "unread-counter"]);
  expect(events).toMatchObject([{ type: "warning", code: "SERVICE_REVIVED", message: expect.stringContaining("unread-counter") }]);
  expect(reviver.noted(services).map(({ note }) => note)).toEqual([undefined, undefined, expect.stringContaining("2026-01-02")]);
});

test("three times in a row, then it is said once that it does not help; counted anew once it was up", async () => {
  const { reviver, events, tried } = create(async () => true);
  for (let i = 0; i < 6; i++) await reviver.look([service("unhealthy")]);
  expect(tried).toHaveLength(3);
  expect(events.map((event) => event.type === "warning" && event.code)).toEqual([
    ...Array.from({ length: 3 }, () => "SERVICE_REVIVED"),
    "SERVICE_UNHEALTHY",
  ]);
  await reviver.look([service("healthy")]);
  await reviver.look([service("unhealthy")]);
  expect(tried).toHaveLength(4);
});

test("an engine that does not answer is told and ends nothing", async () => {
  const { reviver, events } = create(() => Promise.reject(new AiryError("DOCKER_DOWN", { reason: "nobody listens" })));
  await reviver.look([service("unhealthy")]);
  expect(events).toMatchObject([{ type: "warning", code: "DOCKER_DOWN" }]);
});
