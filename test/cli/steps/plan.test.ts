import { expect, test } from "vitest";
import { apply } from "../../../cli/steps/apply.ts";
import { parseEdge } from "../../../cli/launch/edge.ts";
import type { AiryEventBody } from "../../../cli/events.ts";
import { plan } from "../../../cli/steps/plan.ts";
import { AiryError } from "../../../cli/errors.ts";

const ids = (input: Parameters<typeof plan>[0]): string[] => plan(input).map(({ id, where }) => `${id} ${where}`);

test("a start: services, tunnel, probe from outside, webhook; with a sandbox its page is connected before", () => {
  expect(ids({ engine: "docker", sandbox: false, edge: "tunnel.airy.co:22" })).toEqual([
    "platform launcher",
    "tunnel agent",
    "probe agent",
    "webhook agent",
  ]);
  expect(ids({ engine: "embedded", sandbox: true, edge: "127.0.0.1:4222" })).toEqual([
    "platform agent",
    "tunnel agent",
    "probe agent",
    "page agent",
    "webhook agent",
  ]);
});

test("steps run in order, and each says what came of it", async () => {
  const events: AiryEventBody[] = [];
  const order: string[] = [];
  let clock = 0;
  const job = (id: "platform" | "tunnel", outcome: object) => ({
    id,
    run: async () => {
      order.push(id);
      clock += 5;
      return outcome;
    },
  });
  await apply(
    [job("platform", {}), job("tunnel", { state: "skipped", detail: "no need" })],
    (event) => events.push(event),
    new AbortController().signal,
    () => clock,
  );
  expect(order).toEqual(["platform", "tunnel"]);
  expect(events).toEqual([
    { type: "step", id: "platform", state: "running" },
    { type: "step", id: "platform", state: "done", ms: 5 },
    { type: "step", id: "tunnel", state: "running" },
    { type: "step", id: "tunnel", state: "skipped", detail: "no need", ms: 5 },
  ]);
});

test("the first failure ends it, and an interruption is what it says it is", async () => {
  const events: AiryEventBody[] = [];
  const controller = new AbortController();
  const failing = { id: "platform" as const, run: () => Promise.reject(new AiryError("DOCKER_DOWN", { reason: "x" })) };
  const never = { id: "tunnel" as const, run: () => expect.unreachable() as never };
  await expect(apply([failing, never], (event) => events.push(event), controller.signal)).rejects.toMatchObject({ code: "DOCKER_DOWN" });
  expect(events.at(-1)).toMatchObject({ type: "step", id: "platform", state: "failed", detail: "No docker engine answers." });

  const interrupted = {
    id: "platform" as const,
    run: async () => {
      controller.abort(new AiryError("INTERRUPTED", { signal: "SIGINT" }));
      throw new Error("the socket was closed");
    },
  };
  await expect(apply([interrupted, never], () => {}, controller.signal)).rejects.toMatchObject({ code: "INTERRUPTED" });
  await expect(apply([never], () => {}, controller.signal)).rejects.toMatchObject({ code: "INTERRUPTED" });
});

test.each([
  [null, { host: "tunnel.airy.co", port: 22 }],
  ["edge.example", { host: "edge.example", port: 22 }],
  ["edge.example:2222", { host: "edge.example", port: 2222 }],
  ["127.0.0.1:1", { host: "127.0.0.1", port: 1 }],
  ["[::1]:2222", { host: "::1", port: 2222 }],
  ["[::1]", { host: "::1", port: 22 }],
])("the edge %s", (text, expected) => {
  expect(parseEdge(text, "up")).toEqual(expected);
});

test.each(["", "a b", "host:", "host:0", "host:65536", "host:22x", "ssh://host", "user@host", "::1"])("is not an edge: %s", (text) => {
  expect(() => parseEdge(text, "up")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
