/** Services, tunnel and webhooks -> one word and the document that `airy status --json` prints. Pure. */
import type { EngineName, ServiceStatus, StatusData, TunnelStatus, WebhookStatus } from "../events.ts";

export interface StatusInput {
  engine: EngineName;
  sandbox: boolean;
  platformPort: number;
  services: ServiceStatus[];
  tunnel: TunnelStatus | null;
  webhooks: WebhookStatus[];
  controlPort: number;
  /** Whether the start has come to its end. */
  ready: boolean;
}

/** An app that is not configured is the user's choice; everything else that does not carry messages is a degradation. */
export function buildStatus(input: StatusInput): StatusData {
  const { engine, sandbox, services, tunnel, webhooks } = input;
  const up =
    input.ready &&
    services.length > 0 &&
    services.every(isUp) &&
    tunnel?.state === "open" &&
    webhooks.every((webhook) => webhook.state === "active" || webhook.state === "unconfigured");
  return {
    state: up ? "running" : "degraded",
    engine,
    edition: "basic",
    sandbox,
    platform: { url: `http://127.0.0.1:${input.platformPort}`, services },
    tunnel,
    webhooks,
    control: { url: `http://127.0.0.1:${input.controlPort}` },
  };
}

/** Without an agent process there is neither tunnel nor webhook watch; containers may still run. */
export function offlineStatus(input: {
  engine: EngineName | null;
  sandbox: boolean;
  platformPort: number | null;
  services: ServiceStatus[];
}): StatusData {
  const { engine, sandbox, services } = input;
  const some = services.some((service) => service.state === "running" || service.state === "starting");
  return {
    state: some ? "degraded" : "stopped",
    engine,
    edition: "basic",
    sandbox,
    platform: { url: some && input.platformPort !== null ? `http://127.0.0.1:${input.platformPort}` : null, services },
    tunnel: null,
    webhooks: [],
    control: { url: null },
  };
}

export function isUp(service: ServiceStatus): boolean {
  return service.state === "running" && (service.health === "healthy" || service.health === "none");
}
