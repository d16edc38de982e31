/** What can be set and read of a page, apart from its messages: its apps, its Messenger profile, personas, labels. */
import { graphErrors } from "../errors.ts";
import { requireKnownFields } from "../fields.ts";
import { type Customer, type Installation, type Page, installationOf, newId } from "../model.ts";
import { arrayParam, listParam, objectParam, textParam } from "../request.ts";
import { requireScope } from "../tokens.ts";
import { type Call, paged } from "./call.ts";
import { describeApp } from "./app.ts";
import type { Caller } from "../tokens.ts";

/** Fields that need the right to see messages. */
const MESSAGING = /^(messages|messaging_|message_|standby)/;

/** GET, POST and DELETE of the page's subscription to the caller's app. */
export function answerSubscribedApps(call: Call, page: Page): unknown {
  const { world, request, caller } = call;
  const { app } = caller;
  if (request.method === "DELETE") {
    page.installed = page.installed.filter(({ appId }) => appId !== app.id);
    world.config.log(`page ${page.id} unsubscribed from app ${app.id}`);
    world.streams.tell({ type: "setup" });
    return { success: true };
  }
  if (request.method === "GET") {
    return { data: page.installed.flatMap((each) => installedApp(call, each)) };
  }
  requireScope(world.store, caller, "pages_manage_metadata", "To subscribe, one of these permissions is needed: pages_manage_metadata");
  const fields = listParam(request.params, "subscribed_fields");
  // Facebook answers an empty list with its unknown error (jgorset/facebook-messenger#244).
  if (fields === null && request.params["subscribed_fields"] !== undefined) throw graphErrors.unknown();
  if (fields === null) throw graphErrors.parameterMissing("subscribed_fields");
  requireKnownFields("subscribed_fields", "page", fields);
  const private_ = fields.find((field) => MESSAGING.test(field));
  if (private_) {
    const needed = `To subscribe to the ${private_} field, one of these permissions is needed: pages_messaging`;
    requireScope(world.store, caller, "pages_messaging", needed);
  }
  const known = page.installed.find(({ appId }) => appId === app.id);
  const all = new Set(world.store.settings.pageFieldsReplace ? fields : [...(known?.fields ?? []), ...fields]);
  if (known) Object.assign(known, { fields: [...all], failingSince: null, alerted: false });
  else page.installed.push(installationOf(app.id, [...all]));
  world.config.log(`page ${page.id} subscribed to app ${app.id}: ${[...all].join(", ")}`);
  world.streams.tell({ type: "setup" });
  return { success: true };
}

function installedApp({ world }: Call, { appId, fields }: Installation): unknown[] {
  const app = world.store.apps.get(appId);
  return app ? [{ ...(describeApp(app, { params: {} }) as object), subscribed_fields: fields }] : [];
}

const PROFILE = [
  "get_started",
  "greeting",
  "ice_breakers",
  "persistent_menu",
  "whitelisted_domains",
  "account_linking_url",
  "commands",
  "home_url",
  "payment_settings",
  "target_audience",
  "subject_to_new_eu_privacy_rules",
  "title",
];

/** `/me/messenger_profile`. */
export function answerProfile({ world, request, caller }: Call, page: Page): unknown {
  requireScope(world.store, caller, "pages_messaging");
  const { params, method } = request;
  if (method === "GET") {
    const fields = listParam(params, "fields");
    if (fields === null) throw graphErrors.parameterMissing("fields");
    const wanted = fields.filter((name) => page.profile[name] !== undefined);
    return { data: wanted.length === 0 ? [] : [Object.fromEntries(wanted.map((name) => [name, page.profile[name]]))] };
  }
  if (method === "DELETE") {
    const fields = listParam(params, "fields");
    if (fields === null) throw graphErrors.parameterMissing("fields");
    for (const name of fields) delete page.profile[name];
    return { result: "success" };
  }
  const given = PROFILE.filter((name) => params[name] !== undefined);
  if (given.length === 0) throw graphErrors.parameterWrong("messenger_profile", "must have at least one property");
  for (const name of given) {
    const value = objectParam(params, name) ?? arrayParam(params, name) ?? textParam(params, name);
    if (JSON.stringify(value).length > 65_536) throw graphErrors.parameterWrong(name, "is too long");
    // A menu without the button that begins a conversation is refused (Messenger profile, persistent menu).
    if (name === "persistent_menu" && page.profile["get_started"] === undefined && params["get_started"] === undefined) {
      throw graphErrors.parameterWrong("persistent_menu", "You must set a Get Started button if you also wish to use persistent menu");
    }
    page.profile[name] = value;
  }
  world.streams.tell({ type: "setup" });
  return { result: "success" };
}

