/**
 * The filter language of `conversations.list`: Lucene's classic query syntax, as far as it makes sense for conversations.
 *
 *   query   = clause*                                 clauses side by side are alternatives, as in Lucene
 *   clause  = [AND | OR | && | ||] [+ | - | ! | NOT] [field ":"] value
 *   value   = term | "phrase" | range | "(" query ")"
 *   range   = ("[" | "{") bound TO bound ("]" | "}")  `*` leaves a side open
 *   term    = characters, `\` takes the next one as it is, `*` and `?` are wildcards
 *
 * Source: the documentation of org.apache.lucene.queryparser.classic.
 */

export type Filter =
  | { kind: "all"; must: Filter[]; not: Filter[]; should: Filter[] }
  | { kind: "term"; field: string; pieces: Piece[] }
  | { kind: "phrase"; field: string; text: string }
  | { kind: "range"; field: string; from: Bound | null; to: Bound | null };

/** Text as it is, or a wildcard. */
export type Piece = { text: string } | "*" | "?";

interface Bound {
  text: string;
  inclusive: boolean;
}

/** The message is for the caller, in Lucene's words. */
export class FilterError extends Error {
  override readonly name = "FilterError";
}

const DEFAULT_FIELD = "id";
const MAX_LENGTH = 10_000;
const MAX_DEPTH = 20;
/** Lucene's own limit on the clauses of a query. */
const MAX_CLAUSES = 1_024;

type Token =
  | { type: "(" | ")" | ":" | "[" | "{" | "]" | "}" | "+" | "-" | "AND" | "OR" | "NOT" | "TO" | "end"; at: number }
  | { type: "word"; pieces: Piece[]; at: number }
  | { type: "quoted"; text: string; at: number };

/** @throws FilterError */
export function parseFilter(query: string): Filter {
  if (query.length > MAX_LENGTH) throw new FilterError(`the query is longer than ${MAX_LENGTH} characters`);
  return new Parser(query).parse();
}

/** Of a query for everything but something (`id:* AND NOT x`): that something, else null. */
export function complementOf(filter: Filter): Filter | null {
  if (filter.kind !== "all" || filter.not.length === 0) return null;
  const everything = (one: Filter) => one.kind === "term" && one.field === "id" && one.pieces.length === 1 && one.pieces[0] === "*";
  if (filter.must.length === 0 || !filter.must.every(everything)) return null;
  return { kind: "all", must: [], not: [], should: filter.not };
}

class Parser {
  readonly #query: string;
  readonly #tokens: Token[];
  #next = 0;
  #clauses = 0;

  constructor(query: string) {
    this.#query = query;
    this.#tokens = tokens(query);
  }

  parse(): Filter {
    const filter = this.#alternatives(DEFAULT_FIELD, 0);
    if (this.#peek().type !== "end") throw this.#unexpected();
    return filter;
  }

  #alternatives(field: string, depth: number): Filter {
    if (depth > MAX_DEPTH) throw new FilterError(`parentheses are nested deeper than ${MAX_DEPTH}`);
    const clauses: { filter: Filter; occurs: "must" | "not" | "should" }[] = [];
    while (this.#peek().type !== "end" && this.#peek().type !== ")") {
      const joined = this.#conjunction(clauses.length > 0);
      const modifier = this.#modifier();
      // Lucene: AND makes a must of both its sides, unless a side is forbidden.
      const before = clauses.at(-1);
      if (joined === "AND" && before?.occurs === "should") before.occurs = "must";
      const occurs = modifier ?? (joined === "AND" ? "must" : "should");
      clauses.push({ filter: this.#clause(field, depth), occurs });
      this.#clauses += 1;
      if (this.#clauses > MAX_CLAUSES) throw new FilterError(`the query has more than ${MAX_CLAUSES} clauses`);
    }
    if (clauses.length === 0) throw this.#unexpected();
    const those = (occurs: string) => clauses.filter((clause) => clause.occurs === occurs).map((clause) => clause.filter);
    return { kind: "all", must: those("must"), not: those("not"), should: those("should") };
  }

  #conjunction(allowed: boolean): "AND" | "OR" | null {
    const { type } = this.#peek();
    if (type !== "AND" && type !== "OR") return null;
    if (!allowed) throw this.#unexpected();
    this.#next += 1;
    return type;
  }

  #modifier(): "must" | "not" | null {
    const { type } = this.#peek();
    if (type !== "+" && type !== "-" && type !== "NOT") return null;
    this.#next += 1;
    return type === "+" ? "must" : "not";
  }

  #clause(outer: string, depth: number): Filter {
    let field = outer;
    const [first, second] = [this.#peek(), this.#peek(1)];
    if (first.type === "word" && second.type === ":") {
      field = first.pieces.map((piece) => (typeof piece === "string" ? piece : piece.text)).join("");
      this.#next += 2;
    }
    const token = this.#take();
    switch (token.type) {
      case "word":
        return { kind: "term", field, pieces: token.pieces };
      case "quoted":
        return { kind: "phrase", field, text: token.text };
      case "[":
      case "{":
        return this.#range(field, token.type === "[");
      case "(": {
        const inner = this.#alternatives(field, depth + 1);
        this.#expect(")");
        return inner;
      }
      default:
        this.#next -= 1;
        throw this.#unexpected();
    }
  }

  #range(field: string, fromInclusive: boolean): Filter {
    const from = this.#bound();
    this.#expect("TO");
    const to = this.#bound();
    const end = this.#take();
    if (end.type !== "]" && end.type !== "}") {
      this.#next -= 1;
      throw this.#unexpected();
    }
    return {
      kind: "range",
      field,
      from: from === null ? null : { text: from, inclusive: fromInclusive },
      to: to === null ? null : { text: to, inclusive: end.type === "]" },
    };
  }

