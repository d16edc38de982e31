/** Which path leads to which service of Airy Core: its ingress at 0.56.0, infrastructure/helm-chart and backend/components/*. */
import type { Profile } from "../../../config/core.ts";

export interface Route {
  /** A prefix, whatever its case. */
  path: string;
  service: string;
  /** Only where this profile is used. */
  profile?: Profile;
  /** Public: the path of a source's deliveries. */
  webhook?: true;
}

const routes: readonly Route[] = [
  { path: "/ws.communication", service: "api-websocket" },
  { path: "/ws.chatplugin", service: "sources-chatplugin", profile: "chatplugin" },
  { path: "/conversations.mark-read", service: "unread-counter" },
  { path: "/conversations", service: "api-communication" },
  { path: "/messages", service: "api-communication" },
  { path: "/metadata.upsert", service: "api-communication" },
  { path: "/contacts", service: "api-contacts", profile: "contacts" },
  { path: "/client.config", service: "api-admin" },
  { path: "/users", service: "api-admin" },
  { path: "/tags", service: "api-admin" },
  { path: "/templates", service: "api-admin" },
  { path: "/webhooks", service: "api-admin" },
  { path: "/channels.list", service: "api-admin" },
  { path: "/channels.info", service: "api-admin" },
  { path: "/channels.update", service: "api-admin" },
  { path: "/channels.chatplugin", service: "api-admin" },
  { path: "/kafka", service: "api-admin" },
  { path: "/login", service: "api-admin" },
  { path: "/oauth", service: "api-admin" },
  // The chart sends it to the controller, which has no such handler at 0.56.0.
  { path: "/logout", service: "api-admin" },
  { path: "/channels.facebook", service: "sources-facebook-connector", profile: "facebook" },
  { path: "/channels.instagram", service: "sources-facebook-connector", profile: "facebook" },
  { path: "/facebook", service: "sources-facebook-connector", profile: "facebook", webhook: true },
  { path: "/channels.whatsapp", service: "sources-whatsapp-connector", profile: "whatsapp" },
  { path: "/whatsapp", service: "sources-whatsapp-connector", profile: "whatsapp", webhook: true },
  { path: "/channels.twilio", service: "sources-twilio-connector", profile: "twilio" },
  { path: "/twilio", service: "sources-twilio-connector", profile: "twilio", webhook: true },
  { path: "/channels.viber", service: "sources-viber-connector", profile: "viber" },
  { path: "/viber", service: "sources-viber-connector", profile: "viber", webhook: true },
  { path: "/chatplugin/ui", service: "frontend-chat-plugin", profile: "chatplugin" },
  { path: "/chatplugin", service: "sources-chatplugin", profile: "chatplugin" },
  { path: "/inbox", service: "frontend-inbox" },
  { path: "/control-center", service: "frontend-control-center" },
  { path: "/ui", service: "frontend-control-center" },
];

/** Of these profiles, the longest path first. */
export function routesOf(profiles: readonly Profile[]): Route[] {
  return routes
    .filter(({ profile }) => profile === undefined || profiles.includes(profile))
    .toSorted((a, b) => b.path.length - a.path.length);
}
