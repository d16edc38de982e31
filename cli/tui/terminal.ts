/** What the terminal at hand can show. Decides between the Ink interface and plain lines; loads nothing of Ink. */

export type Environment = Record<string, string | undefined>;

/** Below this the frame would be unreadable; plain lines are better. */
export const minimum = { columns: 40, rows: 10 };

/**
 * Whether the interactive interface can run: a terminal on both ends, big enough, able to move the cursor, and not a CI machine (where
 * Ink itself writes nothing but the last frame). Otherwise the caller prints plain lines.
 */
export function canRender(
  stdin: { isTTY?: boolean },
  stdout: { isTTY?: boolean; columns?: number; rows?: number },
  env: Environment,
): boolean {
  if (!stdin.isTTY || !stdout.isTTY) return false;
  if (env["TERM"] === "dumb" || isCi(env) || isAccessible(env)) return false;
  if (env["AIRY_UI"] === "lines" || (isAgent(env) && env["AIRY_UI"] !== "tui")) return false;
  // A pty that was never told its size reports 0x0.
  return largeEnough({ columns: stdout.columns ?? 0, rows: stdout.rows ?? 0 });
}

export function largeEnough(size: { columns: number; rows: number }): boolean {
  return size.columns >= minimum.columns && size.rows >= minimum.rows;
}

/** A mode of its own for screen readers: text that is only ever added to, choices with numbers, a bell at the end. */
export function isAccessible(env: Environment): boolean {
  return ![undefined, "", "0", "false"].includes(env["ACCESSIBLE"]);
}

/** Coding agents have a terminal and read everything that is ever written to it; frames would fill their memory. */
function isAgent(env: Environment): boolean {
  return ["CLAUDECODE", "CURSOR_AGENT", "CODEX_SANDBOX"].some((name) => env[name] !== undefined && env[name] !== "");
}

/** The same question as Ink's own `is-in-ci`, so that the two never disagree. */
function isCi(env: Environment): boolean {
  if (env["CI"] === "0" || env["CI"] === "false") return false;
  return "CI" in env || "CONTINUOUS_INTEGRATION" in env || Object.keys(env).some((key) => key.startsWith("CI_"));
}

/** Whether the locale promises UTF-8; without it glyphs come from the ASCII set. */
export function isUtf8(env: Environment): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  return /utf-?8/i.test(locale);
}
