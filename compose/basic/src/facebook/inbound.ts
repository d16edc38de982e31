/** Deliveries into the database: committed with the messages in them, once, then told to subscribers. */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { MessageRow } from "../database/rows.ts";
import { messageColumns } from "../database/rows.ts";
import type { Database } from "../database/connect.ts";
import { describeError, isDataFault } from "../database/errors.ts";
import type { Events } from "../live/events.ts";
import { storable } from "../text.ts";
import type { InboundItem } from "./derive.ts";
import { derive } from "./derive.ts";
import type { Kinds } from "./kinds.ts";
import { createDeliveryWriter, repeatable } from "./writer.ts";

export interface Inbound {
  /**
   * Returns once the delivery is committed. Its shape is never a reason to throw.
   * @param airyDelivery the edge's `Airy-Delivery` header, null without one.
   * @throws the database's error when it cannot commit.
   */
  receive(body: Buffer, airyDelivery: string | null): Promise<void>;
  /** Makes messages of the deliveries that waited for this channel to be connected, or for the outcome of a reply. */
  drainWaiting(channelId: string): Promise<void>;
  /** Drains every connected channel: what a crash between a connect and its drain left behind. */
  resume(): Promise<void>;
}

interface Dependencies {
  database: Database;
  events: Events;
  /** The own app's id: its echoes may be of messages that the platform has already. */
  appId: string;
  kinds: Kinds;
  /** A conversation that was not there before. */
  onNewConversation: () => void;
  /** Messages that were sent before their conversation was known can be sent now. */
  onPending: (messages: { id: string; conversationId: string }[]) => void;
  log: (line: string) => void;
}

const DRAIN_AT_ONCE = 50;

const conversation = z.object({
  id: z.string(),
  unread_count: z.number(),
  version: z.number(),
  display_name: z.string(),
  avatar_url: z.string().nullable(),
  fetch_state: z.string().nullable(),
  state: z.string().nullable(),
  tag_ids: z.array(z.string()),
  user_data: z.record(z.string(), z.unknown()),
});
const storedSchema = z.object({
  created: z.array(z.string()),
  changed: z.array(z.string()),
  conversations: z.array(conversation),
  early: z.array(z.object({ id: z.string(), conversation_id: z.string() })),
});
type Stored = z.infer<typeof storedSchema>;

const selectWaiting = {
  name: "waiting",
  text: `select w.delivery_id as id from waiting_delivery w join channel c on c.id = w.channel_id and c.connected
    where w.channel_id = $1 and w.delivery_id > $3 order by w.delivery_id limit $2`,
};
const selectStuck = {
  name: "stuck_channels",
  text: "select c.id from channel c where c.connected and exists (select from waiting_delivery w where w.channel_id = c.id)",
};
const selectMessages = {
  name: "messages_by_id",
  text: `select ${messageColumns} from message m join channel ch on ch.id = m.channel_id where m.id = any($1)`,
};

