/** What the edge itself answers: a page for people in a browser, JSON for everything else. Nothing in it is loaded from anywhere. */
import template from "../../templates/edge-error.html";
import { answers, type Answer, type AnswerCode } from "../errors.ts";

export interface Page {
  status: number;
  body: string;
  headers: Record<string, string | number>;
}

/**
 * @param accept of the request. A browser asks for HTML when somebody opens a page, and not when a script of a page asks.
 * @param id of the request, for whoever looks for it in a log; null: it could not be read.
 */
export function pageOf(code: AnswerCode, accept: string, id: string | null): Page {
  const entry: Answer = answers[code];
  const html = /\btext\/html\b/i.test(accept);
  const body = html ? htmlOf(code, entry, id) : jsonOf(code, entry, id);
  const headers: Page["headers"] = {
    "Content-Type": html ? "text/html; charset=utf-8" : "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Airy-Error": code,
  };
  if (html) headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
  if (entry.retryAfter !== undefined) headers["Retry-After"] = entry.retryAfter;
  if (id !== null) headers["X-Request-Id"] = id;
  if (entry.status === 405) headers["Allow"] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
  return { status: entry.status, body, headers };
}

function jsonOf(code: AnswerCode, { status, what, why, do: advice }: Answer, id: string | null): string {
  return `${JSON.stringify({ code, status, message: what, why, do: advice, ...(id === null ? {} : { requestId: id }) }, null, 2)}\n`;
}

const WHO = [
  ["visitor", "What you can do"],
  ["owner", "If this is your tunnel"],
  ["operator", "If you run this edge"],
] as const;

function htmlOf(code: AnswerCode, { status, what, why, do: advice }: Answer, id: string | null): string {
  const lines = WHO.flatMap(([who, title]) => {
    const text = advice[who];
    return text === undefined ? [] : [`<dt>${title}</dt><dd>${inHtml(text)}</dd>`];
  });
  const values: Record<string, string> = {
    title: `${status} ${code}`,
    what: inHtml(what),
    why: inHtml(why),
    advice: lines.join("\n        "),
    status: String(status),
    code,
    request: id === null ? "" : `<span>Request <code>${inHtml(id)}</code></span>`,
  };
  return template.replaceAll(/\{\{(\w+)\}\}/g, (_, key: string) => values[key] ?? "");
}

/** Texts of the catalogue have no markup but `code`. */
function inHtml(text: string): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
  return escaped.replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}
