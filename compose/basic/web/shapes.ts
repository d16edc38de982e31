/** The objects of Airy's API as far as the inbox reads them. Unknown members are ignored, so that a newer platform does no harm. */
import * as z from "zod/mini";

const metadata = z._default(z.nullable(z.record(z.string(), z.unknown())), null);

const channel = z.object({ id: z.string(), source: z.string(), connected: z.boolean(), metadata });

const message = z.object({
  id: z.string(),
  /** The source's own payload, any JSON; `content.ts` reads it. */
  content: z.unknown(),
  sent_at: z.string(),
  delivery_state: z.enum(["pending", "delivered", "failed"]),
  from_contact: z.boolean(),
  metadata,
});

export const conversation = z.object({
  id: z.string(),
  channel,
  metadata,
  last_message: z._default(z.nullable(message), null),
});

const page = z.object({ next_cursor: z._default(z.nullable(z.string()), null) });

export const conversationPage = z.object({ data: z.array(conversation), pagination_data: page });
export const messagePage = z.object({ data: z.array(message), pagination_data: page });
export const sentMessage = message;

/** What arrives on `/events`. Types that are not listed here are left out before this schema is applied. */
export const liveEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message.created"), payload: z.object({ conversation_id: z.string(), message }) }),
  z.object({ type: z.literal("message.updated"), payload: z.object({ conversation_id: z.string(), message }) }),
  z.object({ type: z.literal("metadata.updated"), payload: z.object({ subject: z.string(), identifier: z.string(), metadata }) }),
  z.object({ type: z.literal("channel.updated"), payload: channel }),
]);

export type Channel = z.infer<typeof channel>;
export type Message = z.infer<typeof message>;
export type Conversation = z.infer<typeof conversation>;
export type ConversationPage = z.infer<typeof conversationPage>;
export type MessagePage = z.infer<typeof messagePage>;
export type LiveEvent = z.infer<typeof liveEvent>;
