/** The basic platform: webhook in, Postgres, Airy's API and WebSocket out. `startPlatform` is the one way in. */
import { channelRoutes } from "./api/channels.ts";
import { clientConfigRoutes } from "./api/client-config.ts";
import { conversationRoutes, createConversationCount } from "./api/conversations.ts";
import { messageRoutes } from "./api/messages.ts";
import { openDatabase, waitForPostgres } from "./database/connect.ts";
import { migrate } from "./database/migrate.ts";
import { createGraphClient } from "./facebook/graph.ts";
import { createInbound } from "./facebook/inbound.ts";
import { createOutbox } from "./facebook/outbox.ts";
import { createWebhook } from "./facebook/webhook.ts";
import { createHealth } from "./health.ts";
import { pageFile } from "./http/files.ts";
import { createGuard } from "./http/guard.ts";
import { startHttp } from "./http/server.ts";
import type { Routes } from "./http/server.ts";
import { createBroker } from "./live/broker.ts";
import { createEvents } from "./live/events.ts";
import { createLiveSockets } from "./live/websocket.ts";

export interface PlatformConfig {
  /** `postgres://user:password@host:port/database`; Postgres 15 to 18. */
  databaseUrl: string;
  /** Port 0 picks a free one. */
  listen: { host: string; port: number };
  /** Host names, without port, that API and page answer to beside the loopback names (a compose service name). */
  allowedHosts: string[];
  /** null: no Facebook app is configured; deliveries are refused with 401. */
  facebook: FacebookConfig | null;
  /** Folder with the built inbox page. */
  webDir: string;
  /** One line of log, without secrets. */
  log: (line: string) => void;
}

export interface FacebookConfig {
  appId: string;
  appSecret: string;
  verifyToken: string;
  /** Base of the Graph API without version, e.g. `https://graph.facebook.com`. */
  graphUrl: string;
}

export interface RunningPlatform {
  port: number;
  /** Finishes requests in flight (at most 5 s), then closes the database connections. */
  close(): Promise<void>;
}

const DATABASE_WITHIN_MS = 30_000;
const CLOSE_WITHIN_MS = 5_000;

/**
 * Waits up to 30 s for Postgres, brings the schema up to date, and serves.
 * @throws Error with `code` "DATABASE_UNREACHABLE", "DATABASE_REFUSED" or "DATA_NEWER" (the message says why), or Node's listen error.
 */
export async function startPlatform(config: PlatformConfig): Promise<RunningPlatform> {
  const { databaseUrl, facebook } = config;
  // What is logged may quote what strangers sent.
  const log = (line: string) => config.log(line.replaceAll(/\p{Cc}+/gu, " ").slice(0, 1_000));
  await waitForPostgres(databaseUrl, DATABASE_WITHIN_MS, log);
  await migrate(databaseUrl, log);

  const database = openDatabase(databaseUrl, log);
  const broker = createBroker("/events");
  const sockets = createLiveSockets(broker);
  const events = createEvents((json) => broker.publish(json));
  const count = createConversationCount(database);
  const graph = facebook ? createGraphClient(facebook.graphUrl) : null;
  const inbound = createInbound({ database, events, appId: facebook?.appId ?? "", onNewConversation: () => count.changed(), log });
  const outbox = createOutbox({ database, events, graph, log });
  const webhook = createWebhook({ facebook, inbound, log });

  const routes: Routes = new Map([
    ["/facebook", { GET: webhook.GET, POST: webhook.POST }],
    ["/health", { GET: createHealth(database, webhook.counters) }],
    ...clientConfigRoutes(facebook !== null),
    ...channelRoutes({ database, events, inbound, facebook: facebook && graph ? { appId: facebook.appId, graph } : null, log }),
    ...conversationRoutes(database, events, () => count.total()),
    ...messageRoutes(database, events, outbox),
  ]);

  try {
    await inbound.resume();
    const leftOver = await outbox.leftOver();
    const server = await startHttp({
      listen: config.listen,
      guard: createGuard(config.allowedHosts),
      routes,
      publicPaths: new Set(["/facebook"]),
      page: (pathname) => pageFile(config.webDir, pathname),
      socketPath: "/ws.communication",
      upgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
      log,
    });
    outbox.resume(leftOver);
    return {
      port: server.port,
      async close() {
        await Promise.all([server.close(CLOSE_WITHIN_MS), sockets.close()]);
        await outbox.close(CLOSE_WITHIN_MS);
        await database.close();
      },
    };
  } catch (error) {
    await sockets.close();
    await outbox.close(0);
    await database.close();
    throw error;
  }
}
