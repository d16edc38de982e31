/** The app: its description, its callbacks, its tokens. */
import { InstagramError, graphErrors } from "../errors.ts";
import { requireKnownFields, requireKnownObject } from "../fields.ts";
import { verifyCallback } from "../handshake.ts";
import { type App, type Subscription, newTokenText } from "../model.ts";
import { type Params, flagParam, listParam, textParam } from "../request.ts";
import { appOf, deathOf, identifyCaller, sameSecret } from "../tokens.ts";
import type { World } from "../world.ts";
import type { Call } from "./call.ts";
import { fieldWishes, pick } from "./fields.ts";

const HOUR_MS = 3_600_000;

export function describeApp(app: App, request: { params: Params }): unknown {
  const node = {
    category: "Business",
    link: `https://www.facebook.com/games/?app_id=${app.id}`,
    name: app.name,
    namespace: undefined,
    id: app.id,
  };
  return pick(node, "Application", fieldWishes(request.params), ["category", "link", "name"]);
}

/** Everything but the verify token, which Meta never gives out. */
export function listSubscriptions({ request }: Call, app: App): unknown {
  const wanted = fieldWishes(request.params);
  const rows = app.subscriptions.map((row) => ({
    object: row.object,
    callback_url: row.callbackUrl,
    active: row.active,
    fields: row.fields.map(({ name, version }) => ({ name, version })),
  }));
  if (wanted === null) return { data: rows };
  return { data: rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => wanted.some((wish) => wish.name === name)))) };
}

/**
 * Amends the object's row: callback and token are replaced, listed fields are added, others stay, an inactive row becomes active. The
 * callback is verified first, and nothing changes when that fails. Throws GraphError.
 */
export async function amendSubscription({ world, request, version }: Call, app: App): Promise<unknown> {
  const { settings, clock } = world.store;
  const { params } = request;
  const object = required(params, "object");
  requireKnownObject(object);
  const fields = listParam(params, "fields") ?? [];
  requireKnownFields("fields", object, fields);
  if (object === "instagram" && settings.instagramByApi === "refused") {
    throw graphErrors.parameterWrong("object", "must be one of {user, page, permissions, payments}");
  }
  const known = app.subscriptions.find((row) => row.object === object);
  const amending = settings.callbackOptional && known !== undefined && textParam(params, "callback_url") === null;
  const callbackUrl = amending ? (known.callbackUrl ?? "") : required(params, "callback_url");
  const verifyToken = amending ? known.verifyToken : required(params, "verify_token");
  checkUrl(world, callbackUrl, settings.maxCallbackUrl);
  if (!amending) await verifyCallback(world.config.http, callbackUrl, verifyToken, settings);
  if (object === "instagram" && settings.instagramByApi === "silent") return { success: true };

  // Looked up again: while the callback was asked another call may have changed the row.
  const before = app.subscriptions.find((row) => row.object === object);
  const merged = new Map(settings.fieldsAmend ? before?.fields.map(({ name, version: had }) => [name, had]) : []);
  for (const field of fields) merged.set(field, version);
  const row: Subscription = {
    object,
    callbackUrl,
    verifyToken,
    includeValues: flagParam(params, "include_values"),
    active: true,
    fields: [...merged].map(([name, at]) => ({ name, version: at })),
    since: clock.now(),
  };
  app.subscriptions = [...app.subscriptions.filter((each) => each.object !== object), row];
  world.config.log(`app ${app.id}, subscription of ${object}: ${callbackUrl}, fields ${[...merged.keys()].join(", ")}`);
  world.streams.tell({ type: "setup" });
  return { success: true };
}

/** Without `object` all rows go; with `fields` only those fields of the object. */
export function deleteSubscription({ world, request }: Call, app: App): unknown {
  const object = textParam(request.params, "object");
  const fields = listParam(request.params, "fields");
  if (object === null) app.subscriptions = [];
  else if (fields === null) app.subscriptions = app.subscriptions.filter((row) => row.object !== object);
  else {
    const row = app.subscriptions.find((each) => each.object === object);
    if (row) row.fields = row.fields.filter(({ name }) => !fields.includes(name));
  }
  world.config.log(`app ${app.id}, subscription of ${object ?? "all objects"} deleted${fields ? `: fields ${fields.join(", ")}` : ""}`);
  world.streams.tell({ type: "setup" });
  return { success: true };
}

