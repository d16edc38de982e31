/**
 * Where the inbox is reached from elsewhere, when something forwards it: GitHub Codespaces, an IDE in the browser, a proxy of one's own.
 */
import { fail } from "../errors.ts";
import type { Io } from "../io/io.ts";

/**
 * Its origin, e.g. `https://name-4200.app.github.dev`; null where it is this machine's alone. Said by flag or environment and not by
 * airy.yaml: a page of this origin reads all conversations, and the file may come with somebody else's repository.
 * Codespaces' variables: https://docs.github.com/codespaces/developing-in-a-codespace/default-environment-variables-for-your-codespace.
 * Throws INVALID_ARGUMENT.
 */
export function inboxOrigin(asked: string | undefined, env: Io["env"], port: number): string | null {
  if (asked !== undefined) {
    const url = URL.canParse(asked) ? new URL(asked) : null;
    if (url && /^https?:$/.test(url.protocol) && /^[\w.-]+$/.test(url.hostname)) return url.origin;
    return fail("INVALID_ARGUMENT", { command: "up", reason: `--inbox-url is an http(s) address; got "${asked}".` });
  }
  const { CODESPACE_NAME: name = "", GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN: domain = "" } = env;
  return /^[\w-]+$/.test(name) && /^[\w-]+(\.[\w-]+)+$/.test(domain) ? `https://${name}-${port}.${domain}`.toLowerCase() : null;
}
