/** `channels.*` */
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { GraphClient } from "../facebook/graph.ts";
import { GraphFailure } from "../facebook/graph.ts";
import type { Inbound } from "../facebook/inbound.ts";
import type { Reply } from "../http/reply.ts";
import { json, message } from "../http/reply.ts";
import type { Routes } from "../http/server.ts";
import { airyId } from "../ids.ts";
import type { Events } from "../live/events.ts";
import { storable } from "../text.ts";
import { endpoint } from "./endpoint.ts";
import type { ChannelRow } from "../database/rows.ts";
import { channelShape } from "../database/rows.ts";

interface Dependencies {
  database: Database;
  events: Events;
  inbound: Inbound;
  /** null: no app is configured. */
  facebook: { appId: string; graph: GraphClient } | null;
  log: (line: string) => void;
}

const text = (longest: number) => z.string().trim().min(1).max(longest).transform(storable);
const listBody = z.object({ source: z.string().transform(storable).nullish() });
const connectBody = z.object({
  page_id: text(100),
  page_token: z.string().regex(/^[\x21-\x7e]{1,2000}$/, "must be a token: printable, without spaces"),
  name: text(200).nullish(),
  image_url: text(2000).nullish(),
});

const listChannels = {
  name: "channels",
  text: `select id, source, source_channel_id, connected, metadata from channel
    where connected and ($1::text is null or source = $1) order by source, source_channel_id`,
};

export function channelRoutes({ database, events, inbound, facebook, log }: Dependencies): Routes {
  async function list({ source }: z.output<typeof listBody>): Promise<Reply> {
    const rows = await database.query<ChannelRow>(listChannels, [source ?? null]);
    return json(200, { data: rows.map(channelShape) });
  }

  async function connect({ page_id, page_token, name, image_url }: z.output<typeof connectBody>): Promise<Reply> {
    if (facebook === null) return message(500, "No Facebook app is configured");
    try {
      await facebook.graph.subscribePage(page_token, facebook.appId);
    } catch (error) {
      if (!(error instanceof GraphFailure)) throw error;
      log(`page ${page_id} could not be subscribed: ${error.message}`);
      return message(error.kind === "refused" ? 500 : 503, error.message);
    }
    const metadata = { page_id, ...(name ? { name } : {}), ...(image_url ? { image_url } : {}) };
    const row = await storeConnected(database, page_id, page_token, metadata);
    events.channelUpdated(row);
    await inbound.drainWaiting(row.id);
    return json(200, channelShape(row));
  }

  return new Map([
    ["/channels.list", endpoint(listBody, list)],
    ["/channels.facebook.connect", endpoint(connectBody, connect)],
  ]);
}

/** A channel that is connected again keeps the name and picture it had unless new ones are given. */
async function storeConnected(database: Database, pageId: string, token: string, metadata: Record<string, string>): Promise<ChannelRow> {
  const id = airyId("facebook", pageId);
  return database.transaction(async (client) => {
    // Deliveries hold this lock together: each sees the channel connected, or is seen waiting by the drain that follows.
    await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [id]);
    const { rows } = await client.query<ChannelRow>(
      `insert into channel as c (id, source, source_channel_id, connected, metadata, token) values ($1, 'facebook', $2, true, $3, $4)
       on conflict (id) do update set connected = true, metadata = c.metadata || excluded.metadata, token = excluded.token
       returning id, source, source_channel_id, connected, metadata`,
      [id, pageId, JSON.stringify(metadata), token],
    );
    const row = rows[0];
    if (!row) throw new Error("the channel was not stored");
    return row;
  });
}