export function createInbound(dependencies: Dependencies): Inbound {
  const { database, appId, kinds, log } = dependencies;
  const tell = createTeller(dependencies);
  const writer = createDeliveryWriter(database, (stored, items) => void tell(storedSchema.parse(stored), items));

  async function receive(body: Buffer, airyDelivery: string | null): Promise<void> {
    const header = airyDelivery === null ? null : storable(airyDelivery.slice(0, 200));
    const sha256 = createHash("sha256").update(body).digest();
    const { items, note, kinds: found } = derive(body, appId, new Date());
    try {
      await writer.write({ sha256, body, header, note, items });
    } catch (error) {
      if (!isDataFault(error)) throw error;
      // Refusing would make the sender repeat it for ever; the bytes are kept and can be looked at.
      log(`webhook kept, but its messages were refused by the database: ${describeError(error)}`);
      await writer.write({ sha256, body, header, note: refusedNote(error), items: [] });
    }
    kinds.seen(found);
  }

  /** One transaction; the rows are locked, so that two drains of one channel share the work. */
  async function drain(channelId: string, deliveryIds: string[]): Promise<void> {
    const done = await repeatable(() =>
      database.transaction(async (client) => {
        // Keeps the channel connected until the commit.
        await client.query("select pg_advisory_xact_lock_shared(hashtextextended($1, 0))", [channelId]);
        const { rows } = await client.query<{ id: string; body: Buffer; received_at: Date }>(
          `select d.id, d.body, d.received_at
           from waiting_delivery w join delivery d on d.id = w.delivery_id join channel c on c.id = w.channel_id and c.connected
           where w.channel_id = $1 and w.delivery_id = any($2) order by d.id for update of w`,
          [channelId, deliveryIds],
        );
        const items = rows.flatMap((row) =>
          derive(row.body, appId, row.received_at)
            .items.filter((item) => item.channel_id === channelId)
            .map((item) => ({ ...item, delivery_id: row.id })),
        );
        const ids = rows.map((row) => row.id);
        // First, because what must wait on is put back.
        await client.query("delete from waiting_delivery where channel_id = $1 and delivery_id = any($2)", [channelId, ids]);
        const answer = await client.query<{ stored: unknown }>(
          "select store_items(array_agg(i)) as stored from json_populate_recordset(null::inbound_item, $1) i",
          [JSON.stringify(items)],
        );
        return { result: storedSchema.parse(answer.rows[0]?.stored), items };
      }),
    );
    await tell(done.result, done.items);
  }

  async function drainOrKeep(channelId: string, deliveryIds: string[]): Promise<void> {
    try {
      await drain(channelId, deliveryIds);
    } catch (error) {
      if (!isDataFault(error)) throw error;
      if (deliveryIds.length > 1) {
        for (const id of deliveryIds) await drainOrKeep(channelId, [id]);
        return;
      }
      log(`a waiting webhook is kept, but its messages were refused by the database: ${describeError(error)}`);
      await database.transaction(async (client) => {
        await client.query("update delivery set note = $2 where id = any($1)", [deliveryIds, refusedNote(error)]);
        await client.query("delete from waiting_delivery where channel_id = $1 and delivery_id = any($2)", [channelId, deliveryIds]);
      });
    }
  }

  async function drainWaiting(channelId: string): Promise<void> {
    let last = "0";
    for (;;) {
      const rows = await database.query<{ id: string }>(selectWaiting, [channelId, DRAIN_AT_ONCE, last]);
      const ids = rows.map((row) => row.id);
      const end = ids.at(-1);
      if (end === undefined) return;
      await drainOrKeep(channelId, ids);
      last = end;
    }
  }

  async function resume(): Promise<void> {
    for (const { id } of await database.query<{ id: string }>(selectStuck, [])) await drainWaiting(id);
  }

  return { receive, drainWaiting, resume };
}

/** Tells subscribers after the commit; one that misses an event loads the state again, so a failure here is not the sender's. */
function createTeller({ database, events, onNewConversation, onPending, log }: Dependencies) {
  return async (result: Stored, items: InboundItem[]): Promise<void> => {
    const byId = new Map(items.map((item) => [item.id, item]));
    const changed = new Set(result.changed);
    for (const id of result.created) {
      const item = byId.get(id);
      if (item && !changed.has(id)) events.messageCreated(messageRow(item));
    }
    for (const row of result.conversations) {
      if (row.version === 1) onNewConversation();
      events.conversationMetadata(row);
    }
    if (result.early.length > 0) onPending(result.early.map(({ id, conversation_id }) => ({ id, conversationId: conversation_id })));
    if (result.changed.length === 0) return;
    try {
      for (const row of await database.query<MessageRow>(selectMessages, [result.changed])) {
        events.messageCreated(row);
        events.messageMetadata(row);
      }
    } catch (error) {
      log(`changed messages could not be told to subscribers: ${describeError(error)}`);
    }
  };
}

function refusedNote(error: unknown): string {
  return `refused by the database: ${storable(describeError(error)).slice(0, 500)}`;
}

function messageRow(item: InboundItem): MessageRow {
  return {
    id: item.id,
    conversation_id: item.conversation_id,
    channel_id: item.channel_id,
    source: item.source,
    sent_at: new Date(item.sent_at),
    from_contact: item.from_contact,
    sender_id: item.sender_id,
    delivery_state: "delivered",
    content: JSON.parse(item.content),
    metadata: {},
  };
}
