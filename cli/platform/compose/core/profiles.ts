/** What of Airy Core runs: always the same core, and beside it what airy.yaml asks for. Profiles are those of compose/core/compose.yaml. */

import { profileNames, type Profile } from "../../../config/core.ts";

/** Service -> component as Airy's controller tells it, and how it is asked whether it is ready. */
interface CoreService {
  component: string | null;
  /** `host:port/path` that answers 200 when it is; null: that it runs is all that can be seen from outside. */
  probe: string | null;
}

const spring = (name: string, component = name): [string, CoreService] => [name, { component, probe: `${name}:80/actuator/health` }];
const plain = (name: string): [string, CoreService] => [name, { component: null, probe: null }];

const core: readonly [string, CoreService][] = [
  plain("volumes"),
  plain("zookeeper"),
  plain("kafka"),
  plain("topics"),
  ["schema-registry", { component: null, probe: "schema-registry:8081/subjects" }],
  spring("api-admin"),
  spring("api-communication"),
  spring("api-websocket"),
  spring("unread-counter"),
  spring("frontend-inbox"),
  spring("frontend-control-center"),
];

const added: Record<Profile, readonly [string, CoreService][]> = {
  facebook: [spring("sources-facebook-connector", "sources-facebook"), spring("sources-facebook-events-router", "sources-facebook")],
  chatplugin: [spring("sources-chatplugin"), spring("frontend-chat-plugin", "sources-chatplugin")],
  webhook: [plain("beanstalkd"), spring("webhook-publisher", "integration-webhook"), spring("webhook-consumer", "integration-webhook")],
  contacts: [spring("api-contacts")],
  whatsapp: [spring("sources-whatsapp-connector", "sources-whatsapp"), spring("sources-whatsapp-events-router", "sources-whatsapp")],
  twilio: [spring("sources-twilio-connector", "sources-twilio"), spring("sources-twilio-events-router", "sources-twilio")],
  viber: [spring("sources-viber-connector", "sources-viber")],
};

/** They do their work once and end. */
export const oneShots: ReadonlySet<string> = new Set(["volumes", "topics"]);

/** In the order in which they are shown. */
export function coreServices(profiles: readonly Profile[]): Map<string, CoreService> {
  const all = [...core, ...profileNames.filter((name) => profiles.includes(name)).flatMap((name) => added[name])];
  return new Map([...all, plain("gateway")]);
}

/**
 * Memory that the services come to, in MB: Kafka, ZooKeeper and registry some 1200, each JVM some 330 with the heaps of compose.yaml, a
 * page 15. Estimated, not measured.
 */
export function estimatedMemory(profiles: readonly Profile[]): number {
  const names = [...coreServices(profiles)].filter(([, { component }]) => component !== null).map(([name]) => name);
  const pages = names.filter((name) => name.startsWith("frontend-")).length;
  return 1200 + (names.length - pages) * 330 + pages * 15 + 100;
}
