import { expect, test } from "vitest";
import { apply } from "../../../cli/steps/apply.ts";
import { parseEdge } from "../../../cli/launch/edge.ts";
import type { AiryEventBody } from "../../../cli/events.ts";
import { plan, stepsFor, type PlanInput } from "../../../cli/steps/plan.ts";
import { AiryError } from "../../../cli/errors.ts";

const start: PlanInput = { engine: "docker", sandbox: false, edge: "tunnel.airy.co:22", course: { kind: "start" }, lacks: [] };
const ids = (input: Partial<PlanInput>): string[] => plan({ ...start, ...input }).map(({ id, where }) => `${id} ${where}`);

test("a start: services, tunnel, probe from outside, webhook; with a sandbox its page is connected before", () => {
  expect(ids({})).toEqual(["platform launcher", "tunnel agent", "probe agent", "webhook agent"]);
  expect(ids({ engine: "embedded", sandbox: true, edge: "127.0.0.1:4222" })).toEqual([
    "platform agent",
    "tunnel agent",
    "probe agent",
    "page agent",
    "webhook agent",
  ]);
});

test("what runs is left alone, mended or replaced; images that are not here come first", () => {
  expect(ids({ course: { kind: "join", mend: false } })).toEqual([]);
  expect(ids({ course: { kind: "join", mend: true }, lacks: ["postgres:17"] })).toEqual(["images launcher", "platform launcher"]);
  const replaced = plan({ ...start, course: { kind: "replace", because: "it is of another build", takenOver: false } });
  expect(replaced.map(({ id }) => id)).toEqual(["stop", "platform", "tunnel", "probe", "webhook"]);
  expect(replaced[0]?.title).toContain("another build");
});

test("each part of the plan is somebody's, and together they are all of it", () => {
  const steps = plan({ ...start, sandbox: true, lacks: ["postgres:17"] });
  const parts = [...stepsFor("launcher", steps), ...stepsFor("agent", steps)];
  expect(parts).toEqual(steps);
});

test("steps run in order, and each says what came of it", async () => {
  const events: AiryEventBody[] = [];
  const order: string[] = [];
  let clock = 0;
  const run = (id: string, outcome: object) => async () => {
    order.push(id);
    clock += 5;
    return outcome;
  };
  await apply(
    [{ id: "platform" }, { id: "tunnel" }],
    { platform: run("platform", {}), tunnel: run("tunnel", { state: "skipped", detail: "no need" }) },
    (event) => events.push(event),
    new AbortController().signal,
    { now: () => clock },
  );
  expect(order).toEqual(["platform", "tunnel"]);
  expect(events).toEqual([
    { type: "step", id: "platform", state: "running" },
    { type: "step", id: "platform", state: "done", ms: 5 },
    { type: "step", id: "tunnel", state: "running" },
    { type: "step", id: "tunnel", state: "skipped", detail: "no need", ms: 5 },
  ]);
});

test("a failure after which there is another try is not called one", async () => {
  const events: AiryEventBody[] = [];
  const runners = { platform: () => Promise.reject(new AiryError("PORT_TAKEN", { port: 4200, holder: null })) };
  const passing = (failure: AiryError): string => `${failure.code}, once more`;
  const applied = apply([{ id: "platform" }], runners, (event) => events.push(event), new AbortController().signal, { passing });
  await expect(applied).rejects.toMatchObject({ code: "PORT_TAKEN" });
  expect(events.at(-1)).toMatchObject({ state: "skipped", detail: "PORT_TAKEN, once more" });
});

test("the first failure ends it, and an interruption is what it says it is", async () => {
  const events: AiryEventBody[] = [];
  const controller = new AbortController();
  const steps = [{ id: "platform" as const }, { id: "tunnel" as const }];
  const failing = (): Promise<never> => Promise.reject(new AiryError("DOCKER_DOWN", { reason: "x" }));
  const never = (): never => expect.unreachable() as never;
  const emit = (event: AiryEventBody): void => void events.push(event);
  await expect(apply(steps, { platform: failing, tunnel: never }, emit, controller.signal)).rejects.toMatchObject({ code: "DOCKER_DOWN" });
  expect(events.at(-1)).toMatchObject({ type: "step", id: "platform", state: "failed", detail: "No docker engine answers." });

  const interrupted = async (): Promise<never> => {
    controller.abort(new AiryError("INTERRUPTED", { signal: "SIGINT" }));
    throw new Error("the socket was closed");
  };
  const runners = { platform: interrupted, tunnel: never };
  await expect(apply(steps, runners, () => {}, controller.signal)).rejects.toMatchObject({ code: "INTERRUPTED" });
  await expect(apply([{ id: "tunnel" }], { tunnel: never }, () => {}, controller.signal)).rejects.toMatchObject({ code: "INTERRUPTED" });
});

test.each([
  [null, { host: "tunnel.airy.co", port: 22, fallbackPort: 443 }],
  ["edge.example", { host: "edge.example", port: 22, fallbackPort: 443 }],
  ["edge.example:2222", { host: "edge.example", port: 2222 }],
  ["127.0.0.1:1", { host: "127.0.0.1", port: 1 }],
  ["[::1]:2222", { host: "::1", port: 2222 }],
  ["[::1]", { host: "::1", port: 22, fallbackPort: 443 }],
  ["me@host", { host: "host", port: 22, plain: { user: "me", publicUrl: null, remotePort: 80 } }],
  ["me@[::1]:2222", { host: "::1", port: 2222, plain: { user: "me", publicUrl: null, remotePort: 80 } }],
])("the edge %s", (text, expected) => {
  expect(parseEdge(text, "up")).toEqual(expected);
});

test.each(["", "a b", "host:", "host:0", "host:65536", "host:22x", "ssh://host", "@host", "a b@host", "a@b@host", "::1"])(
  "is not an edge: %s",
  (text) => {
    expect(() => parseEdge(text, "up")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  },
);

test("an SSH server that is not an edge has a URL and a port of its own", () => {
  const plain = (publicUrl?: string, remotePort?: number): unknown => parseEdge("me@host", "up", { publicUrl, remotePort }).plain;
  expect(plain("https://hooks.example.com/")).toEqual({ user: "me", publicUrl: "https://hooks.example.com", remotePort: 8080 });
  expect(plain(undefined, 9000)).toEqual({ user: "me", publicUrl: null, remotePort: 9000 });
  for (const url of ["hooks.example.com", "ftp://x", "https://x/path", "https://user@x"]) {
    expect(() => plain(url)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
  expect(() => parseEdge("host", "up", { publicUrl: "https://x" })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});
