/** `channels.*` */
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { Vault } from "../database/vault.ts";
import type { ChannelRow } from "../database/rows.ts";
import { channelColumns, channelShape } from "../database/rows.ts";
import type { GraphClient } from "../facebook/graph.ts";
import { GraphFailure } from "../facebook/graph.ts";
import type { Inbound } from "../facebook/inbound.ts";
import type { Reply } from "../http/reply.ts";
import { empty, json, message } from "../http/reply.ts";
import { airyId } from "../ids.ts";
import type { Events } from "../live/events.ts";
import { storable } from "../text.ts";
import type { Endpoint } from "./endpoint.ts";
import { channelSchema, listOf, problemSchema, text, uuid } from "./shapes.ts";

interface Dependencies {
  database: Database;
  events: Events;
  inbound: Inbound;
  vault: Vault;
  /** null: no app is configured. */
  facebook: { appId: string; graph: GraphClient } | null;
  log: (line: string) => void;
}

const token = z.string().regex(/^[\x21-\x7e]{1,2000}$/, "must be a token: printable, without spaces");
const listBody = z.object({ source: z.string().transform(storable).nullish() });
const oneBody = z.object({ channel_id: uuid });
const updateBody = oneBody.extend({ name: text(200).nullish(), image_url: text(2000).nullish() });
const pageBody = z.object({ page_id: text(100), page_token: token, name: text(200).nullish(), image_url: text(2000).nullish() });
const accountBody = pageBody.extend({ account_id: text(100) });
/** Airy's own client calls the token `token`. */
const exploreBody = z
  .object({ auth_token: token.optional(), token: token.optional() })
  .transform((body) => body.auth_token ?? body.token)
  .pipe(token);

const listChannels = {
  name: "channels",
  text: `select ${channelColumns} from channel where connected and ($1::text is null or source = $1) order by source, source_channel_id`,
};
const oneChannel = { name: "channel", text: `select ${channelColumns} from channel where id = $1` };
const updateChannel = {
  name: "update_channel",
  text: `update channel set metadata = metadata || $2::jsonb where id = $1 returning ${channelColumns}`,
};

export function channelRoutes(endpoint: Endpoint, { database, events, inbound, vault, facebook, log }: Dependencies): void {
  async function connect(source: string, sourceId: string, pageToken: string, metadata: Record<string, string>): Promise<Reply> {
    if (facebook === null) return message(500, "No Facebook app is configured");
    try {
      await facebook.graph.subscribePage(pageToken, facebook.appId);
    } catch (error) {
      return graphProblem(error, `page ${metadata.page_id} could not be subscribed`);
    }
    const row = await storeConnected(database, source, sourceId, vault.seal(pageToken), metadata);
    events.channelUpdated(row);
    await inbound.drainWaiting(row.id);
    return json(200, channelShape(row));
  }

  function graphProblem(error: unknown, what: string): Reply {
    if (!(error instanceof GraphFailure)) throw error;
    log(`${what}: ${error.message}`);
    return message(error.kind === "refused" ? 500 : 503, error.message);
  }

  async function update({ channel_id, name, image_url }: z.output<typeof updateBody>): Promise<Reply> {
    const metadata = { ...(name ? { name } : {}), ...(image_url ? { image_url } : {}) };
    const [row] = await database.query<ChannelRow>(updateChannel, [channel_id, JSON.stringify(metadata)]);
    if (!row) return empty(404);
    events.channelUpdated(row);
    events.channelMetadata(row);
    return json(200, channelShape(row));
  }

  /** The token is dropped; Facebook is not asked: a page may be connected elsewhere with the same app. */
  async function disconnect(source: string, id: string): Promise<Reply> {
    const found = await database.transaction(async (client) => {
      await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [id]);
      const { rows } = await client.query<ChannelRow & { was: boolean }>(
        `update channel c set connected = false, token = null, broken = null from channel o
         where c.id = $1 and c.source = $2 and o.id = c.id
         returning c.id, c.source, c.source_channel_id, c.connected, c.metadata, c.broken, o.connected as was`,
        [id, source],
      );
      return rows[0];
    });
    if (!found) return empty(404);
    if (found.was) events.channelUpdated(found);
    return empty(204);
  }

  async function explore(userToken: string): Promise<Reply> {
    if (facebook === null) return message(500, "No Facebook app is configured");
    try {
      const pages = await facebook.graph.pages(userToken);
      const rows = await database.query<ChannelRow>(listChannels, ["facebook"]);
      const connected = new Set(rows.map((row) => row.source_channel_id));
      const data = pages.map(({ id, name, imageUrl }) => ({ page_id: id, name, image_url: imageUrl, connected: connected.has(id) }));
      return json(200, { data });
    } catch (error) {
      return graphProblem(error, "the pages of a user could not be listed");
    }
  }

  endpoint("/channels.list", { body: listBody, answers: { 200: listOf(channelSchema) } }, async ({ source }) => {
    const rows = await database.query<ChannelRow>(listChannels, [source ?? null]);
    return json(200, { data: rows.map(channelShape) });
  });
  endpoint("/channels.info", { body: oneBody, answers: { 200: channelSchema, 404: null } }, async ({ channel_id }) => {
    const [row] = await database.query<ChannelRow>(oneChannel, [channel_id]);
    return row ? json(200, channelShape(row)) : empty(404);
  });
  endpoint("/channels.update", { body: updateBody, answers: { 200: channelSchema, 404: null } }, update);

  const connected = { 200: channelSchema, 500: problemSchema };
  endpoint("/channels.facebook.connect", { body: pageBody, answers: connected }, (body) =>
    connect("facebook", body.page_id, body.page_token, details(body)),
  );
  endpoint("/channels.instagram.connect", { body: accountBody, answers: connected }, (body) =>
    connect("instagram", body.account_id, body.page_token, { ...details(body), account_id: body.account_id }),
  );
  for (const source of ["facebook", "instagram"]) {
    endpoint(`/channels.${source}.disconnect`, { body: oneBody, answers: { 204: null, 404: null } }, ({ channel_id }) =>
      disconnect(source, channel_id),
    );
  }
  const page = z.object({ page_id: z.string(), name: z.string(), image_url: z.string().nullable(), connected: z.boolean() });
  endpoint(
    ["/channels.facebook.explore", "/facebook.channels.explore"],
    { body: exploreBody, answers: { 200: listOf(page), 500: problemSchema } },
    explore,
  );
}

function details({ page_id, name, image_url }: z.output<typeof pageBody>): Record<string, string> {
  return { page_id, ...(name ? { name } : {}), ...(image_url ? { image_url } : {}) };
}

/** A channel that is connected again keeps the name and picture it had unless new ones are given. */
async function storeConnected(
  database: Database,
  source: string,
  sourceId: string,
  sealedToken: string,
  metadata: Record<string, string>,
): Promise<ChannelRow> {
  const id = airyId(source, sourceId);
  return database.transaction(async (client) => {
    // Deliveries hold this lock together: each sees the channel connected, or is seen waiting by the drain that follows.
    await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [id]);
    const { rows } = await client.query<ChannelRow>(
      `insert into channel as c (id, source, source_channel_id, connected, metadata, token) values ($1, $2, $3, true, $4, $5)
       on conflict (id) do update set connected = true, metadata = c.metadata || excluded.metadata, token = excluded.token, broken = null
       returning ${channelColumns}`,
      [id, source, sourceId, JSON.stringify(metadata), sealedToken],
    );
    const row = rows[0];
    if (!row) throw new Error("the channel was not stored");
    return row;
  });
}
