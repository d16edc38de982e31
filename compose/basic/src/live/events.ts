/** What subscribers of the WebSocket are told. A change of a message comes as `message.created` again, as from Airy Core. */
import type { ChannelRow, ConversationState, MessageRow } from "../database/rows.ts";
import { channelShape, conversationMetadata, messageShape } from "../database/rows.ts";

export interface Events {
  messageCreated(message: MessageRow): void;
  messageMetadata(message: Pick<MessageRow, "id" | "metadata">): void;
  /** A state older than one already told is dropped. */
  conversationMetadata(conversation: ConversationState): void;
  channelUpdated(channel: ChannelRow): void;
  channelMetadata(channel: ChannelRow): void;
  tagUpdated(tag: { id: string; name: string; color: string }): void;
}

/** Two commits to one conversation may be told in the wrong order; that far back we still notice. */
const REMEMBERED = 10_000;

/** @param send puts one event, as JSON text, before every subscriber. */
export function createEvents(send: (json: string) => void): Events {
  const told = new Map<string, number>();
  const event = (type: string, timestamp: number | null, payload: unknown) => send(JSON.stringify({ type, timestamp, payload }));
  const metadata = (subject: string, identifier: string, value: unknown) =>
    event("metadata.updated", Date.now(), { subject, identifier, metadata: value });

  return {
    messageCreated(message) {
      const payload = {
        conversation_id: message.conversation_id,
        channel_id: message.channel_id,
        message: { ...messageShape(message), metadata: null },
      };
      event("message.created", message.sent_at.getTime(), payload);
    },
    messageMetadata: (message) => metadata("message", message.id, message.metadata),
    conversationMetadata(conversation) {
      const { id, version } = conversation;
      if ((told.get(id) ?? 0) >= version) return;
      told.delete(id);
      told.set(id, version);
      const oldest = told.size > REMEMBERED ? told.keys().next().value : undefined;
      if (oldest !== undefined) told.delete(oldest);
      metadata("conversation", id, conversationMetadata(conversation));
    },
    channelUpdated: (channel) => event("channel.updated", null, { ...channelShape(channel), metadata: null }),
    channelMetadata: (channel) => metadata("channel", channel.id, channelShape(channel).metadata),
    tagUpdated: (tag) => event("tag.updated", Date.now(), tag),
  };
}
