import { describe, expect, it } from "vitest";
import type { AiryEventBody } from "../../../cli/events.ts";
import { condition, initialView, reduce, type View } from "../../../cli/tui/state.ts";
import { openTunnel, readyStatus, request, scenario, service } from "../../support/dashboard-events.ts";

/** Plays events one second apart. */
function play(events: AiryEventBody[], from: View = initialView("start")): View {
  return events.reduce((view, event, i) => reduce(view, { ...event, at: new Date(Date.UTC(2026, 0, 1, 0, 0, i)).toISOString() }), from);
}

describe("steps", () => {
  const plan: AiryEventBody = { type: "plan", steps: [{ id: "a", title: "Do A" }] };

  it.each<[string, AiryEventBody[], object]>([
    ["is pending after the plan", [plan], { title: "Do A", state: "pending", ms: null, startedAt: null }],
    ["runs", [plan, { type: "step", id: "a", state: "running", detail: "waits" }], { state: "running", detail: "waits", ms: null }],
    [
      "keeps its detail while it runs on",
      [
        { type: "step", id: "a", state: "running", detail: "waits" },
        { type: "step", id: "a", state: "running" },
      ],
      { detail: "waits" },
    ],
    [
      "drops what it waited for when it is done, and takes the time it is told",
      [
        { type: "step", id: "a", state: "running", detail: "waits" },
        { type: "step", id: "a", state: "done", ms: 7 },
      ],
      { state: "done", detail: null, ms: 7 },
    ],
    [
      "measures the time itself when it is not told",
      [
        { type: "step", id: "a", state: "running" },
        { type: "step", id: "a", state: "running" },
        { type: "step", id: "a", state: "failed" },
      ],
      { state: "failed", ms: 2000 },
    ],
    ["is shown even if no plan named it", [{ type: "step", id: "x", state: "running" }], { id: "x", title: "x", state: "running" }],
    [
      "has failed when the start failed while it ran",
      [{ type: "step", id: "a", state: "running" }, ...scenario("failed").events.slice(-1)],
      { state: "failed", ms: 1000 },
    ],
  ])("a step %s", (_, events, expected) => {
    expect(play(events).steps[0]).toMatchObject(expected);
  });
});

describe("services", () => {
  it("takes the time until a service is healthy", () => {
    const view = play([service("db", "starting", "starting"), service("db", "running", "starting"), service("db", "running", "healthy")]);
    expect(view.services).toMatchObject([{ name: "db", health: "healthy", ms: 2000 }]);
  });

  it("begins anew when a service that was up is starting again", () => {
    const view = play([service("db", "running", "healthy"), service("db", "starting", "starting"), service("db", "running", "healthy")]);
    expect(view.services).toMatchObject([{ ms: 1000 }]);
  });

  it("counts one without a health check as up when it runs", () => {
    expect(play([service("edge", "running", "none")]).services[0]?.ms).toBe(0);
  });
});

describe("the dashboard", () => {
  it("begins with ready and carries its status", () => {
    const view = play(scenario("ready").events);
    expect(view).toMatchObject({
      phase: "dashboard",
      engine: "embedded",
      sandbox: true,
      inboxUrl: "http://127.0.0.1:4200/",
      tunnel: openTunnel,
    });
    expect(view.services.map((s) => s.name)).toEqual(["postgres", "platform", "edge", "facebook"]);
    expect(condition(view)).toBe("running");
  });

  it("shows nothing of a service that the status no longer names", () => {
    const view = play([service("old", "running", "none"), { type: "ready", status: readyStatus }]);
    expect(view.services.some((s) => s.name === "old")).toBe(false);
  });

  it.each<[string, AiryEventBody]>([
    ["a tunnel that waits", { type: "tunnel", tunnel: { ...openTunnel, state: "waiting" } }],
    ["a service that exited", service("platform", "exited", "none")],
    ["an unhealthy service", service("platform", "running", "unhealthy")],
    [
      "a foreign webhook",
      { type: "webhook", webhook: { source: "facebook", object: "page", state: "foreign", callbackUrl: "https://other.example/" } },
    ],
  ])("is degraded with %s", (_, event) => {
    expect(condition(play([{ type: "ready", status: readyStatus }, event], initialView("attached")))).toBe("degraded");
  });

  it("is running without a configured webhook", () => {
    const status = { ...readyStatus, webhooks: [{ ...readyStatus.webhooks[0]!, state: "unconfigured" as const }] };
    expect(condition(play([{ type: "ready", status }]))).toBe("running");
  });

  it("lists requests newest first, each once, and a bounded number of them", () => {
    const events = Array.from({ length: 200 }, (_, i): AiryEventBody => ({ type: "request", request: request(i % 100) }));
    const ids = play(events).requests.map((r) => r.id);
    expect(ids).toHaveLength(100);
    expect(ids.slice(0, 2)).toEqual(["r99", "r98"]);
    expect(new Set(ids).size).toBe(100);
  });

  it("shows a failure after ready as a notice and stays", () => {
    const view = play([{ type: "ready", status: readyStatus }, ...scenario("failed").events.slice(-1)]);
    expect(view).toMatchObject({ phase: "dashboard", notices: [{ level: "fail", text: "It broke.", action: "airy logs" }] });
  });

  it("shows a repeated warning once", () => {
    const warning: AiryEventBody = { type: "warning", code: "W", message: "mind the gap" };
    expect(play([warning, warning]).notices).toHaveLength(1);
  });

  it("ends with stopped", () => {
    expect(play(scenario("stopped").events).phase).toBe("stopped");
  });
});

describe("an event that changes nothing that is shown", () => {
  it.each<AiryEventBody>([
    { type: "tunnel", tunnel: { ...openTunnel } },
    { type: "check", id: "disk", status: "ok", message: "plenty" },
  ])("leaves the view as it is: $type", (event) => {
    const view = play([{ type: "ready", status: readyStatus }]);
    expect(reduce(view, { ...event, at: "2026-01-01T00:00:09.000Z" })).toBe(view);
  });
});