const MOST_PERSONAS = 200;

export function answerPersonas({ request }: Call, page: Page): unknown {
  const node = ({ id, name, picture }: Page["personas"][number]) => ({ name, profile_picture_url: picture, id });
  if (request.method === "GET") return paged(page.personas.map(node), request.params, ({ id }) => id);
  const name = textParam(request.params, "name");
  const picture = textParam(request.params, "profile_picture_url");
  if (name === null) throw graphErrors.parameterMissing("name");
  if (picture === null) throw graphErrors.parameterMissing("profile_picture_url");
  if (page.personas.length >= MOST_PERSONAS) throw graphErrors.parameterWrong("name", "cannot be added: there are too many personas");
  const persona = { id: newId(15), name: name.slice(0, 200), picture };
  page.personas.push(persona);
  return { id: persona.id };
}

export function answerPersona({ request }: Call, page: Page, id: string): unknown {
  const persona = page.personas.find((each) => each.id === id);
  if (!persona) throw graphErrors.noSuchObject(request.method, id);
  if (request.method === "GET") return { name: persona.name, profile_picture_url: persona.picture, id };
  if (request.method !== "DELETE") throw graphErrors.noSuchObject(request.method, id);
  page.personas = page.personas.filter((each) => each !== persona);
  return { success: true };
}

/** `/me/custom_labels`, and `/{label}/label` to put one on a customer. */
export function answerLabels({ request }: Call, page: Page): unknown {
  if (request.method === "GET")
    return paged(
      page.labels.map(({ id, name }) => ({ page_label_name: name, name, id })),
      request.params,
      ({ id }) => id,
    );
  const name = textParam(request.params, "page_label_name") ?? textParam(request.params, "name");
  if (name === null) throw graphErrors.parameterMissing("page_label_name");
  if (page.labels.length >= 500) throw graphErrors.parameterWrong("page_label_name", "cannot be added: there are too many labels");
  const label = { id: newId(16), name: name.slice(0, 200), customers: [] };
  page.labels.push(label);
  return { id: label.id };
}

export function answerLabel({ request }: Call, page: Page, id: string, edge: string | undefined): unknown {
  const label = page.labels.find((each) => each.id === id);
  if (!label) throw graphErrors.noSuchObject(request.method, id);
  if (edge === "label") {
    const user = textParam(request.params, "user");
    if (user === null) throw graphErrors.parameterMissing("user");
    label.customers = label.customers.filter((each) => each !== user);
    if (request.method === "POST") label.customers = [...label.customers, user].slice(-1_000);
    return { success: true };
  }
  if (request.method !== "DELETE") return { name: label.name, page_label_name: label.name, id };
  page.labels = page.labels.filter((each) => each !== label);
  return { success: true };
}

/** `/{customer}/custom_labels` */
export function labelsOf({ request }: Call, page: Page, { id: customer }: Customer): unknown {
  const own = page.labels.filter(({ customers }) => customers.includes(customer));
  return paged(
    own.map(({ id, name }) => ({ page_label_name: name, name, id })),
    request.params,
    ({ id }) => id,
  );
}

/** Throws GraphError 190/2069032 for every other token than this page's. */
export function requirePageToken(caller: Caller, page: Page, method: string): void {
  if (caller.type !== "page") throw graphErrors.pageTokenNeeded();
  if (caller.page !== page) throw graphErrors.noSuchObject(method, page.id);
}
