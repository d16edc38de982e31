/** Which public URL an SSH server announces in what it prints to its user. Pure. */

/** Escape sequences of terminals (ECMA-48 CSI and OSC). */
// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\))/g;
/**
 * A line that is about the forward: `Forwarding HTTP traffic from URL`, `abc.lhr.life tunneled with tls termination, URL`, `HTTPS: URL`,
 * URL.
 */
const ABOUT_FORWARD = /forward|tunnel|^\W*https?:\s+https?:\/\/|^\W*https?:\/\/\S+\s*$/i;

/**
 * `https` before `http`; null while there is none. A link to somewhere else (documentation, sign-up) has a path or stands in a line about
 * something else.
 */
export function announcedUrl(text: string): string | null {
  const urls = text
    .replaceAll(ESCAPES, "")
    .split(/[\r\n]+/)
    .filter((line) => ABOUT_FORWARD.test(line))
    .flatMap((line) => line.match(/https?:\/\/[^\s"'<>,)\]]+/gi) ?? [])
    .filter((url) => URL.canParse(url) && new URL(url).pathname === "/" && new URL(url).search === "")
    .map((url) => new URL(url).origin);
  return urls.find((url) => url.startsWith("https:")) ?? urls[0] ?? null;
}
