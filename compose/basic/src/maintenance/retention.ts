/** Raw deliveries are kept for some time, so that they can be read again; then they go, a few thousand at a time. */
import type { Database } from "../database/connect.ts";
import { describeError } from "../database/errors.ts";

/** Where the configuration says nothing. */
export const RETENTION_DAYS = 90;
const FIRST_MS = 60_000;
const EVERY_MS = 3_600_000;
const AT_ONCE = 2_000;

const forget = {
  name: "forget_deliveries",
  text: `with old as (select id from delivery where id <= (
      select coalesce(max(id), 0) from (select id from delivery where received_at < now() - $1 * interval '1 day' order by id limit ${AT_ONCE}) o
    ) and received_at < now() - $1 * interval '1 day' order by id limit ${AT_ONCE}),
    waiting as (select count(distinct w.delivery_id)::int as n from waiting_delivery w join old on old.id = w.delivery_id),
    gone as (delete from delivery d using old where d.id = old.id returning d.id)
    select (select count(*)::int from gone) as gone, (select n from waiting) as waiting`,
};
/** Changes whose message never came. */
const forgetChanges = {
  name: "forget_changes",
  text: `delete from message_change c where c.stored_at < now() - $1 * interval '1 day'
    and not exists (select from message m where m.channel_id = c.channel_id and m.source_message_id = c.source_message_id)`,
};

/** Deletes what is older than `days`; returns how many deliveries went. */
export async function forgetOld(database: Database, days: number, log: (line: string) => void): Promise<number> {
  let total = 0;
  let unread = 0;
  for (;;) {
    const [counts] = await database.query<{ gone: number; waiting: number }>(forget, [days]);
    total += counts?.gone ?? 0;
    unread += counts?.waiting ?? 0;
    if ((counts?.gone ?? 0) < AT_ONCE) break;
  }
  await database.query(forgetChanges, [days]);
  if (total > 0) log(`${total} raw deliveries older than ${days} days were deleted; their messages stay`);
  if (unread > 0) log(`${unread} of them had waited for a page that was never connected: their messages are gone`);
  return total;
}

export function startRetention(database: Database, days: number, log: (line: string) => void): { close(): void } {
  const run = () =>
    void forgetOld(database, days, log).catch((error: unknown) => log(`old deliveries could not be deleted: ${describeError(error)}`));
  const first = setTimeout(run, FIRST_MS);
  const later = setInterval(run, EVERY_MS);
  return {
    close() {
      clearTimeout(first);
      clearInterval(later);
    },
  };
}
