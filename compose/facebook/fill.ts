/**
 * Deliveries out of a file: names in braces become ids and times, what is only an event gets its envelope, and the text becomes what
 * Meta puts on the wire. All of it on the text, never on parsed JSON: numbers above 2^53, doubled keys and odd values stay as written.
 */
import { randomBytes } from "node:crypto";

export interface Filling {
  pageId: string;
  instagramId: string;
  appId: string;
  customerId: string;
  /** Milliseconds. */
  at: number;
  /** The customer's last message, and the page's: what a reaction or an edit is about. */
  lastMid?: string | null;
  lastPageMid?: string | null;
}

/** The names, for help and documentation. */
export const placeholders: readonly (readonly [name: string, what: string])[] = [
  ["{{PAGE}}", "id of the page"],
  ["{{INSTAGRAM}}", "id of its Instagram account"],
  ["{{APP}}", "id of the app"],
  ["{{CUSTOMER}}", "id of the customer"],
  ["{{TIME}}", "now, in milliseconds; {{TIME+1000}} is a second later"],
  ["{{SECONDS}}", "now, in seconds"],
  ["{{MID}}", "a new message id, the same in the whole file; {{MID:a}}, {{MID:b}} are further ones"],
  ["{{LAST}}", "id of the customer's last message; {{LAST_PAGE}}: of the page's"],
];

export interface Template {
  /** Bodies of deliveries in the order in which they are sent, still with their names in braces. */
  bodies: string[];
}

/**
 * Reads a file: a whole body (`object` and `entry`), one event, or a list of either. Bodies of a list are sent one after the other; events
 * of a list travel in one delivery. Throws SyntaxError with a reason.
 */
export function readTemplate(text: string): Template {
  const value = parse(text);
  if (!Array.isArray(value)) return { bodies: [isBody(value) ? text : envelopeText([text])] };
  const parts = splitList(text);
  if (value.length === 0) throw new SyntaxError("The list is empty.");
  if (value.every(isBody)) return { bodies: parts };
  if (value.some(isBody)) throw new SyntaxError("A list holds whole bodies or events, not both.");
  return { bodies: [envelopeText(parts)] };
}

/** The names in braces replaced. The same {@link mids} given twice make two deliveries speak of the same messages. */
export function fill(body: string, filling: Filling, mids: Map<string, string> = new Map()): string {
  return body.replaceAll(/\{\{([A-Z_]+)(?:([+:-])([\w]+))?\}\}/g, (whole, name: string, sign: string | undefined, rest = "") => {
    const shift = sign === "+" ? Number(rest) : sign === "-" ? -Number(rest) : 0;
    switch (name) {
      case "PAGE":
        return filling.pageId;
      case "INSTAGRAM":
        return filling.instagramId;
      case "APP":
        return filling.appId;
      case "CUSTOMER":
        return filling.customerId;
      case "TIME":
        return String(filling.at + shift);
      case "SECONDS":
        return String(Math.floor(filling.at / 1_000) + shift);
      case "LAST":
        return filling.lastMid ?? "m_none";
      case "LAST_PAGE":
        return filling.lastPageMid ?? "m_none";
      case "MID": {
        const known = mids.get(rest) ?? `m_${randomBytes(48).toString("base64url")}`;
        mids.set(rest, known);
        return known;
      }
      default:
        return whole;
    }
  });
}

/** JSON text as Meta sends it: no space between tokens, `/` as `\/`, everything beyond ASCII as `\uXXXX`. Values stay as written. */
export function wireText(json: string): string {
  return json
    .replaceAll(
      /("(?:[^"\\]|\\.)*")|\s+/g,
      (_, quoted: string | undefined) => quoted?.replaceAll(/(\\.)|\//gs, (found, escape) => escape ?? `\\${found}`) ?? "",
    )
    .replaceAll(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function parse(text: string): unknown {
  // What stands for a number may be without quotes.
  const probe = text.replaceAll(/\{\{[A-Z_]+(?:[+:-]\w+)?\}\}/g, "0");
  try {
    return JSON.parse(probe) as unknown;
  } catch (error) {
    throw new SyntaxError(`It is not JSON: ${error instanceof Error ? error.message : "unknown"}`);
  }
}

function isBody(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new SyntaxError("An event is a JSON object.");
  return "object" in value && "entry" in value;
}

/** Sender, recipient and time of an event are filled in where they are missing; a message without mid gets one. */
function envelopeText(events: string[]): string {
  const whole = events.map((event, index) => {
    const value = parse(event) as Record<string, unknown>;
    const missing: string[] = [];
    if (!("sender" in value)) missing.push('"sender":{"id":"{{CUSTOMER}}"}');
    if (!("recipient" in value)) missing.push('"recipient":{"id":"{{PAGE}}"}');
    if (!("timestamp" in value)) missing.push(`"timestamp":{{TIME+${index}}}`);
    const { message } = value;
    const named = typeof message === "object" && message !== null && !("mid" in message);
    const text = named
      ? event.replace(/("message"\s*:\s*\{)(\s*\})?/, (_, head: string, end?: string) => `${head}"mid":"{{MID:e${index}}}"${end ?? ","}`)
      : event;
    if (missing.length === 0) return text;
    const body = text.trim().slice(1);
    return `{${missing.join(",")}${Object.keys(value).length > 0 ? "," : ""}${body}`;
  });
  return `{"object":"page","entry":[{"id":"{{PAGE}}","time":{{TIME}},"messaging":[${whole.join(",")}]}]}`;
}

/** The texts of a list's items. */
function splitList(text: string): string[] {
  const items: string[] = [];
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|\{\{[^}]*\}\}|[[\]{},]/g)) {
    if (token === "[" || token === "{") {
      depth += 1;
      if (depth === 1) start = index + 1;
    } else if ((token === "," && depth === 1) || (token === "]" && depth === 1)) {
      const item = text.slice(start, index).trim();
      if (item !== "") items.push(item);
      start = index + 1;
      if (token === "]") depth -= 1;
    } else if (token === "]" || token === "}") depth -= 1;
  }
  return items;
}