/** Throws GraphError 100 for what is no http(s) address, or too long. */
export function checkUrl({ store }: World, url: string, most: number, parameter = "callback_url"): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : "";
  if (protocol !== "https:" && !(protocol === "http:" && store.settings.allowHttp)) {
    throw graphErrors.parameterWrong(parameter, protocol === "http:" ? "must be an https URL" : "must be a valid URI");
  }
  if (url.length > most) throw graphErrors.parameterWrong(parameter, `must be no longer than ${most} characters`);
}

/** `/oauth/access_token`: client credentials -> app token; a short-lived user token -> one of 60 days. */
export function exchangeToken(world: World, params: Params): unknown {
  const { store } = world;
  const clientId = textParam(params, "client_id") ?? "";
  const app = store.apps.get(clientId);
  // At Meta on another host, api.instagram.com. Both texts are from field reports.
  if (!app && textParam(params, "grant_type") === "authorization_code") {
    const known = [...store.apps.values()].some(({ instagramAppId }) => instagramAppId === clientId);
    throw new InstagramError(known ? "Matching code was not found or was already used" : "Invalid platform app");
  }
  if (!app) throw graphErrors.appUnknown(store.settings.unknownAppCode);
  if (!sameSecret(textParam(params, "client_secret") ?? "", app.secret)) throw graphErrors.clientSecret();
  const grant = textParam(params, "grant_type");
  if (grant === "client_credentials") return { access_token: `${app.id}|${app.secret}`, token_type: "bearer" };
  if (grant !== "fb_exchange_token") throw graphErrors.parameterMissing("grant_type");
  const given = identifyCaller(store, textParam(params, "fb_exchange_token"));
  if (given.type === "app" || given.app !== app) throw graphErrors.tokenUnreadable();
  const { token } = given;
  // A page's token that does not expire is its own long-lived one.
  if (token.expiresAt === 0) return { access_token: token.token, token_type: "bearer" };
  const now = store.clock.now();
  const long = store.addToken({ ...token, token: newTokenText(), issuedAt: now, expiresAt: now + 60 * 24 * HOUR_MS });
  return { access_token: long.token, token_type: "bearer", expires_in: 60 * 24 * 3_600 };
}

export function debugToken({ world, request, caller }: Call): unknown {
  const input = textParam(request.params, "input_token");
  if (input === null) throw graphErrors.parameterMissing("input_token");
  const { store } = world;
  if (input.includes("|")) {
    const [id = "", secret = ""] = input.split("|");
    const app = appOf(store, id, secret);
    return { data: { app_id: app.id, type: "APP", application: app.name, is_valid: true, scopes: [] } };
  }
  const token = store.tokens.get(input);
  const app = token && store.apps.get(token.appId);
  if (!token || !app) return { data: { error: { code: 190, message: "Invalid OAuth access token." }, is_valid: false, scopes: [] } };
  if (caller.app !== app) throw graphErrors.parameterWrong("input_token", "(The App_id in the input_token did not match the Viewing App)");
  const now = store.clock.now();
  const death = deathOf(token, now);
  return {
    data: {
      app_id: app.id,
      type: token.type.toUpperCase(),
      application: app.name,
      data_access_expires_at: Math.floor((token.issuedAt + 90 * 24 * HOUR_MS) / 1_000),
      expires_at: Math.floor(token.expiresAt / 1_000),
      is_valid: death === null,
      issued_at: Math.floor(token.issuedAt / 1_000),
      ...(death === null ? {} : { error: { code: 190, message: `Error validating access token: ${death.why}`, subcode: death.subcode } }),
      ...(token.pageId === null ? {} : { profile_id: token.pageId }),
      scopes: token.scopes,
      granular_scopes: token.scopes.filter((scope) => /^pages_|^instagram_/.test(scope)).map((scope) => ({ scope })),
      user_id: token.accountId ?? undefined,
    },
  };
}

function required(params: Params, name: string): string {
  const value = textParam(params, name);
  if (value === null) throw graphErrors.parameterMissing(name);
  return value;
}
