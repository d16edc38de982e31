/** `3000`, `host:3000`, `http://host:3000/app`, `/viber=http://localhost:4000/hook` -> routes. */
import { decodedPath } from "../../edge/wire/paths.ts";
import { fail } from "../errors.ts";
import { urlOf, type Route } from "../tunnel/services.ts";

export const DEFAULT_TARGET = "http://localhost:80";

/** Throws INVALID_ARGUMENT. */
export function parseTargets([first = DEFAULT_TARGET, ...others]: readonly string[]): [Route, ...Route[]] {
  const routes: [Route, ...Route[]] = [parseTarget(first), ...others.map(parseTarget)];
  const twice = routes.find(({ prefix }, i) => routes.findIndex((other) => other.prefix === prefix) !== i);
  if (twice) invalid(`two servers are given for ${twice.prefix}`);
  return routes;
}

/** `/viber -> http://localhost:4000/hook`, or the address alone where everything goes there. */
export function routeText({ prefix, target, path }: Route): string {
  return `${prefix === "/" ? "" : `${prefix} -> `}${urlOf(target)}${path ?? ""}`;
}

function parseTarget(text: string): Route {
  const [, prefix = "/", address = ""] = /^(?:(\/[^=]*)=)?(.*)$/.exec(text) ?? [];
  const match =
    /^(?:http:\/\/)?(?:(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):)?([0-9]{1,5})(\/.*)?$/i.exec(address) ??
    /^http:\/\/(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)()(\/.*)?$/i.exec(address);
  const port = Number(match?.[2] || 80);
  if (!match || port < 1 || port > 65_535) return invalid(`"${text}" is not a port, host:port or http:// URL of a local server`);
  const path = match[3] ?? null;
  for (const part of [prefix, path]) {
    if (part !== null && (decodedPath(part) !== part || part.includes("?"))) invalid(`"${part}" is not a plain path`);
  }
  const host = (match[1] ?? "localhost").replace(/^\[|\]$/g, "");
  // `http://localhost:3000/` is how browsers write the address; only below a path of its own does the slash say something.
  return { prefix: prefix.replace(/(?<=.)\/+$/, ""), target: { host, port }, path: prefix === "/" && path === "/" ? null : path };
}

function invalid(reason: string): never {
  return fail("INVALID_ARGUMENT", { command: "proxy", reason });
}
