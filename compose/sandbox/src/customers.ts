/** What customers do: write, press, react, correct, take back, read. Each changes the conversation and tells the page's apps. */
import type { MessagingItem } from "../../facebook/contract.ts";
import {
  type Parties,
  customItem,
  deliveryItem,
  echoItem,
  editItem,
  messageItem,
  postbackItem,
  reactionItem,
  readItem,
  unsendItem,
} from "../../facebook/events.ts";
import type { Delivery } from "./delivery.ts";
import { CommandError, commandErrors } from "./errors.ts";
import { planEvent, subjectOf } from "./events.ts";
import { type Customer, type Message, newId, newMessageId } from "./model.ts";
import { DEFAULT_CUSTOMER, createCustomer, fullName } from "./people.ts";
import type { World } from "./world.ts";

export interface Act {
  kind: "message" | "postback" | "reaction" | "edit" | "unsend" | "read" | "delivery" | "echo" | "optin" | "referral";
  text?: string | undefined;
  title?: string | undefined;
  payload?: string | undefined;
  /** The message that this is about; the last fitting one where absent. */
  mid?: string | undefined;
  /** null takes the reaction back. */
  emoji?: string | null | undefined;
  quickReply?: string | undefined;
  replyTo?: string | undefined;
  attachments?: { type: string; payload?: Record<string, unknown> | undefined }[] | undefined;
  /** Echo: which app answered. */
  appId?: string | undefined;
  ref?: string | undefined;
  /** Happens also where nobody hears of it, and then tells nobody: the customer just looks. */
  quiet?: boolean | undefined;
  /** Messages to send in one delivery. */
  count?: number | undefined;
}

export interface Outcome {
  kind: string;
  customerId: string;
  customer: string;
  pageId: string;
  mid: string | null;
  /** What the webhook answered; 0 when nothing answered. */
  status: number;
  held: boolean;
  deliveries: Delivery[];
}

/** The app id under which echoes come from a page's own inbox (Meta's Page Inbox). */
const INBOX_APP = "263902037430900";

/** Finds a customer by id or by (a part of) the name; an unknown id or name becomes a new one. */
export function customerFor(world: World, who: string | undefined, pageId?: string): Customer {
  const { store } = world;
  const page = (pageId === undefined ? undefined : store.pages.get(pageId)) ?? store.pages.get(world.config.page.id);
  if (!page || (pageId !== undefined && page.id !== pageId)) throw commandErrors.invalid(`There is no page ${pageId}.`);
  const own = [...store.customers.values()].filter((customer) => customer.pageId === page.id);
  if (who === undefined) {
    const usual = page.id === world.config.page.id ? store.customers.get(DEFAULT_CUSTOMER) : own[0];
    return (
      usual ?? store.addCustomer(createCustomer({ id: page.id === world.config.page.id ? DEFAULT_CUSTOMER : newId(), pageId: page.id }))
    );
  }
  const byId = store.customers.get(who);
  if (byId) return byId;
  if (/^[\w.-]*\d[\w.-]*$/.test(who)) return told(world, store.addCustomer(createCustomer({ id: who, pageId: page.id })));
  const asked = who.trim().toLowerCase();
  const byName = own.find((each) => [fullName(each).toLowerCase(), each.firstName.toLowerCase(), each.username].includes(asked));
  return byName ?? told(world, store.addCustomer(createCustomer({ id: newId(), pageId: page.id, name: who })));
}

function told(world: World, customer: Customer): Customer {
  world.streams.tell({ type: "people" });
  return customer;
}

/** Throws CommandError, 409 where a layer is missing: then nothing was said. */
export async function act(world: World, customer: Customer, what: Act): Promise<Outcome> {
  const { store } = world;
  const count = what.kind === "message" ? (what.count ?? 1) : 1;
  const items: MessagingItem[] = [];
  const mids: string[] = [];
  const applied: (() => void)[] = [];
  const messages: Message[] = [];
  for (let n = 0; n < count; n += 1) {
    const step = prepare(world, customer, what, n);
    items.push(step.item);
    if (step.mid !== null) mids.push(step.mid);
    if (step.message) messages.push(step.message);
    applied.push(step.apply);
  }
  const plan = planEvent(world, { customer, items, mids });
  // Only what somebody hears of was said.
  if (plan.missing && !what.quiet) throw commandErrors.notSubscribed(plan.missing, plan.object, plan.field);
  for (const apply of applied) apply();
  for (const message of messages) store.remember(customer, { ...message, delivery: "under way" });
  world.streams.tell({ type: "conversation", customerId: customer.id });

  const deliveries = plan.missing ? [] : await world.track(plan.deliver());
  const last = deliveries.find(({ status }) => status !== 200) ?? deliveries[0];
  for (const message of customer.messages) if (mids.includes(message.mid)) message.delivery = outcomeOf(last);
  store.changed();
  world.streams.tell({ type: "conversation", customerId: customer.id });
  return {
    kind: what.kind,
    customerId: customer.id,
    customer: fullName(customer),
    pageId: customer.pageId,
    mid: mids.at(-1) ?? what.mid ?? null,
    status: last?.status ?? 0,
    held: deliveries.some(({ held }) => held),
    deliveries,
  };
}

