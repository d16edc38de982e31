/** To whom a page may write, and when. */
import { graphErrors, sendErrors } from "../errors.ts";
import { type Customer, type Page, newId } from "../model.ts";
import { createCustomer } from "../people.ts";
import { type Params, objectParam, textParam } from "../request.ts";
import type { Caller } from "../tokens.ts";
import type { World } from "../world.ts";

const HOUR_MS = 3_600_000;
const WINDOW_MS = 24 * HOUR_MS;
const HUMAN_AGENT_MS = 7 * 24 * HOUR_MS;

const messagingTypes = ["RESPONSE", "UPDATE", "MESSAGE_TAG", "UTILITY"];
const tags = ["CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE", "ACCOUNT_UPDATE", "HUMAN_AGENT", "CUSTOMER_FEEDBACK"];

/** Other ways to name somebody than by page-scoped id; each lets the page write once. */
const otherNames = ["user_ref", "comment_id", "post_id", "phone_number", "notification_messages_token"];

/** Throws GraphError 100, 100/2018001. */
export function recipientOf(world: World, page: Page, params: Params): Customer {
  const recipient = objectParam(params, "recipient");
  if (recipient === null) throw graphErrors.parameterMissing("recipient");
  const id = textParam(recipient, "id");
  const { customers } = world.store;
  if (id !== null) {
    const known = customers.get(id);
    if (known?.pageId !== page.id) throw sendErrors.nobody(known?.channel === "instagram");
    return known;
  }
  const other = otherNames.find((name) => textParam(recipient, name) !== null);
  if (other === undefined) throw graphErrors.parameterMissing("recipient[id]");
  const key = `${other}-${(textParam(recipient, other) ?? "").replaceAll(/[^\w.-]/g, "_").slice(0, 80)}`;
  // The same reference is the same person each time.
  const known = [...customers.values()].find((each) => each.username === key && each.pageId === page.id);
  if (known) return known;
  const made = createCustomer({ id: newId(), pageId: page.id });
  world.streams.tell({ type: "people" });
  return world.store.addCustomer({ ...made, username: key, invited: true });
}

/** The rules about who may be written to now. Throws GraphError 10, 100, 200 or 551. */
export function requireReachable(world: World, caller: Caller, customer: Customer, params: Params): void {
  const { settings, clock } = world.store;
  const instagram = customer.channel === "instagram";
  const type = textParam(params, "messaging_type");
  if (type !== null && !messagingTypes.includes(type)) {
    throw graphErrors.parameterWrong("messaging_type", `must be one of {${messagingTypes.join(", ")}}`);
  }
  const tag = textParam(params, "tag");
  if (tag !== null && !tags.includes(tag)) throw graphErrors.parameterWrong("tag", `must be one of {${tags.join(", ")}}`);
  if (type === "MESSAGE_TAG" && tag === null) throw graphErrors.parameterMissing("tag");
  if (customer.reach === "blocked") throw sendErrors.blocked();
  if (customer.reach === "unavailable") throw sendErrors.unavailable();
  if (caller.app.mode === "development" && !customer.tester) throw sendErrors.noRole(settings.permissionStatus);
  if (customer.ownerAppId !== null && customer.ownerAppId !== caller.app.id) throw sendErrors.otherOwner(instagram);
  if (customer.invited) return;
  if (customer.wroteAt === 0) throw sendErrors.nobody(instagram);
  const silent = clock.now() - customer.wroteAt;
  if (!settings.enforceWindow || silent <= WINDOW_MS) return;
  const allowed = tag === "HUMAN_AGENT" ? silent <= HUMAN_AGENT_MS : tag !== null && !instagram;
  if (!allowed) throw sendErrors.outsideWindow(instagram);
}
