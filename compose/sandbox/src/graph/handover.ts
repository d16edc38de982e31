/** Handover: which app of the page owns a thread. The others then get its events in `standby`. */
import { customItem } from "../../../facebook/events.ts";
import { graphErrors } from "../errors.ts";
import { planEvent, subjectOf } from "../events.ts";
import type { Customer, Page } from "../model.ts";
import { textParam } from "../request.ts";
import { requireScope } from "../tokens.ts";
import type { Call } from "./call.ts";
import { recipientOf } from "./recipient.ts";

/** The page's own inbox, which can own threads as well. */
const INBOX_APP = "263902037430900";

export function passThread(call: Call, page: Page): unknown {
  const customer = owned(call, page);
  const target = textParam(call.request.params, "target_app_id");
  if (target === null) throw graphErrors.parameterMissing("target_app_id");
  if (target !== INBOX_APP && !call.world.store.apps.has(target)) {
    throw graphErrors.parameterWrong("target_app_id", "must be the id of an app that is connected to the page");
  }
  const previous = customer.ownerAppId ?? call.caller.app.id;
  customer.ownerAppId = target;
  return tell(call, customer, "pass_thread_control", { previous_owner_app_id: previous, new_owner_app_id: target });
}

/** For the primary app alone, where there is one. */
export function takeThread(call: Call, page: Page): unknown {
  const customer = recipientFor(call, page);
  const { app } = call.caller;
  if (page.primaryAppId !== null && page.primaryAppId !== app.id) {
    throw graphErrors.permission(call.world.store.settings.permissionStatus, "Only the primary receiver can take thread control");
  }
  const previous = customer.ownerAppId;
  customer.ownerAppId = app.id;
  return tell(call, customer, "take_thread_control", { previous_owner_app_id: previous, new_owner_app_id: app.id });
}

export function requestThread(call: Call, page: Page): unknown {
  const customer = recipientFor(call, page);
  return tell(call, customer, "request_thread_control", { requested_owner_app_id: call.caller.app.id });
}

export function releaseThread(call: Call, page: Page): unknown {
  const customer = owned(call, page);
  const previous = customer.ownerAppId;
  customer.ownerAppId = page.primaryAppId;
  return tell(call, customer, "pass_thread_control", { previous_owner_app_id: previous, new_owner_app_id: page.primaryAppId });
}

/** `/me/thread_owner?recipient=PSID`. */
export function threadOwner(call: Call, page: Page): unknown {
  const id = textParam(call.request.params, "recipient");
  const customer = id === null ? recipientFor(call, page) : call.world.store.customers.get(id);
  if (customer?.pageId !== page.id) throw graphErrors.noSuchObject("GET", id ?? "");
  return { data: customer.ownerAppId === null ? [] : [{ thread_owner: { app_id: customer.ownerAppId } }] };
}

export function secondaryReceivers({ world, caller }: Call, page: Page): unknown {
  const others = page.installed.filter(({ appId }) => appId !== (page.primaryAppId ?? caller.app.id));
  return { data: others.flatMap(({ appId }) => world.store.apps.get(appId) ?? []).map(({ id, name }) => ({ id, name })) };
}

function recipientFor(call: Call, page: Page): Customer {
  requireScope(call.world.store, call.caller, "pages_messaging");
  return recipientOf(call.world, page, call.request.params);
}

function owned(call: Call, page: Page): Customer {
  const customer = recipientFor(call, page);
  if (customer.ownerAppId === null || customer.ownerAppId === call.caller.app.id) return customer;
  throw graphErrors.permission(call.world.store.settings.permissionStatus, "The app does not control this thread");
}

function tell({ world, request }: Call, customer: Customer, event: string, members: Record<string, unknown>): unknown {
  const metadata = textParam(request.params, "metadata");
  const { accountId, object } = subjectOf(world, customer);
  const parties = { customerId: customer.id, accountId, at: world.store.clock.now() };
  const item = customItem(parties, { [event]: { ...members, ...(metadata === null ? {} : { metadata: metadata.slice(0, 1_000) }) } });
  const field = object === "instagram" ? "messaging_handover" : "messaging_handovers";
  const plan = planEvent(world, { customer, items: [item], mids: [], field });
  if (plan.missing === null) void world.track(plan.deliver());
  world.store.changed();
  world.streams.tell({ type: "conversation", customerId: customer.id });
  return { success: true };
}
