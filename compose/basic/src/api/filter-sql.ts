/** A filter as a condition on `conversation c`. Whatever the caller wrote goes in as parameters. */
import { storable } from "../text.ts";
import type { Filter, Piece } from "./filter.ts";
import { FilterError } from "./filter.ts";

export interface Condition {
  sql: string;
  values: unknown[];
}

interface Field {
  /** SQL of the field's text in lower case, or of its number. */
  sql: string;
  kind: "text" | "number" | "uuid" | "state";
}

/** @param firstParameter number of the first `$n` that is free. @throws FilterError */
export function filterSql(filter: Filter, firstParameter: number): Condition {
  const values: unknown[] = [];
  const parameter = (value: unknown, type: string) => `$${firstParameter - 1 + values.push(value)}::${type}`;
  return { sql: condition(filter, parameter), values };
}

type Parameter = (value: unknown, type: string) => string;

function condition(filter: Filter, parameter: Parameter): string {
  if (filter.kind !== "all") return leaf(filter, parameter);
  const must = filter.must.map((one) => condition(one, parameter));
  // Where a field is absent, a condition is neither true nor false; its opposite is true then.
  const not = filter.not.map((one) => `(${condition(one, parameter)} is not true)`);
  const should = filter.should.map((one) => condition(one, parameter));
  // As in Lucene: alternatives matter only where nothing is required, and what only forbids finds nothing.
  const any = must.length > 0 ? [] : [should.length > 0 ? `(${should.join(" or ")})` : "false"];
  return `(${[...must, ...any, ...not].join(" and ")})`;
}

function leaf(filter: Exclude<Filter, { kind: "all" }>, parameter: Parameter): string {
  const name = filter.field;
  if (name === "tag_ids") return tagCondition(filter, parameter);
  const field = fieldOf(name, parameter);
  // A field that no conversation has.
  if (field === null) return "false";
  if (filter.kind === "range") return rangeCondition(filter, field, parameter);
  const pieces: Piece[] = filter.kind === "phrase" ? [{ text: filter.text }] : filter.pieces;
  if (pieces.length === 1 && pieces[0] === "*") return field.kind === "number" ? "true" : `(${field.sql} is not null)`;
  if (field.kind === "number") return `(${field.sql} = ${numberOf(literal(pieces))})`;
  // Compared without an expression, so that its index is used.
  const exact = isLiteral(pieces) ? literal(pieces) : null;
  if (exact !== null && field.kind === "uuid") return uuidCondition(exact, field.sql, parameter);
  if (exact !== null && field.kind === "state") return stateCondition(exact, parameter);
  return `(${textCondition(filter.kind === "phrase", pieces, textSql(field), parameter)})`;
}

function fieldOf(name: string, parameter: Parameter): Field | null {
  switch (name) {
    case "id":
    case "channel_id":
      return { sql: `c.${name}`, kind: "uuid" };
    case "source":
      return { sql: "c.source", kind: "text" };
    case "display_name":
    case "metadata.contact.display_name":
      return { sql: "c.name_lower", kind: "text" };
    case "created_at":
      return { sql: "floor(extract(epoch from c.created_at) * 1000)", kind: "number" };
    case "unread_count":
    case "metadata.unread_count":
      return { sql: "c.unread_count", kind: "number" };
    case "metadata.state":
      return { sql: "c.state", kind: "state" };
    case "metadata.contact.avatar_url":
      return { sql: "lower(c.avatar_url)", kind: "text" };
    case "metadata.contact.fetch_state":
      return { sql: "c.fetch_state", kind: "text" };
  }
  if (name.startsWith("metadata.tags.")) {
    const id = parameter(name.slice("metadata.tags.".length).toLowerCase(), "text");
    return { sql: `case when ${id} = any(c.tag_ids::text[]) then '' end`, kind: "text" };
  }
  if (!name.startsWith("metadata.user_data.")) return null;
  const path = name.slice("metadata.user_data.".length).split(".").map(storable);
  return { sql: `lower(c.user_data #>> ${parameter(path, "text[]")})`, kind: "text" };
}

