/** How this program was called, so that what is to be typed next works where the user is: `./airy` in a checkout, `npx airy`, `airy`. */

let program = "airy";
let hint: RegExp | null = null;

/**
 * Said once, at the start.
 * @param called `AIRY_CALLED`, which the script `airy` sets; left out where something else started the program.
 * @param commands whose names tell a command line from a sentence about airy.
 */
export function calledAs(called: string | undefined, commands: readonly string[]): void {
  program = nameOf(called);
  const lines = `airy(?= (?:\\[|--[a-z]|(?:${commands.join("|")})(?![\\w-])))`;
  hint = program === "airy" ? null : new RegExp(`(?<![\\w./@:-])(?:${lines}|airy(?=-proxy (?:PORT|\\d|\\[|--[a-z])))`, "g");
}

/** The text with its command lines as they work here. */
export function asCalled(text: string): string {
  return hint === null ? text : text.replaceAll(hint, () => program);
}

function nameOf(called: string | undefined): string {
  if (!called) return "airy";
  if (called.endsWith("/node_modules/.bin/airy")) return "npx airy";
  return /^[\w./@%+=:,~-]+$/.test(called) ? called : `'${called.replaceAll("'", String.raw`'\''`)}'`;
}
