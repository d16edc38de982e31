/** `fields=id,name,messages.limit(5){text,from}`: which members of a node were asked for. */
import { graphErrors } from "../errors.ts";
import { type Params, listParam } from "../request.ts";

export interface FieldWish {
  name: string;
  /** What is asked of each item of an edge. */
  inner: FieldWish[] | null;
  limit: number | null;
}

/** null where nothing was asked for. */
export function fieldWishes(params: Params): FieldWish[] | null {
  const given = listParam(params, "fields");
  return given === null ? null : parse(given.join(","));
}

/** Commas inside of braces and parentheses do not part; what is nested deeper than 4 is left out. */
function parse(text: string, depth = 0): FieldWish[] {
  const parts: string[] = [];
  let level = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const char = text[at];
    if (char === "{" || char === "(") level += 1;
    else if (char === "}" || char === ")") level -= 1;
    else if ((char === "," && level === 0) || char === undefined) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return parts.filter(Boolean).map((part) => {
    const brace = part.indexOf("{");
    const head = brace === -1 ? part : part.slice(0, brace);
    const inner = brace === -1 || depth >= 4 ? null : parse(part.slice(brace + 1, part.lastIndexOf("}")), depth + 1);
    const limit = /\.limit\((\d+)\)/.exec(head)?.[1];
    return { name: head.replace(/[.(].*$/s, "").trim(), inner, limit: limit === undefined ? null : Number(limit) };
  });
}

/**
 * What was asked for, in the order of the asking; the Graph API always adds the id. A member that is absent (undefined) is left out, a name
 * that the node does not have at all is refused: GraphError 100.
 */
export function pick(
  node: { id: string } & Record<string, unknown>,
  type: string,
  wishes: FieldWish[] | null,
  usual: string[],
): Record<string, unknown> {
  const picked: Record<string, unknown> = {};
  for (const { name, inner } of wishes ?? usual.map((each) => ({ name: each, inner: null }))) {
    if (name === "id") continue;
    if (!Object.hasOwn(node, name)) throw graphErrors.unknownField(name, type);
    if (node[name] !== undefined) picked[name] = inside(node[name], name, inner);
  }
  return { ...picked, id: node.id };
}

/** Of another node its id, and what was asked for in braces. */
function inside(value: unknown, type: string, wishes: FieldWish[] | null): unknown {
  const isNode = typeof value === "object" && value !== null && typeof (value as { id?: unknown }).id === "string";
  return isNode ? pick(value as { id: string } & Record<string, unknown>, type, wishes, []) : value;
}
