/** `webhooks.*`: who is told of events over HTTP. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { Vault } from "../database/vault.ts";
import { empty, json } from "../http/reply.ts";
import { storable } from "../text.ts";
import type { Endpoint } from "./endpoint.ts";
import { listOf, text, uuid, webhookSchema } from "./shapes.ts";

const url = z
  .url({ protocol: /^https?$/ })
  .max(2_000)
  .transform(storable);
const headers = z.record(
  z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,200}$/, "must be a header name"),
  z.string().regex(/^[\x20-\x7e\t]{0,4000}$/, "must be a header value"),
);
const events = z.array(text(100)).max(50);
const signatureKey = z.string().max(1_000).transform(storable);

const details = {
  name: text(200).nullish(),
  headers: headers.nullish(),
  events: events.nullish(),
  signature_key: signatureKey.nullish(),
  /** As Airy's own client spells it. */
  signatureKey: signatureKey.nullish(),
};
const subscribeBody = z.object({ ...details, url, id: uuid.nullish() });
const updateBody = z.object({ ...details, id: uuid, url: url.nullish(), status: z.enum(["Subscribed", "Unsubscribed"]).nullish() });
const oneBody = z.object({ id: uuid });

type WebhookRow = z.output<typeof webhookSchema>;

const columns = "id, name, url, headers, events, status";
const upsert = {
  name: "subscribe_webhook",
  text: `insert into webhook (id, url, name, headers, events, signature_key) values ($1, $2, $3, $4, $5, $6)
    on conflict (id) do update set url = excluded.url, name = excluded.name, headers = excluded.headers, events = excluded.events,
      signature_key = excluded.signature_key, status = 'Subscribed', problem = null
    returning ${columns}`,
};
const update = {
  name: "update_webhook",
  text: `update webhook set url = coalesce($2, url), name = coalesce($3, name), headers = $4, events = $5,
      signature_key = coalesce($6, signature_key), status = coalesce($7, status), problem = null
    where id = $1 returning ${columns}`,
};
const unsubscribe = { name: "unsubscribe_webhook", text: `update webhook set status = 'Unsubscribed' where id = $1 returning ${columns}` };
const one = { name: "webhook", text: `select ${columns} from webhook where id = $1` };
const list = { name: "webhooks", text: `select ${columns} from webhook order by created_at, id` };

export function webhookRoutes(endpoint: Endpoint, database: Database, vault: Vault): void {
  const found = (rows: WebhookRow[]) => (rows[0] ? json(200, rows[0]) : empty(404));
  const answers = { 200: webhookSchema, 404: null };
  const sealed = (body: { signature_key?: string | null | undefined; signatureKey?: string | null | undefined }) => {
    const key = body.signature_key ?? body.signatureKey ?? null;
    return key === null ? null : vault.seal(key);
  };

  endpoint("/webhooks.subscribe", { body: subscribeBody, answers: { 200: webhookSchema } }, async (body) => {
    const more = [JSON.stringify(body.headers ?? {}), body.events ?? [], sealed(body)];
    return found(await database.query<WebhookRow>(upsert, [body.id ?? randomUUID(), body.url, body.name ?? null, ...more]));
  });
  // Headers and events that are left out become empty, as in Airy Core.
  endpoint("/webhooks.update", { body: updateBody, answers }, async (body) => {
    const more = [JSON.stringify(body.headers ?? {}), body.events ?? [], sealed(body), body.status ?? null];
    return found(await database.query<WebhookRow>(update, [body.id, body.url ?? null, body.name ?? null, ...more]));
  });
  endpoint("/webhooks.unsubscribe", { body: oneBody, answers }, async ({ id }) =>
    found(await database.query<WebhookRow>(unsubscribe, [id])),
  );
  endpoint("/webhooks.info", { body: oneBody, answers }, async ({ id }) => found(await database.query<WebhookRow>(one, [id])));
  endpoint("/webhooks.list", { body: z.unknown(), answers: { 200: listOf(webhookSchema) } }, async () =>
    json(200, { data: await database.query<WebhookRow>(list, []) }),
  );
}
