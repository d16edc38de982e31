/** JSON as Meta's systems write it: ids may be numbers that a double cannot hold. */

// A string, or an integer of 16 digits and more that is no part of a fraction or an exponent.
const stringOrLong = /"(?:[^"\\]|\\[^])*"|-?\d{16,}(?![\d.eE])/g;

/**
 * Integers that would lose digits come as text, digit for digit.
 * @throws SyntaxError
 */
export function parseKeepingDigits(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  let end = 0;
  const quoted = text.replaceAll(stringOrLong, (found: string, at: number) => {
    const before = text[at - 1];
    end = at + found.length;
    // Digits behind a point or an exponent belong to a number that begins earlier.
    const whole = found.startsWith('"') || Number.isSafeInteger(Number(found)) || (before !== undefined && /[\d.eE+-]/.test(before));
    return whole ? found : `"${found}"`;
  });
  return JSON.parse(end === 0 ? text : quoted);
}
