/** Which apps hear of an event, and which layer is missing where none does. */
import type { MissingLayer } from "./errors.ts";
import type { App, Customer, Installation, Subscription } from "./model.ts";
import type { Store } from "./store.ts";

/** What an event is about: `page`, `instagram` or `whatsapp_business_account`, and which one. */
export interface Subject {
  object: string;
  accountId: string;
  /** The installations of the account itself. */
  installed: Installation[];
}

export interface Route {
  app: App;
  installation: Installation | null;
  /** Events go to `messaging`, or to `standby` where another app owns the thread. */
  as: "messaging" | "standby";
}

export interface Routes {
  routes: Route[];
  /** Why nobody gets it; null where somebody does. */
  missing: MissingLayer | null;
}

/** @param customer null for events that are about no conversation. */
export function routesFor(store: Store, subject: Subject, field: string, customer: Customer | null): Routes {
  const routes: Route[] = [];
  let missing: MissingLayer | null = null;
  for (const app of store.apps.values()) {
    const owner = customer?.ownerAppId ?? null;
    const as = owner !== null && owner !== app.id && field !== "messaging_handovers" ? "standby" : "messaging";
    const layer = missingLayer(store, app, subject, as === "standby" ? "standby" : field, customer);
    if (layer === null) routes.push({ app, installation: installationIn(subject, app), as });
    else missing ??= layer;
  }
  return { routes, missing: routes.length === 0 ? (missing ?? "app") : null };
}

export function subscriptionOf(app: App, object: string): Subscription | null {
  return app.subscriptions.find((row) => row.object === object) ?? null;
}

function installationIn(subject: Subject, app: App): Installation | null {
  return subject.installed.find(({ appId }) => appId === app.id) ?? null;
}

/** The fields of a page decide for the page alone: an Instagram account that is subscribed to any gets all that the app has. */
function missingLayer(store: Store, app: App, subject: Subject, field: string, customer: Customer | null): MissingLayer | null {
  const row = subscriptionOf(app, subject.object);
  if (!row) return "app";
  if (!row.active) return "app-inactive";
  if (!row.fields.some(({ name }) => name === field)) return "app-field";
  const installation = installationIn(subject, app);
  if (!installation) return "page";
  if (subject.object === "page" && !installation.fields.includes(field)) return "page-field";
  if (app.mode === "development" && subject.object === "instagram") return "unpublished";
  if (app.mode === "development" && customer && !customer.tester) return "role";
  if (store.clock.now() < row.since + store.settings.propagationMs) return "propagation";
  return null;
}
