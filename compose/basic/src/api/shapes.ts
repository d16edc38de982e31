/** The objects of Airy's API as schemas; OpenAPI is made of them. */
import { z } from "zod";
import { storable } from "../text.ts";

export const uuid = z.guid();
const isoDate = z.string().describe("ISO 8601, UTC, three fraction digits");
const free = z.record(z.string(), z.unknown());

/** Text from a caller, fit for the database. */
export const text = (longest: number) => z.string().trim().min(1).max(longest).transform(storable);

export const channelSchema = z.object({
  id: uuid,
  source: z.string(),
  source_channel_id: z.string(),
  metadata: free,
  connected: z.boolean(),
});

export const messageSchema = z.object({
  id: uuid,
  content: z.unknown().describe("what the source sent or gets"),
  sent_at: isoDate,
  delivery_state: z.enum(["pending", "failed", "delivered"]),
  from_contact: z.boolean(),
  source: z.string(),
  metadata: free,
  sender: z.object({ id: z.string(), name: z.string().nullable(), avatar_url: z.string().nullable() }),
});

export const conversationSchema = z.object({
  id: uuid,
  channel: channelSchema,
  created_at: isoDate,
  metadata: z.looseObject({
    contact: z.looseObject({ display_name: z.string(), avatar_url: z.string().optional(), fetch_state: z.string().optional() }),
    unread_count: z.number(),
    tags: z.record(z.string(), z.string()).optional(),
    state: z.string().optional(),
    user_data: free.optional(),
  }),
  last_message: messageSchema,
});

export const tagColors = ["tag-blue", "tag-red", "tag-green", "tag-purple"] as const;
export const tagSchema = z.object({ id: uuid, name: z.string(), color: z.enum(tagColors) });
export const templateSchema = z.object({ id: uuid, name: z.string(), source: z.string(), content: z.unknown() });

export const webhookSchema = z.object({
  id: uuid,
  name: z.string().nullable(),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  events: z.array(z.string()),
  status: z.enum(["Subscribed", "Unsubscribed"]),
});

export const listOf = (item: z.ZodType) => z.object({ data: z.array(item) });

export const pageOf = (item: z.ZodType) =>
  z.object({
    data: z.array(item),
    pagination_data: z.object({ previous_cursor: z.string().nullable(), next_cursor: z.string().nullable(), total: z.number() }),
  });

export const pageSize = z.number().int().min(1).max(1000).nullish();
export const problemSchema = z.object({ message: z.string() });
