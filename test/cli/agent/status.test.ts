import { expect, test } from "vitest";
import { buildStatus, lookAtServices, offlineStatus, type StatusInput } from "../../../cli/agent/status.ts";
import { AiryError } from "../../../cli/errors.ts";
import type { PageStatus, ServiceStatus, WebhookState } from "../../../cli/events.ts";
import { openTunnel } from "../../support/dashboard-events.ts";

const service = (state: ServiceStatus["state"], health: ServiceStatus["health"]): ServiceStatus => ({ name: "platform", state, health });
const webhook = (state: WebhookState) => ({ source: "facebook" as const, object: "page", state, callbackUrl: null });

const page = (source: string, state: PageStatus["state"]): PageStatus => ({ source, id: "1", name: "Shop", state, reason: null });

const good: StatusInput = {
  engine: "embedded",
  sandbox: true,
  platformPort: 4200,
  services: [service("running", "healthy")],
  problems: [],
  tunnel: openTunnel,
  webhooks: [webhook("active")],
  controlPort: 4300,
  ready: true,
};

test.each<[string, Partial<StatusInput>, string]>([
  ["all is well", {}, "running"],
  ["a service without a health check", { services: [service("running", "none")] }, "running"],
  ["no Facebook app", { webhooks: [webhook("unconfigured")] }, "running"],
  ["still starting", { ready: false }, "degraded"],
  ["no service at all", { services: [] }, "degraded"],
  ["an unhealthy service", { services: [service("running", "healthy"), service("running", "unhealthy")] }, "degraded"],
  ["a service that is gone", { services: [service("running", "healthy"), service("missing", "none")] }, "degraded"],
  ["a service that stopped", { services: [service("exited", "none")] }, "degraded"],
  ["a tunnel that waits", { tunnel: { ...openTunnel, state: "waiting" } }, "degraded"],
  ["no tunnel yet", { tunnel: null }, "degraded"],
  ["a webhook that is not active", { webhooks: [webhook("inactive")] }, "degraded"],
  ["a webhook of somebody else", { webhooks: [webhook("foreign")] }, "degraded"],
  ["a page whose token Facebook refuses", { pages: [page("facebook", "broken")] }, "degraded"],
  ["an Instagram account whose token Facebook refuses", { pages: [page("facebook", "ok"), page("instagram", "broken")] }, "running"],
  ["no page yet", { pages: [] }, "running"],
  ["a page that Facebook could not be asked about", { pages: [page("facebook", "unknown")] }, "running"],
  ["an error of the webhook", { webhooks: [webhook("error")] }, "degraded"],
])("%s", (_, change, state) => {
  expect(buildStatus({ ...good, ...change })).toMatchObject({
    state,
    edition: "basic",
    platform: { url: "http://127.0.0.1:4200" },
    control: { url: "http://127.0.0.1:4300" },
  });
});

test("without the agent process containers that run are a degradation, and none is stopped", () => {
  const input = { engine: "docker" as const, sandbox: false, platformPort: 4200, problems: [] };
  expect(offlineStatus({ ...input, services: [service("running", "healthy")] })).toMatchObject({
    state: "degraded",
    tunnel: null,
    control: { url: null },
  });
  expect(offlineStatus({ ...input, services: [service("exited", "none")] })).toMatchObject({ state: "stopped", platform: { url: null } });
});

test("every service that should be there is, if only as missing; an engine that does not say is a problem, not an empty list", async () => {
  const answering = { status: async () => [service("running", "healthy")] };
  expect(await lookAtServices(answering, "/", ["postgres", "platform"])).toEqual({
    services: [service("running", "healthy"), { name: "postgres", state: "missing", health: "none" }],
    problems: [],
  });
  const down = { status: () => Promise.reject(new AiryError("DOCKER_DOWN", { reason: "nobody listens" })) };
  const seen = await lookAtServices(down, "/", ["postgres"]);
  expect(seen).toEqual({ services: [], problems: [{ code: "DOCKER_DOWN", message: expect.stringContaining("nobody listens") }] });
  expect(offlineStatus({ engine: "docker", sandbox: true, platformPort: 1, ...seen })).toMatchObject({
    state: "degraded",
    problems: seen.problems,
  });
  expect(
    offlineStatus({ engine: "docker", sandbox: true, platformPort: 1, services: [service("missing", "none")], problems: [] }),
  ).toMatchObject({
    state: "stopped",
    platform: { services: [] },
  });
});
