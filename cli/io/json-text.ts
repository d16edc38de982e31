/** JSON as it was written, on several lines: numbers keep their digits and doubled keys stay, which parsing would lose. */

const TOKEN = /\s+|"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gy;

/** null where the text is no JSON. Strings are shown with their letters, not as `\u00e4`. */
export function indentJson(text: string): string | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  let shown = "";
  let depth = 0;
  let opened = false;
  const newLine = (): void => void (shown += `\n${"  ".repeat(depth)}`);
  for (const [token] of text.matchAll(TOKEN)) {
    if (token.trim() === "") continue;
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    if (closes ? !opened : opened) newLine();
    opened = token === "{" || token === "[";
    if (opened) depth += 1;
    shown += token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token;
    if (token === ":") shown += " ";
    if (token === ",") newLine();
  }
  return shown;
}
