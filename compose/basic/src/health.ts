/** `GET /health`: healthy means that Postgres answers. */
import type { Database } from "./database/connect.ts";
import { describeError } from "./database/errors.ts";
import type { WebhookCounters } from "./facebook/webhook.ts";
import { json } from "./http/reply.ts";
import type { Handler } from "./http/server.ts";

const WITHIN_MS = 2_000;
const ping = { name: "ping", text: "select 1 as one" };

/** Counters are since the start of the process. */
export function createHealth(database: Database, counters: WebhookCounters): Handler {
  return async () => {
    let late: NodeJS.Timeout | undefined;
    const timeout = new Promise<string>((resolve) => {
      late = setTimeout(() => resolve(`Postgres did not answer within ${WITHIN_MS} ms`), WITHIN_MS);
    });
    const reason = await Promise.race([database.query(ping, []).then(() => null, describeError), timeout]);
    clearTimeout(late);
    if (reason === null) return json(200, { status: "ok", ...counters });
    return json(503, { status: "unavailable", reason, ...counters });
  };
}
