/** `GET /health`: healthy means that Postgres answers. Beside it stands what a user would otherwise not see. */
import type { Database } from "./database/connect.ts";
import { describeError } from "./database/errors.ts";
import type { Kinds } from "./facebook/kinds.ts";
import type { WebhookCounters } from "./facebook/webhook.ts";
import { json } from "./http/reply.ts";
import type { Reply } from "./http/reply.ts";

const WITHIN_MS = 2_000;
/** Sources and channels are named up to this many. */
const NAMED = 20;

const waitingDeliveries = {
  name: "waiting_summary",
  text: `select w.source, w.source_channel_id, count(*)::int as deliveries from waiting_delivery w
    where w.reason = 'not connected' group by 1, 2 order by 3 desc limit ${NAMED}`,
};
const brokenChannels = {
  name: "broken_channels",
  text: `select id, source, source_channel_id, metadata ->> 'name' as name, broken as reason from channel
    where connected and broken is not null order by id limit ${NAMED}`,
};

interface Waiting {
  source: string | null;
  source_channel_id: string | null;
  deliveries: number;
}

/**
 * `waiting`: deliveries for channels that are not connected. `broken`: channels whose token the source refuses. `kinds`: what arrived and
 * has no message. Counters are since the start of the process.
 */
export function createHealth(
  database: Database,
  facts: { counters: WebhookCounters; kinds: Kinds; retentionDays: number; log: (line: string) => void },
): () => Promise<Reply> {
  let said = "";

  /** Said once, and again when it changed. */
  function say(waiting: Waiting[]): void {
    const text = waiting.map((one) => `${one.source_channel_id ?? "?"} is not connected: ${one.deliveries} deliveries wait`).join("; ");
    if (text !== said && text !== "") facts.log(`page ${text}`);
    said = text;
  }

  return async () => {
    const { counters, kinds, retentionDays } = facts;
    const known = { ...counters, kinds: kinds.counts(), lastTestAt: kinds.lastTestAt(), retentionDays };
    let late: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      late = setTimeout(() => reject(new Error(`Postgres did not answer within ${WITHIN_MS} ms`)), WITHIN_MS);
    });
    try {
      const asked = Promise.all([database.query<Waiting>(waitingDeliveries, []), database.query(brokenChannels, [])]);
      asked.catch(() => {});
      const [waiting, broken] = await Promise.race([asked, timeout]);
      say(waiting);
      return json(200, { status: "ok", ...known, waiting, broken });
    } catch (error) {
      return json(503, { status: "unavailable", reason: describeError(error), ...known });
    } finally {
      clearTimeout(late);
    }
  };
}
