/** What the command channel shows: everything but secrets, unless they are asked for by a call of their own. */
import { commandErrors } from "./errors.ts";
import type { Customer } from "./model.ts";
import { fullName } from "./people.ts";
import type { World } from "./world.ts";

const SHOWN_MESSAGES = 200;

/** All layers. `app`, `page` and `subscriptions` are the configured ones, the rest is everything. */
export function describeState(world: World): unknown {
  const { store, config } = world;
  const app = store.apps.get(config.app.id);
  const page = store.pages.get(config.page.id);
  return {
    app: { id: config.app.id, name: config.app.name },
    page: {
      id: config.page.id,
      name: config.page.name,
      subscribedFields: page?.installed.find(({ appId }) => appId === config.app.id)?.fields ?? null,
    },
    subscriptions: rowsOf(app?.subscriptions ?? []),
    replies: store.replies.length,
    apps: [...store.apps.values()].map(({ id, name, mode, requireProof, subscriptions }) => ({
      id,
      name,
      mode,
      requireProof,
      subscriptions: rowsOf(subscriptions),
    })),
    pages: [...store.pages.values()].map(({ id, name, instagram, installed, profile, personas, primaryAppId }) => ({
      id,
      name,
      instagram,
      installed: installed.map(({ appId, fields, failingSince }) => ({ appId, fields, failingSince })),
      profile,
      personas,
      primaryAppId,
    })),
    whatsapp: [...store.whatsapp.values()].map(({ id, name, phones }) => ({
      id,
      name,
      phones: phones.map(({ id: phone, display }) => ({ id: phone, display })),
    })),
    accounts: [...store.accounts.values()],
    pending: [...store.pending.values()].slice(0, 100).map((pending) => ({ ...pending, body: undefined })),
    pendingCount: store.pending.size,
    alerts: store.alerts,
  };
}

function rowsOf(
  rows: { object: string; callbackUrl: string | null; active: boolean; includeValues: boolean; fields: { name: string }[] }[],
): unknown[] {
  return rows.map(({ object, callbackUrl, active, includeValues, fields }) => ({
    object,
    callbackUrl,
    active,
    includeValues,
    fields: fields.map(({ name }) => name),
  }));
}

export function describePeople(world: World): unknown {
  const { store } = world;
  const customers = [...store.customers.values()].sort((a, b) => lastAt(b) - lastAt(a)).slice(0, 200);
  return {
    now: store.clock.now(),
    pages: [...store.pages.values()].map(({ id, name, profile }) => ({ id, name, picture: `/pictures/${id}.svg`, profile })),
    customers: customers.map((customer) => describeCustomer(world, customer)),
    alerts: store.alerts.slice(-5),
  };
}

/** One conversation as its customer sees it, with the latest messages. Throws CommandError 404. */
export function describeConversation(world: World, id: string): unknown {
  const customer = world.store.customers.get(id);
  if (!customer) throw commandErrors.notFound();
  const page = world.store.pages.get(customer.pageId);
  return {
    now: world.store.clock.now(),
    customer: describeCustomer(world, customer),
    page: { id: customer.pageId, name: page?.name ?? "", picture: `/pictures/${customer.pageId}.svg`, profile: page?.profile ?? {} },
    personas: page?.personas ?? [],
    messages: customer.messages.slice(-SHOWN_MESSAGES),
  };
}

function describeCustomer(world: World, customer: Customer): Record<string, unknown> {
  const { id, pageId, channel, username, wroteAt, seenByCustomer, seenByPage, pageTypingUntil, messages, reach } = customer;
  const last = messages.at(-1);
  return {
    id,
    pageId,
    channel,
    username,
    reach,
    name: fullName(customer),
    picture: `/pictures/${id}.svg`,
    wroteAt,
    seenByCustomer,
    seenByPage,
    typing: pageTypingUntil > world.store.clock.now(),
    unread: messages.filter(({ from, at }) => from === "page" && at > seenByCustomer).length,
    last: last ? { at: last.at, from: last.from, text: snippet(last) } : null,
  };
}

function snippet({ deleted, message, postback }: Customer["messages"][number]): string {
  if (deleted) return "Message taken back";
  const text = message?.["text"] ?? postback?.["title"];
  if (typeof text === "string") return text.slice(0, 120);
  const [first] = Array.isArray(message?.["attachments"]) ? (message["attachments"] as { type?: unknown }[]) : [];
  return first ? `[${String(first.type)}]` : "";
}

function lastAt(customer: Customer): number {
  return customer.messages.at(-1)?.at ?? 0;
}
