/** Changes behind Facebook's back: apps, pages, customers, tokens and rows of subscriptions, to play what a registrar can meet. */
import { z } from "zod";
import { commandErrors } from "./errors.ts";
import { newId, newTokenText } from "./model.ts";
import { createCustomer } from "./people.ts";
import type { Command } from "./request.ts";
import { allScopes } from "./scopes.ts";
import { createPage } from "./store.ts";
import type { World } from "./world.ts";

const id = z.string().regex(/^[\w.-]{1,64}$/);
const name = z.string().min(1).max(100);

const schemas = {
  app: z.strictObject({
    id: id.optional(),
    name,
    secret: z.string().min(1).max(200).optional(),
    mode: z.enum(["live", "development"]).optional(),
    requireProof: z.boolean().optional(),
    instagramAppId: id.nullable().optional(),
  }),
  page: z.strictObject({ id: id.optional(), name: name.optional(), primaryAppId: id.nullable().optional(), owner: id.optional() }),
  customer: z.strictObject({
    id: id.optional(),
    name: name.optional(),
    pageId: id.optional(),
    channel: z.enum(["page", "instagram"]).optional(),
    reach: z.enum(["reachable", "blocked", "unavailable"]).optional(),
    tester: z.boolean().optional(),
    ownerAppId: id.nullable().optional(),
  }),
  token: z.strictObject({
    type: z.enum(["user", "page"]),
    appId: id.optional(),
    pageId: id.optional(),
    scopes: z.array(z.string().max(100)).max(50).optional(),
    expiresInSeconds: z.number().min(0).max(1e9).optional(),
  }),
  breakToken: z.strictObject({ token: z.string().min(1), why: z.enum(["password", "removed", "invalid", "session"]).nullable() }),
  row: z.strictObject({
    appId: id.optional(),
    object: z.string().min(1).max(100),
    callbackUrl: z.string().max(4_000).nullable(),
    active: z.boolean().optional(),
    fields: z.array(z.string().max(100)).max(200).optional(),
  }),
};

/** The JSON value to answer with. Throws CommandError. */
export function changeSetup(world: World, { method, path, body }: Command): unknown {
  const changed = change(world, `${method} ${path}`, body);
  if (changed === null) throw commandErrors.notFound();
  world.store.changed();
  world.streams.tell({ type: "setup" });
  return changed;
}

function change(world: World, command: string, body: unknown): unknown {
  const { store, config } = world;
  switch (command) {
    case "POST /sandbox/apps": {
      const given = read(schemas.app, body);
      const appId = given.id ?? newId(15);
      const known = store.apps.get(appId);
      if (!known && store.apps.size >= 20) throw commandErrors.invalid("There are 20 apps already.");
      const secret = given.secret ?? known?.secret ?? newId(32);
      const app = {
        requireProof: false,
        mode: "live" as const,
        subscriptions: [],
        instagramAppId: null,
        ...known,
        ...given,
        id: appId,
        secret,
      };
      store.apps.set(appId, app);
      return { id: appId, secret, name: app.name };
    }
    case "POST /sandbox/pages": {
      const given = read(schemas.page, body);
      const pageId = given.id ?? newId(15);
      if (!store.pages.has(pageId) && store.pages.size >= 100) throw commandErrors.invalid("There are 100 pages already.");
      const page = store.pages.get(pageId) ?? createPage(pageId, given.name ?? "Another Page");
      store.pages.set(pageId, page);
      if (given.name !== undefined) page.name = given.name;
      if (given.primaryAppId !== undefined) page.primaryAppId = given.primaryAppId;
      const owner = store.accounts.get(given.owner ?? "") ?? [...store.accounts.values()][0];
      if (owner && !owner.pages.includes(pageId)) owner.pages.push(pageId);
      return { id: pageId, name: page.name, instagram: page.instagram };
    }
    case "POST /sandbox/customers": {
      const { id: given, name: called, pageId, channel, ...rest } = read(schemas.customer, body);
      const known = given === undefined ? undefined : store.customers.get(given);
      if (pageId !== undefined && !store.pages.has(pageId)) throw commandErrors.invalid(`There is no page ${pageId}.`);
      const page = pageId ?? config.page.id;
      const customer =
        known ??
        store.addCustomer(createCustomer({ id: given ?? newId(), pageId: page, channel: channel ?? "page", name: called ?? null }));
      Object.assign(customer, Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)));
      return { id: customer.id, name: `${customer.firstName} ${customer.lastName}`.trim(), pageId: customer.pageId };
    }
    case "POST /sandbox/tokens": {
      const { type, appId, pageId, scopes, expiresInSeconds } = read(schemas.token, body);
      const now = store.clock.now();
      const owner = [...store.accounts.values()][0];
      const token = store.addToken({
        token: newTokenText(),
        type,
        appId: appId ?? config.app.id,
        accountId: owner?.id ?? null,
        pageId: type === "page" ? (pageId ?? config.page.id) : null,
        scopes: scopes ?? [...allScopes],
        issuedAt: now,
        expiresAt: expiresInSeconds === undefined ? 0 : now + expiresInSeconds * 1_000,
        broken: null,
      });
      return { token: token.token };
    }
    case "GET /sandbox/tokens":
      return { tokens: [...store.tokens.values()] };
    case "POST /sandbox/tokens/break": {
      const { token, why } = read(schemas.breakToken, body);
      const known = store.tokens.get(token);
      if (!known) throw commandErrors.notFound();
      known.broken = why;
      return { success: true };
    }
    case "POST /sandbox/subscriptions": {
      const { appId, object, callbackUrl, active, fields } = read(schemas.row, body);
      const app = store.apps.get(appId ?? config.app.id);
      if (!app) throw commandErrors.notFound();
      const row = { object, callbackUrl, verifyToken: "", includeValues: true, active: active ?? true, since: store.clock.now() };
      const named = (fields ?? ["messages"]).map((field) => ({ name: field, version: store.settings.defaultVersion }));
      app.subscriptions = [...app.subscriptions.filter((each) => each.object !== object), { ...row, fields: named }];
      return { success: true };
    }
    default:
      return null;
  }
}

function read<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw commandErrors.invalid(z.prettifyError(parsed.error));
  return parsed.data;
}
