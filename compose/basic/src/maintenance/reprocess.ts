/**
 * Conversations made anew from the raw deliveries: after an upgrade for what an earlier reader left a note on, and on request for all.
 * Ids follow from the content, so what is there stays what it is, with its read state and metadata.
 */
import type { Database } from "../database/connect.ts";
import { describeError, isDataFault } from "../database/errors.ts";
import type { InboundItem } from "../facebook/derive.ts";
import { READER, derive } from "../facebook/derive.ts";
import { repeatable } from "../facebook/writer.ts";

interface Progress {
  deliveries: number;
  /** Messages that were not there before. */
  created: number;
  /** Messages that became different. */
  changed: number;
}

export interface Reprocessing {
  database: Database;
  appId: string;
  /** Conversations came or went. */
  onConversations: () => void;
  log: (line: string) => void;
}

const AT_ONCE = 500;

const next = {
  name: "reprocess_next",
  text: `select id, body, received_at from delivery
    where id > $1 and id <= $2 and ($3 or (note is not null and reader < $4)) order by id limit ${AT_ONCE}`,
};
const last = { name: "reprocess_last", text: "select coalesce(max(id), 0) as id from delivery" };

interface DeliveryRow {
  id: string;
  body: Buffer;
  received_at: Date;
}

/** @param all false: only deliveries with a note of an earlier reader. */
export async function* reprocess(options: Reprocessing, all: boolean, signal: AbortSignal): AsyncGenerator<Progress, Progress> {
  const { database } = options;
  const progress: Progress = { deliveries: 0, created: 0, changed: 0 };
  // What arrives meanwhile is read by this reader already.
  const [end] = await database.query<{ id: string }>(last, []);
  let after = "0";
  while (!signal.aborted) {
    const rows = await database.query<DeliveryRow>(next, [after, end?.id ?? "0", all, READER]);
    const bottom = rows.at(-1);
    if (bottom === undefined) break;
    await restoreOrKeep(options, rows, progress);
    after = bottom.id;
    yield { ...progress };
  }
  if (progress.deliveries > 0) await tidy(database);
  if (progress.deliveries > 0) options.onConversations();
  return progress;
}

async function restoreOrKeep(options: Reprocessing, rows: DeliveryRow[], progress: Progress): Promise<void> {
  try {
    const counts = await restore(options, rows);
    progress.deliveries += rows.length;
    progress.created += counts.created;
    progress.changed += counts.changed;
  } catch (error) {
    if (!isDataFault(error)) throw error;
    if (rows.length > 1) {
      for (const row of rows) await restoreOrKeep(options, [row], progress);
      return;
    }
    options.log(`delivery ${rows[0]?.id} is kept, but its messages were refused by the database: ${describeError(error)}`);
    progress.deliveries += 1;
  }
}

function restore({ database, appId }: Reprocessing, rows: DeliveryRow[]): Promise<{ created: number; changed: number }> {
  const items: (InboundItem & { delivery_id: string })[] = [];
  const notes: (string | null)[] = [];
  for (const row of rows) {
    const derived = derive(row.body, appId, row.received_at);
    notes.push(derived.note);
    for (const item of derived.items) items.push({ ...item, delivery_id: row.id });
  }
  return repeatable(() =>
    database.transaction(async (client) => {
      await client.query("set local statement_timeout = '120s'");
      const answer = await client.query<{ created: number; changed: number }>({
        name: "restore_items",
        text: `select json_array_length(r -> 'created') as created, json_array_length(r -> 'changed') as changed
          from (select restore_items($1) as r) one`,
        values: [JSON.stringify(items)],
      });
      await client.query({
        name: "reprocessed",
        text: `update delivery d set note = n.note, reader = $3 from unnest($1::bigint[], $2::text[]) as n(id, note)
          where d.id = n.id and (d.note is distinct from n.note or d.reader <> $3)`,
        values: [rows.map((row) => row.id), notes, READER],
      });
      return answer.rows[0] ?? { created: 0, changed: 0 };
    }),
  );
}

/** Conversations whose messages went elsewhere go; the others are as old, and as new, as their messages. */
async function tidy(database: Database): Promise<void> {
  await database.transaction(async (client) => {
    await client.query("set local statement_timeout = 0");
    await client.query("delete from conversation c where not exists (select from message m where m.conversation_id = c.id)");
    await client.query(
      `update conversation c set created_at = a.first, last_message_at = a.last, version = c.version + 1
       from (select conversation_id, min(sent_at) as first, max(sent_at) as last from message group by 1) a
       where c.id = a.conversation_id and (c.created_at <> a.first or c.last_message_at <> a.last)`,
    );
  });
}
