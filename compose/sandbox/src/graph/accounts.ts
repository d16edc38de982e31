/** Page owners: who they are, which pages they have, what they allowed. */
import { graphErrors } from "../errors.ts";
import { type Account, type Page, type Token, newTokenText } from "../model.ts";
import { allScopes } from "../scopes.ts";
import type { World } from "../world.ts";
import { type Call, paged } from "./call.ts";
import { fieldWishes, pick } from "./fields.ts";

export function describeAccount({ request }: Call, account: Account): unknown {
  const [first = "", ...rest] = account.name.split(" ");
  const node = { id: account.id, name: account.name, first_name: first, last_name: rest.join(" "), email: undefined, picture: undefined };
  return pick(node, "User", fieldWishes(request.params), ["name"]);
}

/** `/me/accounts`. Without pages_show_list the list is empty: no error. */
export function listAccounts(call: Call, account: Account): unknown {
  const { world, caller, request } = call;
  if (caller.type !== "user") throw graphErrors.userTokenNeeded();
  const allowed = caller.token.scopes.includes("pages_show_list");
  const pages = allowed ? account.pages.flatMap((id) => world.store.pages.get(id) ?? []) : [];
  const list = paged(pages, request.params, ({ id }) => id);
  const wishes = fieldWishes(request.params);
  const usual = ["access_token", "category", "category_list", "name", "tasks"];
  return { ...list, data: list.data.map((page) => pick(pageNode(world, page, caller.token), "Page", wishes, usual)) };
}

/** `/me/permissions`: for user tokens alone. */
export function listPermissions({ caller }: Call): unknown {
  if (caller.type !== "user") throw graphErrors.parameterWrong("permissions", "is not available for this token");
  const { scopes } = caller.token;
  return { data: allScopes.map((permission) => ({ permission, status: scopes.includes(permission) ? "granted" : "declined" })) };
}

/** What can be read of a page; its token goes to its owner alone. */
export function pageNode(world: World, page: Page, token: Token | null): { id: string } & Record<string, unknown> {
  const { instagram } = page;
  const account = instagram
    ? { ...instagram, profile_picture_url: `${world.publicUrl}/pictures/${instagram.id}.svg`, followers_count: 3 }
    : undefined;
  return {
    id: page.id,
    name: page.name,
    category: page.category,
    category_list: [{ id: "2201", name: page.category }],
    link: `https://www.facebook.com/${page.id}`,
    username: page.name.replaceAll(/\W/g, "").toLowerCase(),
    about: undefined,
    picture: { data: { height: 50, width: 50, is_silhouette: false, url: `${world.publicUrl}/pictures/${page.id}.svg` } },
    access_token: token === null ? undefined : pageTokenOf(world, page, token),
    is_webhooks_subscribed: page.installed.some(({ appId }) => appId === token?.appId),
    tasks: ["ANALYZE", "ADVERTISE", "MODERATE", "CREATE_CONTENT", "MANAGE"],
    connected_instagram_account: account,
    instagram_business_account: account,
    fan_count: 3,
  };
}

/** The page's token with the scopes of the user's: scopes are frozen when a token is made. */
function pageTokenOf({ store, config }: World, page: Page, token: Token): string {
  if (token.type === "page") return token.token;
  const same = (each: Token) =>
    each.type === "page" &&
    each.pageId === page.id &&
    each.appId === token.appId &&
    each.broken === null &&
    [...each.scopes].sort().join() === [...token.scopes].sort().join();
  const configured = store.tokens.get(config.page.token);
  const known = configured && same(configured) ? configured : [...store.tokens.values()].find(same);
  if (known) return known.token;
  // Taken with a long-lived user token, a page's token does not expire.
  const expiresAt = token.expiresAt === 0 || token.expiresAt - token.issuedAt > 86_400_000 ? 0 : token.expiresAt;
  return store.addToken({ ...token, token: newTokenText(), type: "page", pageId: page.id, issuedAt: store.clock.now(), expiresAt }).token;
}
