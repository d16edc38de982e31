/**
 * Text that strangers choose (the path of a request, the words of an edge) on its way into files of ours. Those may be read by a terminal,
 * a JSON parser, or a shell that was made to read them: in none of these does it do anything.
 */

/** JSON in, JSON of the same value out: what is special inside double quotes, and what a terminal obeys, is escaped. */
export function inertJson(json: string): string {
  return json.replaceAll(/[$`!\u007f-\u009f\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A path or method as it came (bytes as latin1): all but what every URL may hold bare is percent-encoded, and what is encoded stays so. */
export function inertPath(path: string): string {
  return path.replaceAll(/[^A-Za-z0-9\-._~/%:@+,=]/g, (char) => {
    return [...Buffer.from(char, char <= "\u00ff" ? "latin1" : "utf8")]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join("");
  });
}

/** Prose. */
export function inertText(text: string): string {
  return text.replaceAll(/[\p{Cc}`$\\;|&<>]/gu, "?");
}