function textSql({ sql, kind }: Field): string {
  if (kind === "uuid") return `${sql}::text`;
  return kind === "state" ? `lower(${sql})` : sql;
}

function rangeCondition(filter: Extract<Filter, { kind: "range" }>, field: Field, parameter: Parameter): string {
  const value = (text: string) => (field.kind === "number" ? numberOf(text) : parameter(lower(text), "text"));
  const sql = field.kind === "number" ? field.sql : `${textSql(field)} collate "C"`;
  const { from, to } = filter;
  const parts = [
    ...(from === null ? [] : [`${sql} ${from.inclusive ? ">=" : ">"} ${value(from.text)}`]),
    ...(to === null ? [] : [`${sql} ${to.inclusive ? "<=" : "<"} ${value(to.text)}`]),
  ];
  return `(${parts.length === 0 ? `${field.sql} is not null` : parts.join(" and ")})`;
}

function uuidCondition(exact: string, sql: string, parameter: Parameter): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(exact)) return "false";
  return `(${sql} = ${parameter(exact, "uuid")})`;
}

function stateCondition(exact: string, parameter: Parameter): string {
  const value = exact.toUpperCase();
  if (value !== "OPEN" && value !== "CLOSED") return `(lower(c.state) = ${parameter(lower(exact), "text")})`;
  return `(c.state = '${value}')`;
}

function tagCondition(filter: Exclude<Filter, { kind: "all" }>, parameter: Parameter): string {
  if (filter.kind === "range") return "false";
  const pieces: Piece[] = filter.kind === "phrase" ? [{ text: filter.text }] : filter.pieces;
  if (pieces.length === 1 && pieces[0] === "*") return "(c.tag_ids <> '{}')";
  if (isLiteral(pieces)) {
    const id = literal(pieces);
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return "false";
    return `(c.tag_ids @> array[${parameter(id, "uuid")}])`;
  }
  return `exists (select from unnest(c.tag_ids) t where t::text like ${parameter(likePattern(pieces), "text")})`;
}

/** Lucene splits such a field at white space; a term is one of its words, a phrase words beside each other. */
function textCondition(phrase: boolean, pieces: Piece[], sql: string, parameter: Parameter): string {
  if (phrase) {
    const words = lower(literal(pieces)).split(/\s+/).filter(Boolean).join(" ");
    return `strpos(' ' || regexp_replace(${sql}, '\\s+', ' ', 'g') || ' ', ${parameter(` ${words} `, "text")}) > 0`;
  }
  const pattern = likePattern(pieces);
  // `*text*`: whatever stands in a word stands in the whole, and that has an index.
  const open = pieces.at(0) === "*" && pieces.at(-1) === "*" && pieces.length === 3 && typeof pieces[1] === "object";
  if (open && !/\s/.test(literal(pieces.slice(1, 2)))) return `${sql} like ${parameter(pattern, "text")}`;
  const words = `regexp_split_to_table(${sql}, '\\s+')`;
  return `exists (select from ${words} w where w like ${parameter(pattern, "text")})`;
}

function likePattern(pieces: Piece[]): string {
  const escaped = (text: string) => lower(text).replaceAll(/[\\%_]/g, String.raw`\$&`);
  return pieces.map((piece) => (piece === "*" ? "%" : piece === "?" ? "_" : escaped(piece.text))).join("");
}

function isLiteral(pieces: Piece[]): boolean {
  return pieces.every((piece) => typeof piece === "object");
}

function literal(pieces: Piece[]): string {
  return pieces.map((piece) => (typeof piece === "object" ? piece.text : piece)).join("");
}

function lower(text: string): string {
  return storable(text.toLowerCase());
}

/** Digits alone, so they may stand in the SQL: with a parameter the partial index of unread conversations is not found. */
function numberOf(text: string): string {
  if (!/^-?\d{1,18}$/.test(text)) throw new FilterError(`Could not parse query value "${text.slice(0, 50)}" for number format`);
  return text;
}
