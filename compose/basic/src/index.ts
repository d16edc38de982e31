/** The basic platform: webhook in, Postgres, Airy's API and WebSocket out. `startPlatform` is the one way in. */
import { createConversationCount } from "./api/conversation-rows.ts";
import { openDatabase, waitForPostgres } from "./database/connect.ts";
import { migrate } from "./database/migrate.ts";
import { describeError } from "./database/errors.ts";
import { createVault } from "./database/vault.ts";
import { createEarlyMessages } from "./facebook/early.ts";
import { createGraphClient } from "./facebook/graph.ts";
import { createInbound } from "./facebook/inbound.ts";
import { createKinds } from "./facebook/kinds.ts";
import type { Outbox } from "./facebook/outbox.ts";
import { createOutbox } from "./facebook/outbox.ts";
import { createProfileTask } from "./facebook/profiles.ts";
import { createAccess } from "./http/access.ts";
import { pageFile } from "./http/files.ts";
import { createGuard } from "./http/guard.ts";
import type { App } from "./http/server.ts";
import { startHttp } from "./http/server.ts";
import { prepareJobs, startJobs } from "./jobs.ts";
import { createBroker } from "./live/broker.ts";
import { createEvents } from "./live/events.ts";
import { createLiveSockets } from "./live/websocket.ts";
import { createMedia } from "./media/media.ts";
import { reprocess } from "./maintenance/reprocess.ts";
import type { Reprocessing } from "./maintenance/reprocess.ts";
import { RETENTION_DAYS, startRetention } from "./maintenance/retention.ts";
import { addRoutes } from "./routes.ts";
import { createWebhookTask } from "./outbound/webhook-task.ts";

export { readOffline } from "./maintenance/offline.ts";

export interface PlatformConfig {
  /** `postgres://user:password@host:port/database`; Postgres 15 to 18. */
  databaseUrl: string;
  /** Port 0 picks a free one. */
  listen: { host: string; port: number };
  /** Host names, without port, that API and page answer to beside the loopback names (a compose service name). */
  allowedHosts: string[];
  /** Origins of other pages that may use the API, e.g. `http://localhost:3000`; `*` stands for any text without a slash. */
  allowedOrigins?: string[] | undefined;
  /** Clients must send it as bearer token; null: whoever reaches the listener may use it. */
  apiToken?: string | null | undefined;
  /** Page tokens are encrypted under it; null: they are stored as they are. */
  secret?: string | null | undefined;
  /** Days that raw deliveries are kept; default 90. */
  retentionDays?: number | undefined;
  /** What the inbox page is called: the name of the workspace. */
  workspace?: string | undefined;
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
  /** Default: the pinned one. */
  graphVersion?: string | undefined;
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
  const log = (line: string) => config.log(inert(line));
  await waitForPostgres(databaseUrl, DATABASE_WITHIN_MS, log);
  await migrate(databaseUrl, () => prepareJobs(databaseUrl, log), log);

  const closing: (() => unknown)[] = [];
  const closeAll = async () => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const database = openDatabase(databaseUrl, log);
    closing.push(() => database.close());
    const vault = createVault(config.secret ?? null);
    const broker = createBroker("/events");
    const sockets = createLiveSockets(broker);
    closing.push(() => sockets.close());
    const events = createEvents((json) => broker.publish(json));
    const count = createConversationCount(database);
    const kinds = createKinds(log);
    const graph = facebook ? createGraphClient(facebook) : null;
    let outbox: Outbox | undefined;
    const inbound = createInbound({
      database,
      events,
      kinds,
      appId: facebook?.appId ?? "",
      onNewConversation: () => count.changed(),
      onPending: (messages) => messages.forEach((message) => outbox?.submit(message)),
      log,
    });
    outbox = createOutbox({ database, events, vault, graph, onSettled: (channel) => inbound.drainWaiting(channel), log });
    const sending = outbox;
    closing.push(() => sending.close(CLOSE_WITHIN_MS));
    const early = createEarlyMessages(database, events, log);
    closing.push(() => early.close());

    const media = createMedia({ database, graphUrl: facebook?.graphUrl ?? null, log });
    closing.push(() => media.close());
    const stopped = new AbortController();
    const reprocessing = { database, appId: facebook?.appId ?? "", onConversations: () => count.changed(), log };
    const access = createAccess(config.apiToken ?? null);
    const parts = { config, database, vault, events, count, kinds, graph, inbound, outbox: sending, early, media, access, log };
    const routes = (app: App) => addRoutes(app, { ...parts, reprocessing: { ...reprocessing, signal: stopped.signal } });

    await inbound.resume();
    const leftOver = await sending.leftOver();
    const jobs = await startJobs(
      databaseUrl,
      {
        profile: createProfileTask({ database, events, vault, graph, log }),
        webhook: createWebhookTask(database, vault, log),
      },
      log,
    );
    closing.push(() => jobs.close());
    const server = await startHttp({
      listen: config.listen,
      guard: createGuard(config.allowedHosts, config.allowedOrigins ?? []),
      access,
      routes,
      publicPaths: new Set(["/facebook"]),
      page: (pathname) => pageFile(config.webDir, pathname),
      socketPath: "/ws.communication",
      upgrade: (request, socket, head) => sockets.upgrade(request, socket, head),
      log,
    });
    // The sockets say goodbye meanwhile: an open one would keep the server.
    closing.push(() => Promise.all([server.close(CLOSE_WITHIN_MS), sockets.close()]));
    sending.resume(leftOver);
    const retention = startRetention(database, config.retentionDays ?? RETENTION_DAYS, log);
    closing.push(() => retention.close());
    const rereading = readAgain(reprocessing, stopped.signal);
    closing.push(() => {
      stopped.abort();
      return rereading;
    });
    return { port: server.port, close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** What is logged may quote what strangers sent: nothing in it is for a terminal, or for a shell that is made to read it. */
function inert(line: string): string {
  const plain = line.replaceAll(/\p{Cc}+/gu, " ").replaceAll(/[`$\\;|&<>]/g, "?");
  return plain.slice(0, 1_000);
}

/** What an earlier reader left a note on; after that there is nothing of it left. */
async function readAgain(options: Reprocessing, signal: AbortSignal): Promise<void> {
  try {
    const run = reprocess(options, false, signal);
    let step = await run.next();
    while (!step.done) step = await run.next();
    const { deliveries, created, changed } = step.value;
    if (deliveries > 0) options.log(`${deliveries} earlier deliveries were read again: ${created} messages more, ${changed} changed`);
  } catch (error) {
    options.log(`earlier deliveries could not be read again: ${describeError(error)}`);
  }
}
