import { expect, test } from "vitest";
import type { AiryEventBody } from "../../../cli/events.ts";
import { createLines, statusText } from "../../../cli/report/lines.ts";
import { openTunnel, readyStatus, request } from "../../support/dashboard-events.ts";

const at = "2026-01-02T03:04:05.000Z";

function lines(...events: AiryEventBody[]): string[] {
  const reader = createLines();
  return events.map((event) => reader.line({ ...event, at })).filter((line) => line !== null);
}

test("a start reads like this", () => {
  expect(
    lines(
      { type: "check", id: "disk", status: "ok", message: "79 GB free" },
      { type: "check", id: "memory", status: "warn", message: "Little memory.", action: "close something" },
      { type: "plan", steps: [{ id: "platform", title: "Start the platform" }] },
      { type: "step", id: "platform", state: "running" },
      { type: "service", service: { name: "postgres", state: "starting", health: "starting" } },
      { type: "service", service: { name: "postgres", state: "starting", health: "starting" } },
      { type: "service", service: { name: "postgres", state: "running", health: "healthy" } },
      { type: "step", id: "platform", state: "done", ms: 1234 },
      { type: "tunnel", tunnel: openTunnel },
      {
        type: "webhook",
        webhook: { source: "facebook", object: "page", state: "active", callbackUrl: "https://b/facebook" },
        previousUrl: "https://a/",
      },
      { type: "request", request: request(1) },
      { type: "step", id: "webhook", state: "skipped", detail: "no app" },
      { type: "step", id: "probe", state: "failed", detail: "no answer", ms: 10 },
      { type: "ready", status: readyStatus },
    ),
  ).toEqual([
    "ok    79 GB free",
    "warn  Little memory. (close something)",
    "..    Start the platform",
    "      postgres: starting",
    "      postgres: running, healthy",
    "ok    Start the platform (1.2 s)",
    "      tunnel: open, edge 127.0.0.1:2222",
    "      webhook facebook/page: active -> https://b/facebook, was https://a/",
    "      POST /facebook 200 12.3 ms",
    "skip  webhook: no app",
    "FAIL  probe: no answer (0.0 s)",
    "Ready.",
  ]);
});

test("attempt after attempt to reach the edge is one line", () => {
  const lost = { ...openTunnel, state: "waiting" as const, reason: "SSH_UNREACHABLE" };
  const attempts: AiryEventBody[] = Array.from({ length: 10 }, (_, i) => ({
    type: "tunnel",
    tunnel: { ...lost, state: i % 2 ? "connecting" : "waiting", retryAt: String(i) },
  }));
  expect(lines({ type: "tunnel", tunnel: openTunnel }, ...attempts, { type: "tunnel", tunnel: openTunnel })).toHaveLength(3);
});

test("the status names what is public and where", () => {
  const text = statusText(readyStatus);
  expect(text).toContain("running (embedded, sandbox)");
  expect(text).toContain("http://abcdefghij.tunnel.localhost:4280  (open; only /facebook is exposed)");
  expect(text).toContain("facebook/page active -> http://abcdefghij.tunnel.localhost:4280/facebook");
  expect(text).toContain("postgres healthy, platform healthy, edge running, facebook healthy");
  const platform = {
    ...readyStatus.platform,
    exposed: ["/facebook", "/viber"],
    services: [{ name: "api-admin", state: "running" as const, health: "healthy" as const, note: "started again by airy" }],
  };
  const core = statusText({ ...readyStatus, engine: "docker", edition: "core", platform });
  expect(core).toContain("running (docker, Airy Core, sandbox)");
  expect(core).toContain("only /facebook, /viber are exposed");
  expect(core).toContain("api-admin healthy (started again by airy)");
  expect(
    statusText({ ...readyStatus, state: "stopped", engine: null, tunnel: null, webhooks: [], platform: { url: null, services: [] } }),
  ).toBe("stopped");
});
