/** The task `webhook`: one event to one subscriber. Queued by the database with the change itself; repeated until a 2xx or the last try. */
import { createHmac } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { z } from "zod";
import { readConversations } from "../api/conversation-rows.ts";
import type { Database } from "../database/connect.ts";
import type { ChannelRow, MessageRow } from "../database/rows.ts";
import { channelShape, messageShape } from "../database/rows.ts";
import type { Vault } from "../database/vault.ts";
import type { Task } from "../jobs.ts";

/** As in Airy Core: 2 s to connect, 8 s for the answer. */
const WITHIN_MS = 10_000;

const payload = z.object({
  webhook: z.string(),
  type: z.enum(["message.created", "message.updated", "conversation.updated", "channel.updated"]),
  at: z.string(),
  row: z.looseObject({ id: z.string() }),
});

const select = {
  name: "webhook_to_call",
  text: "select url, headers, signature_key from webhook where id = $1 and status = 'Subscribed'",
};
const setProblem = {
  name: "webhook_problem",
  text: "update webhook set problem = $2 where id = $1 and problem is distinct from $2 returning url",
};
const sourceOf = { name: "source_of_channel", text: "select source from channel where id = $1" };

interface Subscriber {
  url: string;
  headers: Record<string, string>;
  signature_key: string | null;
}

export function createWebhookTask(database: Database, vault: Vault, log: (line: string) => void): Task {
  return async (given, { lastTry, signal }) => {
    const { webhook, type, at, row } = payload.parse(given);
    const [subscriber] = await database.query<Subscriber>(select, [webhook]);
    // Unsubscribed meanwhile.
    if (!subscriber) return;
    const event = await payloadOf(database, type, row);
    if (event === null) return;
    const key = subscriber.signature_key === null ? null : vault.open(subscriber.signature_key);
    if (key === null && subscriber.signature_key !== null) {
      log(`webhook to ${originOf(subscriber.url)} is not sent: its signature key cannot be read with this workspace's key`);
      return;
    }
    const body = Buffer.from(JSON.stringify({ type, timestamp: Date.parse(at), payload: event }));
    const problem = await post(subscriber, key, body, signal);
    const [told] = await database.query<{ url: string }>(setProblem, [webhook, problem]);
    if (told) log(problem === null ? `webhook to ${originOf(told.url)} works` : `webhook to ${originOf(told.url)} fails: ${problem}`);
    if (problem === null) return;
    if (lastTry) log(`webhook event ${type} to ${originOf(subscriber.url)} is given up after its last try: ${problem}`);
    throw new Error(problem);
  };
}

/** null: what the event was about is gone. */
async function payloadOf(database: Database, type: string, row: Record<string, unknown> & { id: string }): Promise<unknown> {
  if (type === "channel.updated") return channelShape(row as unknown as ChannelRow);
  if (type === "conversation.updated") {
    const [conversation] = await readConversations(database, [row.id]);
    if (!conversation) return null;
    const { channel, ...rest } = conversation;
    return withoutNulls({ ...rest, channel_id: channel.id });
  }
  const message = row as unknown as Omit<MessageRow, "sent_at"> & { sent_at: string };
  const [channel] = await database.query<{ source: string }>(sourceOf, [message.channel_id]);
  const shaped = messageShape({ ...message, source: channel?.source ?? "", sent_at: new Date(message.sent_at) });
  return { conversation_id: message.conversation_id, channel_id: message.channel_id, message: shaped };
}

function withoutNulls(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));
}

/** Resolves with what went wrong, null when the subscriber took it. Redirects are not followed. */
function post({ url, headers }: Subscriber, key: string | null, body: Buffer, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const client = url.startsWith("https:") ? https : http;
    const signature = key === null ? {} : { "x-airy-content-signature": createHmac("sha256", key).update(body).digest("hex") };
    const request = client.request(
      url,
      {
        method: "POST",
        signal,
        agent: false,
        headers: { ...headers, "user-agent": "Airy/1.0", "content-type": "application/json", "content-length": body.length, ...signature },
      },
      (response) => {
        const status = response.statusCode ?? 0;
        clearTimeout(late);
        // What it says is of no interest, and may be endless.
        response.destroy();
        resolve(status >= 200 && status < 300 ? null : `answered ${status}`);
      },
    );
    const late = setTimeout(() => request.destroy(new Error(`no answer within ${WITHIN_MS / 1000} s`)), WITHIN_MS);
    request.on("error", (error) => {
      clearTimeout(late);
      resolve(error.message);
    });
    request.end(body);
  });
}

/** Paths and queries may carry secrets. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "an unusable address";
}
