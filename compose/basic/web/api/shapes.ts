/** The objects of Airy's API as far as the inbox reads them. Unknown members are ignored, so that a newer platform does no harm. */
import * as z from "zod/mini";

const metadata = z._default(z.nullable(z.record(z.string(), z.unknown())), null);

const channel = z.object({ id: z.string(), source: z.string(), connected: z.boolean(), metadata });

const message = z.object({
  id: z.string(),
  /** The source's own payload, any JSON; `content/read.ts` reads it. */
  content: z.unknown(),
  sent_at: z.string(),
  delivery_state: z.enum(["pending", "delivered", "failed"]),
  from_contact: z.boolean(),
  metadata,
});

export const conversation = z.object({
  id: z.string(),
  channel,
  created_at: z.optional(z.string()),
  metadata,
  last_message: z._default(z.nullable(message), null),
});

const tag = z.object({ id: z.string(), name: z.string(), color: z.string() });
const template = z.object({ id: z.string(), name: z.string(), source: z.string(), content: z.unknown() });

const page = z.object({ next_cursor: z._default(z.nullable(z.string()), null), total: z._default(z.nullable(z.number()), null) });

export const conversationPage = z.object({ data: z.array(conversation), pagination_data: page });
export const messagePage = z.object({ data: z.array(message), pagination_data: page });
export const sentMessage = message;
export const channelList = z.object({ data: z.array(channel) });
export const createdTag = tag;
export const tagList = z.object({ data: z.array(tag) });
export const createdTemplate = template;
export const templateList = z.object({ data: z.array(template) });

/** `client.config`, of which the page needs the name of the workspace: a member of ours, which Airy Core does not have. */
export const clientConfig = z.object({ workspace: z._default(z.nullable(z.string()), null) });

/** `GET /health`: what waits for a channel that is not connected. */
const waiting = z.object({ source: z.nullable(z.string()), source_channel_id: z.nullable(z.string()), deliveries: z.number() });
export const health = z.object({ waiting: z._default(z.array(waiting), []) });

const words = z._default(z.nullable(z.string()), null);

/** What is known of a contact beyond the name. */
export const contact = z.object({
  id: z.string(),
  title: words,
  gender: words,
  locale: words,
  organization_name: words,
  via: z._default(z.nullable(z.record(z.string(), z.unknown())), null),
});

/** What arrives on `/events`. Types that are not listed here are left out before this schema is applied. */
export const liveEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message.created"), payload: z.object({ conversation_id: z.string(), message }) }),
  z.object({ type: z.literal("message.updated"), payload: z.object({ conversation_id: z.string(), message }) }),
  z.object({ type: z.literal("metadata.updated"), payload: z.object({ subject: z.string(), identifier: z.string(), metadata }) }),
  z.object({ type: z.literal("channel.updated"), payload: channel }),
  z.object({ type: z.literal("tag.updated"), payload: tag }),
]);

export type Metadata = z.infer<typeof metadata>;
export type Channel = z.infer<typeof channel>;
export type Message = z.infer<typeof message>;
export type Conversation = z.infer<typeof conversation>;
export type ConversationPage = z.infer<typeof conversationPage>;
export type MessagePage = z.infer<typeof messagePage>;
export type Waiting = z.infer<typeof waiting>;
export type Tag = z.infer<typeof tag>;
export type Template = z.infer<typeof template>;
export type Contact = z.infer<typeof contact>;
export type LiveEvent = z.infer<typeof liveEvent>;
export const uploaded = z.object({ media_url: z.string() });
