/** Rows of the database in the shapes of Airy's API. */

export interface ChannelRow {
  id: string;
  source: string;
  source_channel_id: string;
  connected: boolean;
  metadata: Record<string, unknown>;
}

export interface MessageRow {
  id: string;
  conversation_id: string;
  channel_id: string;
  source: string;
  sent_at: Date;
  from_contact: boolean;
  sender_id: string;
  delivery_state: "pending" | "delivered" | "failed";
  content: unknown;
  metadata: Record<string, unknown>;
}

/** The columns of {@link MessageRow} from `message m` joined with its `channel ch`. */
export const messageColumns =
  "m.id, m.conversation_id, m.channel_id, ch.source, m.sent_at, m.from_contact, m.sender_id, m.delivery_state, m.content, m.metadata";

/** The page token is a column of its own and never part of an answer; Airy Core shows it in the metadata. */
export function channelShape(row: ChannelRow) {
  return {
    id: row.id,
    source: row.source,
    source_channel_id: row.source_channel_id,
    metadata: { name: `${row.source} ${row.id.slice(-5)}`, ...row.metadata },
    connected: row.connected,
  };
}

/** ISO dates have exactly three fraction digits, as `toISOString` writes them. */
export function messageShape(row: MessageRow) {
  return {
    id: row.id,
    content: row.content,
    sent_at: row.sent_at.toISOString(),
    delivery_state: row.delivery_state,
    from_contact: row.from_contact,
    source: row.source,
    metadata: row.metadata,
    sender: { id: row.sender_id, name: null, avatar_url: null },
  };
}

export function conversationMetadata(conversation: { id: string; source: string; unreadCount: number }) {
  const lastPart = conversation.source.split(".").at(-1) ?? "";
  const display = `${lastPart.charAt(0).toUpperCase()}${lastPart.slice(1)} ${conversation.id.slice(31)}`;
  return { contact: { display_name: display }, unread_count: conversation.unreadCount };
}
