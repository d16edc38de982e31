/** Services, tunnel and webhooks -> one word and the document that `airy status --json` prints. Pure, but for asking the engine. */
import { asAiryError, whyOf } from "../errors.ts";
import type { Edition } from "../config/config.ts";
import type { Platform } from "../platform/platform.ts";
import { webhookWell } from "../events.ts";
import type {
  DeliveriesStatus,
  EngineName,
  PageStatus,
  Problem,
  ServiceStatus,
  StatusData,
  TunnelStatus,
  WebhookStatus,
} from "../events.ts";

/** The services that should be there, each as the engine has it or as missing; or what kept the engine from saying. */
export interface Seen {
  services: ServiceStatus[];
  problems: Problem[];
}

/** Asks the engine. Never throws: not to know is an answer as well. */
export async function lookAtServices(platform: Pick<Platform, "status">, workspace: string, expected: readonly string[]): Promise<Seen> {
  try {
    const found = await platform.status(workspace);
    const missing = expected.filter((name) => !found.some((service) => service.name === name));
    return { services: [...found, ...missing.map((name) => ({ name, state: "missing", health: "none" }) as const)], problems: [] };
  } catch (error) {
    const failure = asAiryError(error);
    return { services: [], problems: [{ code: failure.code, message: `${failure.message} ${whyOf(failure)}` }] };
  }
}

export interface StatusInput extends Seen {
  engine: EngineName;
  /** Default: basic. */
  edition?: Edition | undefined;
  sandbox: boolean;
  platformPort: number;
  /** Where it is forwarded. */
  inboxUrl?: string | undefined;
  /** Paths that are public. */
  exposed?: readonly string[];
  tunnel: TunnelStatus | null;
  webhooks: WebhookStatus[];
  /** null before anybody has looked. */
  pages?: PageStatus[] | null;
  deliveries?: DeliveriesStatus | null;
  refused?: number | undefined;
  controlPort: number;
  /** Whether the start has come to its end. */
  ready: boolean;
}

/** An app that is not configured is the user's choice; everything else that does not carry messages is a degradation. */
export function buildStatus(input: StatusInput): StatusData {
  const { engine, sandbox, services, problems, tunnel, webhooks } = input;
  // A token that Facebook refuses: what customers write is heard, and nobody can be answered.
  const broken = input.pages?.some(({ source, state }) => source === "facebook" && state === "broken") ?? false;
  const up =
    !broken && input.ready && services.length > 0 && services.every(isUp) && tunnel?.state === "open" && webhooks.every(webhookWell);
  return {
    state: up ? "running" : "degraded",
    ...(problems.length > 0 && { problems }),
    engine,
    edition: input.edition ?? "basic",
    sandbox,
    platform: {
      url: `http://127.0.0.1:${input.platformPort}`,
      ...(input.inboxUrl && { inboxUrl: input.inboxUrl }),
      ...(input.exposed && { exposed: [...input.exposed] }),
      services,
    },
    tunnel,
    webhooks,
    ...(input.pages && { pages: input.pages }),
    ...(input.deliveries && { deliveries: input.deliveries }),
    ...(input.refused && { refused: input.refused }),
    control: { url: `http://127.0.0.1:${input.controlPort}` },
  };
}

/** Without an agent process there is neither tunnel nor webhook watch; containers may still run. */
export function offlineStatus(
  input: Seen & { engine: EngineName | null; edition?: Edition; sandbox: boolean; platformPort: number | null },
): StatusData {
  const { engine, sandbox, problems } = input;
  // All of them missing is what `down` leaves.
  const services = input.services.every(({ state }) => state === "missing") ? [] : input.services;
  const some = services.some((service) => service.state === "running" || service.state === "starting");
  return {
    // Where the engine does not say, "stopped" would be a guess.
    state: some || problems.length > 0 ? "degraded" : "stopped",
    ...(problems.length > 0 && { problems }),
    engine,
    edition: input.edition ?? "basic",
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
