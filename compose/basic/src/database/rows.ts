/** Rows of the database in the shapes of Airy's API. */

export interface ChannelRow {
  id: string;
  source: string;
  source_channel_id: string;
  connected: boolean;
  metadata: Record<string, unknown>;
  /** Why the source refuses the channel's token; null while it does not. */
  broken: string | null;
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

/** What a conversation's metadata is made of. */
export interface ConversationState {
  id: string;
  unread_count: number;
  /** Counts the changes of the row, so that an older state can be told from a newer one. */
  version: number;
  display_name: string;
  avatar_url: string | null;
  fetch_state: string | null;
  state: string | null;
  tag_ids: string[];
  user_data: Record<string, unknown>;
}

/** The columns of {@link MessageRow} from `message m` joined with its `channel ch`. */
export const messageColumns =
  "m.id, m.conversation_id, m.channel_id, ch.source, m.sent_at, m.from_contact, m.sender_id, m.delivery_state, m.content, m.metadata";

/** The columns of {@link ChannelRow} from `channel`. */
export const channelColumns = "id, source, source_channel_id, connected, metadata, broken";

/** The columns of {@link ConversationState} from `conversation c`. */
export const stateColumns =
  "c.id, c.unread_count, c.version::int as version, c.display_name, c.avatar_url, c.fetch_state, c.state, c.tag_ids, c.user_data";

/** The page token is a column of its own and never part of an answer; Airy Core shows it in the metadata. */
export function channelShape(row: ChannelRow) {
  const problem = row.broken === null ? {} : { connection_state: "broken", connection_error: row.broken };
  return {
    id: row.id,
    source: row.source,
    source_channel_id: row.source_channel_id,
    metadata: { name: `${row.source} ${row.id.slice(-5)}`, ...row.metadata, ...problem },
    connected: row.connected,
  };
}

/** ISO dates have exactly three fraction digits, as `toISOString` writes them. */
export function messageShape(row: MessageRow) {
  return {
    id: row.id,
    content: edited(row.content, row.metadata.edited),
    sent_at: row.sent_at.toISOString(),
    delivery_state: row.delivery_state,
    from_contact: row.from_contact,
    source: row.source,
    metadata: row.metadata,
    sender: { id: row.sender_id, name: null, avatar_url: null },
  };
}

/** The stored content stays as it came; an edited text is laid over it. */
function edited(content: unknown, edit: unknown): unknown {
  if (!isRecord(edit) || !isRecord(content) || !isRecord(content.message)) return content;
  return { ...content, message: { ...content.message, text: edit.text } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function conversationMetadata(row: ConversationState) {
  return {
    contact: {
      display_name: row.display_name,
      ...(row.avatar_url === null ? {} : { avatar_url: row.avatar_url }),
      ...(row.fetch_state === null ? {} : { fetch_state: row.fetch_state }),
    },
    unread_count: row.unread_count,
    ...(row.tag_ids.length === 0 ? {} : { tags: Object.fromEntries(row.tag_ids.map((id) => [id, ""])) }),
    ...(row.state === null ? {} : { state: row.state }),
    ...(Object.keys(row.user_data).length === 0 ? {} : { user_data: row.user_data }),
  };
}
