/** Deliveries as somebody wrote them: names in braces filled in, signed, sent; fields are looked at, but stand in nobody's way. */
import { z } from "zod";
import { fieldOf } from "../../facebook/events.ts";
import { fill, readTemplate, wireText } from "../../facebook/fill.ts";
import { customerFor } from "./customers.ts";
import type { Delivery } from "./delivery.ts";
import { commandErrors } from "./errors.ts";
import type { Customer } from "./model.ts";
import { fullName } from "./people.ts";
import type { Params } from "./request.ts";
import { subscriptionOf } from "./routing.ts";
import type { World } from "./world.ts";

const rawCommand = z.strictObject({
  /** JSON texts, sent one after the other. */
  templates: z.array(z.string().min(1).max(900_000)).min(1).max(100),
  from: z.string().min(1).max(100).optional(),
  page: z.string().min(1).max(100).optional(),
});

interface Seen {
  object?: unknown;
  entry?: { messaging?: unknown[] | null; standby?: unknown[] | null; changes?: { field?: unknown }[] | null }[] | null;
}

/** Throws CommandError: 400 for what is no JSON, 409 where no callback is registered for the object. */
export async function raw(world: World, body: Params): Promise<unknown> {
  const parsed = rawCommand.safeParse(body);
  if (!parsed.success) throw commandErrors.invalid(z.prettifyError(parsed.error));
  const { templates, from, page: pageId } = parsed.data;
  const customer =
    from === undefined && templates.every((text) => text.includes("{{INSTAGRAM}}"))
      ? instagramCustomer(world)
      : customerFor(world, from, pageId);
  const page = world.store.pages.get(customer.pageId);
  const mids = new Map<string, string>();
  const deliveries: Delivery[] = [];
  const unsubscribed = new Set<string>();
  for (const text of templates) {
    for (const template of bodiesOf(text)) {
      const filled = fill(
        template,
        {
          pageId: customer.pageId,
          instagramId: page?.instagram?.id ?? "",
          appId: world.config.app.id,
          customerId: customer.id,
          at: world.store.clock.now(),
          lastMid: customer.messages.findLast((each) => each.from === "customer")?.mid ?? null,
          lastPageMid: customer.messages.findLast((each) => each.from === "page")?.mid ?? null,
        },
        mids,
      );
      deliveries.push(...(await send(world, customer, filled, unsubscribed)));
    }
  }
  const last = deliveries.at(-1);
  return {
    kind: "delivery",
    customerId: customer.id,
    customer: fullName(customer),
    pageId: customer.pageId,
    mid: [...mids.values()].at(-1) ?? null,
    status: deliveries.find(({ status }) => status !== 200)?.status ?? last?.status ?? 0,
    held: deliveries.some(({ held }) => held),
    deliveries,
    /** Fields that Facebook would not have told about: nobody subscribed to them. */
    unsubscribed: [...unsubscribed],
  };
}

function bodiesOf(text: string): string[] {
  try {
    return readTemplate(text).bodies;
  } catch (error) {
    throw commandErrors.invalid(error instanceof Error ? error.message : "It is not JSON.");
  }
}

function instagramCustomer(world: World): Customer {
  const found = [...world.store.customers.values()].find(({ channel }) => channel === "instagram");
  return found ?? customerFor(world, undefined);
}

async function send(world: World, customer: Customer, body: string, unsubscribed: Set<string>): Promise<Delivery[]> {
  const wire = wireText(body);
  let seen: Seen;
  try {
    seen = JSON.parse(body) as Seen;
  } catch (error) {
    throw commandErrors.invalid(`With its names filled in it is not JSON: ${error instanceof Error ? error.message : "unknown"}`);
  }
  const object = typeof seen.object === "string" ? seen.object : "page";
  const page = world.store.pages.get(customer.pageId);
  const whatsapp = object === "whatsapp_business_account" ? [...world.store.whatsapp.keys()][0] : undefined;
  const accountId = whatsapp ?? (object === "instagram" ? (page?.instagram?.id ?? customer.pageId) : customer.pageId);
  const fields = fieldsOf(object, seen);
  const apps = [...world.store.apps.values()].filter((app) => subscriptionOf(app, object)?.active === true);
  if (apps.length === 0) throw commandErrors.notSubscribed("app", object, fields[0] ?? "messages");
  for (const field of fields) {
    if (!apps.some((app) => subscriptionOf(app, object)?.fields.some(({ name }) => name === field))) unsubscribed.add(field);
  }
  return world.track(
    Promise.all(apps.map((app) => world.deliveries.send({ appId: app.id, object, accountId, fields, mids: [], body: wire }))),
  );
}

function fieldsOf(object: string, seen: Seen): string[] {
  const fields = new Set<string>();
  for (const entry of Array.isArray(seen.entry) ? seen.entry : []) {
    for (const item of entry?.messaging ?? [])
      if (typeof item === "object" && item !== null) fields.add(fieldOf(object, item as Record<string, unknown>));
    if ((entry?.standby ?? []).length > 0) fields.add("standby");
    for (const change of entry?.changes ?? []) if (typeof change?.field === "string") fields.add(change.field);
  }
  return fields.size === 0 ? ["messages"] : [...fields];
}
