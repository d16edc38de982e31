/** Every path of the platform but the inbox page and the WebSocket. */
import { channelRoutes } from "./api/channels.ts";
import { clientConfigRoutes } from "./api/client-config.ts";
import { contactRoutes } from "./api/contacts.ts";
import type { createConversationCount } from "./api/conversation-rows.ts";
import { conversationRoutes } from "./api/conversations.ts";
import { createEndpoints } from "./api/endpoint.ts";
import { messageRoutes } from "./api/messages.ts";
import { metadataRoutes } from "./api/metadata.ts";
import { subscriptionRoutes } from "./api/subscriptions.ts";
import { tagRoutes } from "./api/tags.ts";
import { templateRoutes } from "./api/templates.ts";
import { webhookRoutes as outboundRoutes } from "./api/webhooks.ts";
import type { Database } from "./database/connect.ts";
import type { Vault } from "./database/vault.ts";
import type { EarlyMessages } from "./facebook/early.ts";
import type { GraphClient } from "./facebook/graph.ts";
import type { Inbound } from "./facebook/inbound.ts";
import type { Kinds } from "./facebook/kinds.ts";
import type { Outbox } from "./facebook/outbox.ts";
import { refetchProfile } from "./facebook/profiles.ts";
import { webhookRoutes } from "./facebook/webhook.ts";
import { createHealth } from "./health.ts";
import type { Access } from "./http/access.ts";
import type { App } from "./http/server.ts";
import { write } from "./http/server.ts";
import type { Events } from "./live/events.ts";
import type { Reprocessing } from "./maintenance/reprocess.ts";
import { RETENTION_DAYS } from "./maintenance/retention.ts";
import { maintenanceRoutes } from "./maintenance/routes.ts";
import type { Media } from "./media/media.ts";
import { mediaRoutes } from "./media/routes.ts";
import { uploadRoutes } from "./media/uploads.ts";

interface Parts {
  config: {
    facebook: { appId: string; appSecret: string; verifyToken: string } | null;
    retentionDays?: number | undefined;
    workspace?: string | undefined;
  };
  database: Database;
  vault: Vault;
  events: Events;
  count: ReturnType<typeof createConversationCount>;
  kinds: Kinds;
  graph: GraphClient | null;
  inbound: Inbound;
  outbox: Outbox;
  early: EarlyMessages;
  media: Media;
  access: Access;
  reprocessing: Reprocessing & { signal: AbortSignal };
  log: (line: string) => void;
}

export function addRoutes(app: App, parts: Parts): void {
  const { config, database, vault, events, count, kinds, graph, inbound, outbox, early, log } = parts;
  const { facebook, retentionDays = RETENTION_DAYS } = config;
  const counters = webhookRoutes(app, { facebook, inbound, log });
  const health = createHealth(database, { counters, kinds, retentionDays, log });
  app.get("/health", { schema: { hide: true } }, async (_request, reply) => write(reply, await health()));
  parts.access.routes(app);
  const endpoint = createEndpoints(app);
  clientConfigRoutes(endpoint, facebook, config.workspace ?? null);
  const known = { database, events, inbound, vault, facebook: facebook && graph ? { appId: facebook.appId, graph } : null, log };
  channelRoutes(endpoint, known);
  subscriptionRoutes(endpoint, known);
  conversationRoutes(endpoint, { database, events, count, refetch: (id) => refetchProfile(database, id) });
  messageRoutes(endpoint, { database, events, outbox, early, onNewConversation: () => count.changed() });
  contactRoutes(endpoint, database);
  tagRoutes(endpoint, database, events);
  templateRoutes(endpoint, database);
  metadataRoutes(endpoint, database, events);
  outboundRoutes(endpoint, database, vault);
  maintenanceRoutes(app, { ...parts.reprocessing, vault });
  mediaRoutes(app, parts.media);
  uploadRoutes(app, database);
}