  #bound(): string | null {
    const token = this.#take();
    if (token.type === "quoted") return token.text;
    if (token.type === "-" && this.#peek().type === "word") return `-${this.#bound() ?? ""}`;
    if (token.type !== "word") {
      this.#next -= 1;
      throw this.#unexpected();
    }
    if (token.pieces.length === 1 && token.pieces[0] === "*") return null;
    return token.pieces.map((piece) => (typeof piece === "string" ? piece : piece.text)).join("");
  }

  #expect(type: Token["type"]): void {
    if (this.#take().type === type) return;
    this.#next -= 1;
    throw this.#unexpected();
  }

  #peek(ahead = 0): Token {
    return this.#tokens[this.#next + ahead] ?? { type: "end", at: this.#query.length };
  }

  #take(): Token {
    const token = this.#peek();
    this.#next += 1;
    return token;
  }

  #unexpected(): FilterError {
    const { type, at } = this.#peek();
    const found = type === "end" ? "<EOF>" : this.#query.slice(at, at + 20);
    return new FilterError(`Cannot parse '${this.#query.slice(0, 200)}': Encountered "${found}" at line 1, column ${at}.`);
  }
}

function tokens(query: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  let inRange = false;
  while (at < query.length) {
    const character = query.charAt(at);
    const two = query.slice(at, at + 2);
    if (/\s/.test(character)) at += 1;
    else if (two === "&&" || two === "||") {
      found.push({ type: two === "&&" ? "AND" : "OR", at });
      at += 2;
    } else if (character === '"') {
      const { text, end } = quoted(query, at);
      found.push({ type: "quoted", text, at });
      at = end;
    } else if (isMark(character)) {
      if (character === "[" || character === "{") inRange = true;
      if (character === "]" || character === "}") inRange = false;
      found.push({ type: character === "!" ? "NOT" : (character as "("), at });
      at += 1;
    } else {
      const { pieces, plain, end } = word(query, at);
      if (pieces.length === 0) throw lexical(query, at);
      found.push(keyword(plain, inRange, at) ?? { type: "word", pieces, at });
      at = end;
      // A boost changes the order of results in Lucene; ours is that of the last message.
      const boost = /^\^\d+(\.\d+)?/.exec(query.slice(at, at + 20));
      at += boost?.[0].length ?? 0;
    }
  }
  found.push({ type: "end", at });
  return found;
}

function keyword(plain: string, inRange: boolean, at: number): Token | null {
  if (plain === "AND" || plain === "OR" || plain === "NOT") return { type: plain, at };
  return plain === "TO" && inRange ? { type: "TO", at } : null;
}

function isMark(character: string): boolean {
  return "()[]{}:+-!".includes(character);
}

/** `plain` is the word as it was typed, for telling operators from terms. */
function word(query: string, start: number): { pieces: Piece[]; plain: string; end: number } {
  const pieces: Piece[] = [];
  let at = start;
  const add = (text: string) => {
    const last = pieces.at(-1);
    if (typeof last === "object") last.text += text;
    else pieces.push({ text });
  };
  while (at < query.length) {
    const character = query.charAt(at);
    if (/[\s()[\]{}:"!^]/.test(character)) break;
    // Inside a word, `+` and `-` are letters.
    if (character === "~" || character === "/") throw new FilterError(`Cannot parse '${query.slice(0, 200)}': ${unsupported(character)}`);
    if (character === "\\") {
      if (at + 1 >= query.length) throw lexical(query, at);
      const point = String.fromCodePoint(query.codePointAt(at + 1) ?? 0);
      add(point);
      at += 1 + point.length;
    } else {
      if (character === "*" || character === "?") pieces.push(character);
      else add(character);
      at += 1;
    }
  }
  return { pieces, plain: query.slice(start, at), end: at };
}

function unsupported(character: string): string {
  return character === "~" ? "fuzzy search is not supported by this platform" : "regular expressions are not supported by this platform";
}

function quoted(query: string, start: number): { text: string; end: number } {
  let text = "";
  for (let at = start + 1; at < query.length; at += 1) {
    const character = query.charAt(at);
    if (character === '"') return { text, end: at + 1 };
    if (character === "\\") at += 1;
    text += query[at] ?? "";
  }
  throw lexical(query, query.length);
}

function lexical(query: string, at: number): FilterError {
  const found = at < query.length ? query.slice(at, at + 1) : "<EOF>";
  return new FilterError(
    `Cannot parse '${query.slice(0, 200)}': Lexical error at line 1, column ${at + 1}.  Encountered: ${found} after prefix`,
  );
}
