/** From an event to deliveries: who gets it, in which envelope, several events together where that is set. */
import type { MessagingItem, WebhookBody } from "../../facebook/contract.ts";
import { metaJson } from "../../facebook/contract.ts";
import { fieldOf } from "../../facebook/events.ts";
import type { Delivery } from "./delivery.ts";
import type { MissingLayer } from "./errors.ts";
import type { Customer, Page } from "./model.ts";
import { type Route, type Subject, routesFor } from "./routing.ts";
import type { World } from "./world.ts";

export interface PageEvent {
  customer: Customer;
  items: MessagingItem[];
  mids: string[];
  /** Follows from the first item where absent. */
  field?: string;
}

export type Plan = { missing: MissingLayer; object: string; field: string } | { missing: null; deliver: () => Promise<Delivery[]> };

/** The page or, for Instagram's customers, its account there. */
export function subjectOf(world: World, customer: Customer): Subject & { page: Page | null } {
  const page = world.store.pages.get(customer.pageId) ?? null;
  const instagram = customer.channel === "instagram";
  return {
    object: instagram ? "instagram" : "page",
    accountId: (instagram ? page?.instagram?.id : page?.id) ?? customer.pageId,
    installed: page?.installed ?? [],
    page,
  };
}

/** Looks who is to hear of the event; `deliver` then sends the items in one delivery to each app, and never throws. */
export function planEvent(world: World, { customer, items, mids, field }: PageEvent): Plan {
  const subject = subjectOf(world, customer);
  const asked = field ?? fieldOf(subject.object, items[0] ?? {});
  const { routes, missing } = routesFor(world.store, subject, asked, customer);
  if (missing) return { missing, object: subject.object, field: asked };
  return { missing: null, deliver: () => Promise.all(routes.map((route) => deliver(world, subject, route, asked, items, mids))) };
}

interface Batch {
  items: MessagingItem[];
  mids: string[];
  fields: Set<string>;
  done: Promise<Delivery>;
}

/** Events that wait to travel together (setting batchMs), by app, account and list. */
const batches = new WeakMap<World, Map<string, Batch>>();

const MOST_IN_ONE = 1_000;

function deliver(world: World, subject: Subject, route: Route, field: string, items: MessagingItem[], mids: string[]): Promise<Delivery> {
  const { batchMs } = world.store.settings;
  const told = route.as === "standby" ? items.map(withoutPayload) : items;
  if (batchMs === 0) return post(world, subject, route, { items: told, mids, fields: new Set([field]) });
  const open = batches.get(world) ?? new Map<string, Batch>();
  batches.set(world, open);
  const key = `${route.app.id} ${subject.object} ${subject.accountId} ${route.as}`;
  const known = open.get(key);
  if (known && known.items.length + told.length <= MOST_IN_ONE) {
    known.items.push(...told);
    known.mids.push(...mids);
    known.fields.add(field);
    return known.done;
  }
  const batch: Omit<Batch, "done"> = { items: [...told], mids: [...mids], fields: new Set([field]) };
  const done = new Promise<void>((resolve) => setTimeout(resolve, batchMs)).then(() => {
    if (open.get(key)?.items === batch.items) open.delete(key);
    return post(world, subject, route, batch);
  });
  open.set(key, { ...batch, done });
  return done;
}

function post(world: World, subject: Subject, route: Route, batch: Omit<Batch, "done">): Promise<Delivery> {
  const { shuffle } = world.store.settings;
  const items = shuffle
    ? batch.items
        .map((item) => [Math.random(), item] as const)
        .sort(([a], [b]) => a - b)
        .map(([, item]) => item)
    : batch.items;
  const object = subject.object === "instagram" ? "instagram" : "page";
  const payload: WebhookBody = { object, entry: [{ id: subject.accountId, time: world.store.clock.now(), [route.as]: items }] };
  return world.deliveries.send({
    appId: route.app.id,
    object: subject.object,
    accountId: subject.accountId,
    fields: [...batch.fields],
    mids: batch.mids,
    body: metaJson(payload).toString("latin1"),
  });
}

/** In standby a postback comes without its payload. */
function withoutPayload(item: MessagingItem): MessagingItem {
  if (!item.postback) return item;
  const { payload: _, ...postback } = item.postback;
  return { ...item, postback };
}
