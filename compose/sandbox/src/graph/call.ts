/** One call of the Graph API: who calls, what for. */
import type { GraphRequest } from "../request.ts";
import type { Caller } from "../tokens.ts";
import type { World } from "../world.ts";

export interface Call {
  world: World;
  request: GraphRequest;
  caller: Caller;
  /** The version that it runs as. */
  version: string;
}

/** A page of a list, with cursors as the Graph API has them. */
export function paged<T>(
  items: T[],
  params: Record<string, unknown>,
  idOf: (item: T) => string,
  most = 25,
): { data: T[]; paging?: unknown } {
  const limit = Math.min(Math.max(Number(params["limit"]) || most, 1), 100);
  const after = typeof params["after"] === "string" ? Buffer.from(params["after"], "base64url").toString() : null;
  const from = after === null ? 0 : items.findIndex((item) => idOf(item) === after) + 1;
  const data = items.slice(from, from + limit);
  const [first, last] = [data[0], data.at(-1)];
  if (first === undefined || last === undefined) return { data };
  const cursor = (item: T) => Buffer.from(idOf(item)).toString("base64url");
  const more = from + limit < items.length ? { next: `?after=${cursor(last)}&limit=${limit}` } : {};
  return { data, paging: { cursors: { before: cursor(first), after: cursor(last) }, ...more } };
}
