/** The optional bearer token of the API, and the page on which a person gives it to the browser. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Reply } from "./reply.ts";
import type { App } from "./server.ts";
import { write } from "./server.ts";

export interface Access {
  /** Says why a request is refused, or null. */
  refuses(headers: IncomingHttpHeaders): string | null;
  /** The path is for everybody who may talk to this server at all. */
  open(path: string): boolean;
  /** Adds `GET /login` and, with the token that was typed, `POST /login`. */
  routes(app: App): void;
}

const COOKIE = "airy_session";
const openPaths = new Set(["/health", "/login"]);

/** @param token null: whoever reaches the server may use it (it listens on 127.0.0.1 only). */
export function createAccess(token: string | null): Access {
  // The cookie is not the token itself, so that whoever reads a browser's files cannot use it elsewhere after the token was changed.
  const session = token === null ? "" : createHmac("sha256", token).update("airy session").digest("base64url");

  function refuses({ authorization, cookie }: IncomingHttpHeaders): string | null {
    if (token === null) return null;
    // Airy's command line sends the token without the word Bearer.
    const given = authorization?.replace(/^Bearer\s+/i, "");
    if (given !== undefined && same(given, token)) return null;
    const found = cookie?.split(/;\s*/).find((part) => part.startsWith(`${COOKIE}=`));
    if (found !== undefined && same(found.slice(COOKIE.length + 1), session)) return null;
    return authorization === undefined && found === undefined ? "a token is needed" : "the token is not right";
  }

  function signIn(given: string): Reply {
    if (token === null || !same(given.trim(), token)) return page('<p role="alert">This is not the token of this workspace.</p>');
    return { status: 303, headers: { location: "/", "set-cookie": `${COOKIE}=${session}; HttpOnly; SameSite=Strict; Path=/` } };
  }

  return {
    refuses,
    open: (path) => openPaths.has(path),
    routes(app) {
      void app.register(async (scope) => {
        scope.removeAllContentTypeParsers();
        scope.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string", bodyLimit: 4_096 }, (_request, body, done) =>
          done(null, new URLSearchParams(String(body)).get("token") ?? ""),
        );
        scope.get("/login", { schema: { hide: true } }, (_request, reply) => write(reply, page("")));
        scope.post("/login", { schema: { hide: true } }, async (request, reply) => write(reply, signIn(String(request.body ?? ""))));
      });
    },
  };
}

function page(note: string): Reply {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in - Airy</title><style>:root{color-scheme:light dark}body{font:16px system-ui,sans-serif;max-width:22rem;margin:15vh auto;padding:0 1rem}
label,input,button{display:block;width:100%;box-sizing:border-box}input,button{font:inherit;margin-top:.6rem;padding:.5rem .7rem}</style>
<h1>Airy</h1>${note}<form method="post" action="/login">
<label>Token of this workspace <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Sign in</button></form></html>
`;
  const policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
  const type = "text/html; charset=utf-8";
  // Under no-referrer a browser says that the form comes from nowhere (Origin: null), which no guard can tell from a foreign page.
  return { status: 200, headers: { "content-type": type, "content-security-policy": policy, "referrer-policy": "same-origin" }, body };
}

/** In constant time; digests, because `timingSafeEqual` wants equal lengths. */
function same(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
