/** From the raw bytes of a delivery to the events Airy keeps. Pure: needs no database, because all ids follow from the content. */
import { z } from "zod";
import { airyId } from "../ids.ts";
import { storable, storableKey } from "../text.ts";

/** One event of a delivery; mirrors the SQL type `inbound_item` (which has no `source`). */
export interface InboundItem {
  kind: "message" | "reaction";
  source: string;
  channel_id: string;
  conversation_id: string;
  id: string;
  /** Meta's `mid`; null for postbacks that carry none. */
  source_message_id: string | null;
  /** The customer's id in the page's scope (PSID). */
  source_conversation_id: string;
  /** ISO time. */
  sent_at: string;
  from_contact: boolean;
  sender_id: string;
  /** JSON text of the whole messaging item. */
  content: string;
  /** The customer unsent the message with this `mid`. */
  deleted: boolean;
  /** null: the reaction was taken back. */
  emoji: string | null;
}

export interface Derived {
  items: InboundItem[];
  /** Why (part of) the delivery could not be understood, null when it could. */
  note: string | null;
}

const sources: Record<string, string> = { page: "facebook", instagram: "instagram" };

const id = z.union([z.string().min(1), z.number()]).transform(String);
const envelope = z.object({ object: z.string(), entry: z.array(z.unknown()) });
const entryShape = z.object({ id, messaging: z.array(z.unknown()).optional(), standby: z.array(z.unknown()).optional() });
const messagingItem = z.object({
  sender: z.object({ id }),
  recipient: z.object({ id }),
  timestamp: z.number().optional(),
  message: z
    .object({ mid: z.string().optional(), is_echo: z.boolean().optional(), app_id: id.nullish(), is_deleted: z.boolean().optional() })
    .optional(),
  postback: z.object({ mid: z.string().optional() }).optional(),
  reaction: z.object({ mid: z.string(), action: z.string(), emoji: z.string().optional(), reaction: z.string().optional() }).optional(),
});

/**
 * Never throws: what is not understood is left out and named in `note`.
 * @param ownAppId echoes of messages that this app sent are left out, because the platform has them already.
 * @param receivedAt stands in for a missing or absurd timestamp.
 */
export function derive(body: Uint8Array, ownAppId: string, receivedAt: Date): Derived {
  try {
    const parsed = envelope.safeParse(JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")));
    if (!parsed.success) return { items: [], note: "unknown shape" };
    const source = sources[parsed.data.object];
    if (source === undefined) return { items: [], note: `unknown object ${storable(parsed.data.object.slice(0, 60))}` };
    const items: InboundItem[] = [];
    let unknown = 0;
    for (const rawEntry of parsed.data.entry) {
      const entry = entryShape.safeParse(rawEntry);
      if (!entry.success) {
        unknown += 1;
        continue;
      }
      const channelId = airyId(source, entry.data.id);
      for (const raw of entry.data.messaging ?? entry.data.standby ?? []) {
        const item = messagingItem.safeParse(raw);
        if (!item.success) unknown += 1;
        else items.push(...deriveItem(source, channelId, raw, item.data, ownAppId, receivedAt));
      }
    }
    return { items, note: unknown === 0 ? null : `${unknown} events of unknown shape` };
  } catch {
    // Not JSON, or nested deeper than the stack allows.
    return { items: [], note: "not JSON" };
  }
}

function deriveItem(
  source: string,
  channelId: string,
  raw: unknown,
  item: z.infer<typeof messagingItem>,
  ownAppId: string,
  receivedAt: Date,
): InboundItem[] {
  const { message, postback, reaction } = item;
  const echo = message?.is_echo === true;
  const customer = storableKey(echo ? item.recipient.id : item.sender.id);
  const content = JSON.stringify(raw);
  const common = {
    source,
    channel_id: channelId,
    conversation_id: airyId(channelId, customer),
    id: airyId(channelId, content),
    source_conversation_id: customer,
    sent_at: sentAt(item.timestamp, receivedAt),
    from_contact: !echo,
    sender_id: customer,
    content,
    deleted: false,
    emoji: null,
  };
  if (message) {
    const app = message.app_id ?? null;
    if (echo && app === ownAppId) return [];
    return [
      {
        ...common,
        kind: "message",
        source_message_id: message.mid === undefined ? null : storableKey(message.mid),
        sender_id: echo && app !== null ? storableKey(app) : customer,
        deleted: message.is_deleted === true && message.mid !== undefined,
      },
    ];
  }
  if (postback) {
    return [{ ...common, kind: "message", source_message_id: postback.mid === undefined ? null : storableKey(postback.mid) }];
  }
  if (reaction) {
    const emoji = reaction.action === "react" ? storable((reaction.emoji ?? reaction.reaction ?? "").slice(0, 64)) : null;
    return [{ ...common, kind: "reaction", source_message_id: storableKey(reaction.mid), emoji }];
  }
  // Read and delivery receipts, opt-ins, hand-overs: not kept as messages.
  return [];
}

/** Meta sends epoch milliseconds. */
function sentAt(timestamp: number | undefined, receivedAt: Date): string {
  const lastOfYear9999 = 253_402_300_799_999;
  if (timestamp === undefined || !(timestamp >= 0 && timestamp <= lastOfYear9999)) return receivedAt.toISOString();
  return new Date(timestamp).toISOString();
}
