/** What a page can read of its customers and of what was said: profiles, conversations, messages. */
import { graphErrors } from "../errors.ts";
import type { Customer, Message, Page } from "../model.ts";
import { fullName } from "../people.ts";
import { textParam } from "../request.ts";
import { type Call, paged } from "./call.ts";
import { type FieldWish, fieldWishes, pick } from "./fields.ts";

export function describeCustomer({ world, request }: Call, customer: Customer): unknown {
  const picture = `${world.publicUrl}/pictures/${customer.id}.svg`;
  const common = { id: customer.id, name: fullName(customer) };
  if (customer.channel === "instagram") {
    const node = {
      ...common,
      username: customer.username,
      profile_pic: picture,
      follower_count: 42,
      is_user_follow_business: true,
      is_business_follow_user: false,
      is_verified_user: false,
    };
    return pick(node, "IGBusinessScopedID", fieldWishes(request.params), ["name", "username", "profile_pic"]);
  }
  const node = {
    ...common,
    first_name: customer.firstName,
    last_name: customer.lastName,
    profile_pic: picture,
    locale: customer.locale,
    timezone: customer.timezone,
    gender: customer.gender,
    is_payment_enabled: false,
    last_ad_referral: undefined,
  };
  return pick(node, "User", fieldWishes(request.params), ["first_name", "last_name", "profile_pic"]);
}

/** Conversations have ids of their own at Meta; ours tell whose they are. */
function conversationId(customer: Customer): string {
  return `t_${customer.id}`;
}

export function listConversations(call: Call, page: Page): unknown {
  const { world, request } = call;
  const channel = textParam(request.params, "platform") === "instagram" ? "instagram" : "page";
  const userId = textParam(request.params, "user_id");
  const found = [...world.store.customers.values()]
    .filter((each) => each.pageId === page.id && each.channel === channel && each.messages.length > 0)
    .filter(({ id }) => userId === null || id === userId)
    .sort((a, b) => lastAt(b) - lastAt(a));
  const list = paged(found, request.params, ({ id }) => id);
  const wishes = fieldWishes(request.params);
  return { ...list, data: list.data.map((customer) => conversation(page, customer, wishes)) };
}

export function describeConversation({ request }: Call, page: Page, customer: Customer, edge: string | undefined): unknown {
  if (edge === "messages") {
    const list = paged(customer.messages.toReversed(), request.params, ({ mid }) => mid);
    const wishes = fieldWishes(request.params);
    return { ...list, data: list.data.map((message) => describe(page, customer, message, wishes)) };
  }
  if (edge !== undefined) throw graphErrors.unknownPath(`/${edge}`);
  return conversation(page, customer, fieldWishes(request.params));
}

export function describeMessage({ request }: Call, page: Page, customer: Customer, message: Message): unknown {
  return describe(page, customer, message, fieldWishes(request.params));
}

function lastAt(customer: Customer): number {
  return customer.messages.at(-1)?.at ?? 0;
}

function conversation(page: Page, customer: Customer, wishes: FieldWish[] | null): Record<string, unknown> {
  const wish = wishes?.find(({ name }) => name === "messages");
  const messages =
    wish &&
    customer.messages
      .toReversed()
      .slice(0, wish.limit ?? 25)
      .map((each) => describe(page, customer, each, wish.inner));
  const node = {
    id: conversationId(customer),
    link: `/${page.id}/inbox/${customer.id}/`,
    updated_time: iso(lastAt(customer)),
    message_count: customer.messages.length,
    unread_count: customer.messages.filter(({ from, at }) => from === "customer" && at > customer.seenByPage).length,
    participants: { data: [person(customer), { name: page.name, id: page.id }] },
    senders: { data: [person(customer), { name: page.name, id: page.id }] },
    messages: messages && { data: messages },
    snippet: String(customer.messages.at(-1)?.message?.["text"] ?? ""),
    can_reply: true,
    name: undefined,
    wallpaper: undefined,
  };
  return pick(node, "Conversation", wishes, ["link", "updated_time"]);
}

function describe(page: Page, customer: Customer, message: Message, wishes: FieldWish[] | null): Record<string, unknown> {
  const owner = { name: page.name, id: page.id };
  const [from, to] = message.from === "customer" ? [person(customer), owner] : [owner, person(customer)];
  const attachments = Array.isArray(message.message?.["attachments"]) ? message.message["attachments"] : null;
  const node = {
    id: message.mid,
    created_time: iso(message.at),
    from,
    to: { data: [to] },
    message: message.deleted ? "" : String(message.message?.["text"] ?? message.postback?.["title"] ?? ""),
    attachments: attachments && !message.deleted ? { data: attachments } : undefined,
    tags: undefined,
    sticker: undefined,
    shares: undefined,
    reactions: undefined,
    is_unsupported: false,
  };
  return pick(node, "Message", wishes, ["created_time"]);
}

function person(customer: Customer): unknown {
  return customer.channel === "instagram"
    ? { username: customer.username, id: customer.id }
    : { name: fullName(customer), id: customer.id };
}

function iso(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, "+0000");
}
