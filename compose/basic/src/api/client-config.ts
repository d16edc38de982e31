/** What a client needs to know before it shows anything: `client.config`, `components.*`, `cluster.update`, `users.list`. */
import { z } from "zod";
import { json } from "../http/reply.ts";
import type { Endpoint } from "./endpoint.ts";
import { AIRY_VERSION } from "../version.ts";
import { pageOf } from "./shapes.ts";

const color = (hex: string, background: string, position: number) => ({ default: hex, background, font: hex, position, border: hex });

const tagColors = {
  "tag-blue": color("1578D4", "F5FFFF", 1),
  "tag-red": color("E0243A", "FFF7F9", 2),
  "tag-green": color("0E764F", "F5FFFB", 3),
  "tag-purple": color("730A80", "FEF7FF", 4),
};

/** Every service with the component it belongs to, as Airy Core names them. */
const services: Record<string, string> = {
  "api-admin": "api-admin",
  "api-communication": "api-communication",
  "api-contacts": "api-contacts",
  "api-websocket": "api-websocket",
  "frontend-inbox": "frontend-inbox",
  "media-resolver": "media-resolver",
  "sources-facebook-connector": "sources-facebook",
  "sources-facebook-events-router": "sources-facebook",
  "webhook-consumer": "integration-webhook",
  "webhook-publisher": "integration-webhook",
};

interface Component {
  displayName: string;
  description: string;
  isChannel: boolean;
  source: string | null;
  category: string;
}

const components: Record<string, Component> = {
  "sources-facebook": {
    displayName: "Facebook Messenger",
    description: "Messages of Facebook pages and Instagram accounts.",
    isChannel: true,
    source: "facebook",
    category: "Channel",
  },
  "frontend-inbox": { displayName: "Inbox", description: "Conversations in the browser.", isChannel: false, source: null, category: "App" },
  "integration-webhook": {
    displayName: "Webhooks",
    description: "Sends events to your own URLs.",
    isChannel: false,
    source: "webhook",
    category: "Integration",
  },
};

/**
 * @param facebook settings for the component, null when no app is configured.
 * @param workspace a member that Airy Core does not have: what our inbox page is called.
 */
export function clientConfigRoutes(endpoint: Endpoint, facebook: { appId: string } | null, workspace: string | null): void {
  const enabled = (component: string) => component !== "sources-facebook" || facebook !== null;
  const config = {
    services: Object.fromEntries(
      Object.entries(services).map(([service, component]) => [service, { enabled: enabled(component), healthy: true, component }]),
    ),
    user_profile: null,
    tag_config: { colors: tagColors },
    cluster_version: AIRY_VERSION,
    workspace,
  };
  const settings: Record<string, Record<string, string>> = {
    "frontend-inbox": {},
    "integration-webhook": {},
    "sources-facebook": facebook === null ? {} : { appId: facebook.appId, appSecret: "...", webhookSecret: "..." },
  };
  const list = Object.fromEntries(
    Object.entries(components).map(([name, { isChannel, ...rest }]) => [
      name,
      {
        name,
        ...rest,
        installationStatus: "installed",
        isChannel: String(isChannel),
        configurationValues: JSON.stringify(settings[name]),
        price: "Free",
        docs: null,
        availableFor: "minikube",
        repository: "airy-core",
      },
    ]),
  );
  const map = z.object({ components: z.record(z.string(), z.record(z.string(), z.unknown())) });
  const outcomes = z.object({ components: z.record(z.string(), z.boolean()) });
  const updates = z.object({ components: z.array(z.object({ name: z.string().max(200) })).max(1000) });
  const clusterConfig = z.object({ cluster_config: z.record(z.string(), z.boolean()) });

  const any = z.unknown();
  endpoint("/client.config", { body: any, answers: { 200: z.looseObject({}) } }, async () => json(200, config));
  endpoint("/components.get", { body: any, answers: { 200: map } }, async () => json(200, { components: settings }));
  endpoint("/components.list", { body: any, answers: { 200: map } }, async () => json(200, { components: list }));
  // Settings come from airy.yaml and are applied by `airy up`: nothing is changed here, and nothing is said to have been.
  endpoint("/components.update", { body: updates, answers: { 200: outcomes } }, async (body) =>
    json(200, { components: Object.fromEntries(body.components.map(({ name }) => [name, false])) }),
  );
  endpoint("/cluster.update", { body: any, answers: { 200: clusterConfig } }, async () =>
    json(200, { cluster_config: { security: false, kafka: false } }),
  );
  const user = z.object({ id: z.string(), name: z.string().nullable(), avatar_url: z.string().nullable() });
  // Users are people who signed in; with one token, or none, there are none.
  endpoint("/users.list", { body: any, answers: { 200: pageOf(user) } }, async () =>
    json(200, { data: [], pagination_data: { previous_cursor: null, next_cursor: null, total: 0 } }),
  );
}
