/** `channels.facebook.check`: whether each connected page is still subscribed to the app, and made so again where it is not. */
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { ChannelRow } from "../database/rows.ts";
import { channelColumns } from "../database/rows.ts";
import type { Vault } from "../database/vault.ts";
import type { GraphClient } from "../facebook/graph.ts";
import { GraphFailure } from "../facebook/graph.ts";
import { json } from "../http/reply.ts";
import type { Events } from "../live/events.ts";
import type { Endpoint } from "./endpoint.ts";
import { listOf, uuid } from "./shapes.ts";

interface Dependencies {
  database: Database;
  events: Events;
  vault: Vault;
  /** null: no app is configured. */
  facebook: { appId: string; graph: GraphClient } | null;
  log: (line: string) => void;
}

/** At most so many pages are asked about at once, and one after the other: it is one call for each. */
const MOST = 100;

const checked = z.object({
  id: uuid,
  source: z.string(),
  source_channel_id: z.string(),
  name: z.string(),
  state: z.enum(["ok", "repaired", "broken", "unknown"]).describe("broken: Facebook refuses the token or what it may do"),
  message: z.string().nullable().describe("why it is broken or unknown"),
});

type Checked = z.output<typeof checked>;

const connectedChannels = {
  name: "connected_channels",
  text: `select ${channelColumns}, token from channel
    where connected and token is not null and source in ('facebook', 'instagram') order by source, source_channel_id limit ${MOST}`,
};
const setBroken = {
  name: "check_set_broken",
  text: `update channel set broken = $2 where id = $1 and connected and broken is distinct from $2 returning ${channelColumns}`,
};

export function subscriptionRoutes(endpoint: Endpoint, { database, events, vault, facebook, log }: Dependencies): void {
  endpoint("/channels.facebook.check", { body: z.object({}), answers: { 200: listOf(checked) } }, async () => {
    const data: Checked[] = [];
    if (facebook === null) return json(200, { data });
    const rows = await database.query<ChannelRow & { token: string }>(connectedChannels, []);
    for (const { token, ...row } of rows) {
      const result = await look(vault.open(token), facebook);
      const broken = result.state === "broken" ? result.message : null;
      if (result.state !== "unknown" && broken !== row.broken) {
        const [changed] = await database.query<ChannelRow>(setBroken, [row.id, broken]);
        if (changed) events.channelUpdated(changed);
      }
      const name = typeof row.metadata.name === "string" ? row.metadata.name : row.source_channel_id;
      if (result.state !== "ok")
        log(`${row.source} ${row.source_channel_id}: subscription ${result.state}${result.message ? `: ${result.message}` : ""}`);
      data.push({ id: row.id, source: row.source, source_channel_id: row.source_channel_id, name, ...result });
    }
    return json(200, { data });
  });
}

async function look(
  token: string | null,
  { appId, graph }: NonNullable<Dependencies["facebook"]>,
): Promise<Pick<Checked, "state" | "message">> {
  if (token === null) return { state: "broken", message: "Its token cannot be read any more." };
  try {
    return { state: await graph.keepSubscribed(token, appId), message: null };
  } catch (error) {
    if (!(error instanceof GraphFailure)) throw error;
    return { state: error.kind === "refused" && !error.transient ? "broken" : "unknown", message: error.message };
  }
}
