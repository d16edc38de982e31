/** What HTTP says of fields and methods, for both ends of a tunnel. */

/** Methods that may be sent again when the first attempt's fate is unknown. */
const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS"]);

export function isRepeatable(method: string): boolean {
  return REPEATABLE.has(method);
}

/** RFC 9110 section 5.5: no control characters but tab. Node throws on anything else when it writes a head. */
export function isFieldText(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}
