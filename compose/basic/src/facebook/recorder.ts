/** What became of a message, into the database and to the subscribers. */
import type { Database } from "../database/connect.ts";
import { describeError } from "../database/errors.ts";
import type { MessageRow } from "../database/rows.ts";
import { messageColumns } from "../database/rows.ts";
import type { Events } from "../live/events.ts";
import { storable, storableKey } from "../text.ts";
import type { Outcome } from "./sender.ts";

interface Dependencies {
  database: Database;
  events: Events;
  /** The outcome of a message of this channel is recorded: echoes that waited for it can be judged. */
  onSettled?: ((channelId: string) => Promise<void>) | undefined;
  /** Repeats the work until it succeeds; undefined when it is given up. */
  patiently: <T>(what: string, work: () => Promise<T>) => Promise<T | undefined>;
  log: (line: string) => void;
}

const finish = {
  name: "finish_message",
  text: `update message m set delivery_state = $2, source_message_id = $3, metadata = m.metadata || $4::jsonb
    from channel ch where m.id = $1 and m.delivery_state = 'pending' and ch.id = m.channel_id returning ${messageColumns}`,
};

/** What Facebook did is kept even when Postgres is away for a while; a process that ends meanwhile leaves it to the next one. */
export function createRecorder({ database, events, onSettled, patiently, log }: Dependencies) {
  async function sent(id: string, mid: string): Promise<MessageRow | undefined> {
    const key = storableKey(mid);
    return database.transaction(async (client) => {
      // An echo that came in before it was known that echoes wait.
      await client.query(
        "delete from message e using message m where m.id = $1 and e.channel_id = m.channel_id and e.source_message_id = $2 and e.id <> m.id",
        [id, key],
      );
      const metadata = JSON.stringify({ source: { id: key, delivery_state: "delivered" } });
      const { rows } = await client.query<MessageRow>({ ...finish, values: [id, "delivered", key, metadata] });
      if (!rows[0]) return undefined;
      // A reaction may have been faster than Facebook's answer.
      await client.query("select apply_changes(array[$1::uuid], array[$2])", [rows[0].channel_id, key]);
      const { rows: final } = await client.query<MessageRow>(
        `select ${messageColumns} from message m join channel ch on ch.id = m.channel_id where m.id = $1`,
        [id],
      );
      return final[0];
    });
  }

  async function failed(id: string, error: string, raw: string | null): Promise<MessageRow | undefined> {
    const source = { delivery_state: "failed", ...(raw === null ? {} : { error: storable(raw) }) };
    const metadata = JSON.stringify({ error: storable(error), source });
    const rows = await database.query<MessageRow>(finish, [id, "failed", null, metadata]);
    return rows[0];
  }

  return async (id: string, outcome: Outcome): Promise<void> => {
    const row = await patiently(`outcome of message ${id} not recorded yet`, () =>
      "mid" in outcome ? sent(id, outcome.mid) : failed(id, outcome.error, outcome.raw),
    );
    if (!row) return;
    events.messageCreated(row);
    events.messageMetadata(row);
    await onSettled?.(row.channel_id).catch((error: unknown) => log(`waiting echoes were not looked at: ${describeError(error)}`));
  };
}