function outcomeOf(delivery: Delivery | undefined): Message["delivery"] {
  if (!delivery) return "none";
  if (delivery.status === 200) return delivery.held ? "held" : "acknowledged";
  return delivery.waiting ? "failed" : "dropped";
}

interface Step {
  item: MessagingItem;
  mid: string | null;
  message: Message | null;
  apply: () => void;
}

/** One event about the customer's conversation, and what it changes there once somebody is to hear of it. */
function prepare(world: World, customer: Customer, what: Act, n: number): Step {
  const { object, accountId } = subjectOf(world, customer);
  const at = world.store.clock.now() + n;
  const parties: Parties = { customerId: customer.id, accountId, at };
  const wrote = () => {
    customer.wroteAt = at;
    customer.seenByCustomer = at;
  };
  const instagram = object === "instagram";
  if (what.kind === "message" || what.kind === "postback" || what.kind === "echo") return say(parties, what, { n, instagram, wrote });
  return happen(parties, customer, what, { instagram, wrote });
}

/** Something new in the conversation. */
function say(parties: Parties, what: Act, { n, instagram, wrote }: { n: number; instagram: boolean; wrote: () => void }): Step {
  const mid = newMessageId();
  const fresh = (from: Message["from"], parts: Partial<Message>): Message => ({
    mid,
    from,
    at: parties.at,
    message: null,
    postback: null,
    appId: null,
    personaId: null,
    edits: 0,
    deleted: false,
    reactions: { customer: null, page: null },
    delivery: "none",
    ...parts,
  });
  if (what.kind === "postback") {
    const title = what.title ?? what.text ?? "Get Started";
    const postback = { mid, title, payload: what.payload ?? title.toUpperCase().replaceAll(/\W+/g, "_") };
    return { item: postbackItem(parties, postback), mid, message: fresh("customer", { postback }), apply: wrote };
  }
  if (what.kind === "echo") {
    const app = instagram ? {} : { app_id: Number(what.appId ?? INBOX_APP) };
    const message = { mid, text: what.text ?? "Thanks, we will look into it.", ...app };
    return { item: echoItem(parties, message), mid, message: fresh("page", { message, appId: what.appId ?? null }), apply: () => {} };
  }
  if (what.text === undefined && what.attachments === undefined) throw commandErrors.invalid("A message has a text or attachments.");
  const text = what.text === undefined ? {} : { text: (what.count ?? 1) > 1 ? `${what.text} (${n + 1})` : what.text };
  const attachments = what.attachments === undefined ? {} : { attachments: what.attachments };
  const quick = what.quickReply === undefined ? {} : { quick_reply: { payload: what.quickReply } };
  const reply = what.replyTo === undefined ? {} : { reply_to: { mid: what.replyTo } };
  const message = { mid, ...text, ...quick, ...reply, ...attachments };
  return { item: messageItem(parties, message), mid, message: fresh("customer", { message }), apply: wrote };
}

/** Something about what was said before, or beside it. */
function happen(parties: Parties, customer: Customer, what: Act, { instagram, wrote }: { instagram: boolean; wrote: () => void }): Step {
  const event = (item: MessagingItem, apply: () => void = () => {}): Step => ({ item, mid: null, message: null, apply });
  switch (what.kind) {
    case "reaction": {
      const target = find(customer, what.mid, (each) => !each.deleted, "message to react to");
      const emoji = what.emoji === undefined ? "❤️" : what.emoji;
      return event(reactionItem(parties, target.mid, emoji), () => {
        target.reactions.customer = emoji;
        wrote();
      });
    }
    case "edit": {
      const own = (each: Message) => each.from === "customer" && each.message !== null && !each.deleted;
      const target = find(customer, what.mid, own, "message to correct");
      const text = what.text ?? `${String(target.message?.text ?? "")} (corrected)`;
      return event(editItem(parties, { mid: target.mid, text, num_edit: target.edits + 1 }), () => {
        target.message = { ...target.message, text };
        target.edits += 1;
      });
    }
    case "unsend": {
      const target = find(customer, what.mid, (each) => each.from === "customer" && !each.deleted, "message to take back");
      return event(unsendItem(parties, target.mid), () => (target.deleted = true));
    }
    case "delivery":
      return event(deliveryItem(parties, [find(customer, what.mid, ({ from }) => from === "page", "message of the page").mid]));
    case "optin":
      return event(customItem(parties, { optin: { ref: what.ref ?? "website", type: "notification_messages" } }), wrote);
    case "referral":
      return event(customItem(parties, { referral: { ref: what.ref ?? "flyer-7", source: "SHORTLINK", type: "OPEN_THREAD" } }));
    default: {
      const last = customer.messages.findLast(({ from }) => from === "page")?.mid ?? null;
      const item = readItem(parties, instagram ? "instagram" : "page", what.mid ?? last);
      return event(item, () => (customer.seenByCustomer = parties.at));
    }
  }
}

/** The named message, or the last one that fits. Throws CommandError 409. */
function find(customer: Customer, mid: string | undefined, fits: (message: Message) => boolean, what: string): Message {
  const found = mid === undefined ? customer.messages.findLast(fits) : customer.messages.findLast((each) => each.mid === mid);
  if (found) return found;
  const which = mid === undefined ? "" : ` ${mid.slice(0, 20)}`;
  throw new CommandError(409, "NOTHING_THERE", `${fullName(customer)}'s conversation has no ${what}${which}.`);
}
